//! Databases for tests: a fresh SQLite file always, a fresh schema on Postgres when `TEST_POSTGRES_URL` names a server.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{Connection, PgConnection};

use super::{Db, DbOptions};

static NEXT: AtomicU32 = AtomicU32::new(0);

fn options() -> DbOptions {
    DbOptions { max_connections: 4, ..DbOptions::default() }
}

/// A migrated SQLite database; it lives as long as the folder.
pub async fn sqlite() -> (Db, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::connect(folder.path().join("test.db").to_str().unwrap(), &options()).await.unwrap();
    db.migrate().await.unwrap();
    (db, folder)
}

/// Runs a test body once per database, each time on an empty, migrated one.
pub async fn each_db<F, Fut>(test: F)
where
    F: Fn(Db) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (db, folder) = sqlite().await;
    test(db.clone()).await;
    db.close().await;
    drop(folder);

    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else { return };
    let schema = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(&server).await.unwrap();
    run(&mut admin, format!("CREATE SCHEMA {schema}")).await;
    let separator = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{separator}options=-csearch_path%3D{schema}");
    let db = Db::connect(&url, &options()).await.unwrap();
    db.migrate().await.unwrap();
    // In a task of its own, so that the schema goes even when the test fails.
    let outcome = tokio::spawn(test(db.clone())).await;
    db.close().await;
    run(&mut admin, format!("DROP SCHEMA {schema} CASCADE")).await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(connection).await.unwrap();
}
