//! A place for one server's data: a folder, and in it a SQLite file or, beside it, a schema on Postgres.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection, PgConnection, postgres::PgPoolOptions, sqlite::SqlitePoolOptions};
use tempfile::TempDir;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Which database a scenario runs on.
#[derive(Debug, Clone)]
pub enum Database {
    Sqlite,
    /// URL of a server on which schemas may be made.
    Postgres(String),
}

impl Database {
    /// The server that `TEST_POSTGRES_URL` names.
    pub fn postgres() -> Option<Self> {
        let url = std::env::var("TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty());
        if url.is_none() {
            eprintln!("SKIPPED on Postgres: TEST_POSTGRES_URL names no server");
        }
        url.map(Self::Postgres)
    }
}

/// A fresh folder and database; both go when it is dropped.
pub struct Place {
    pub folder: TempDir,
    pub url: String,
    schema: Option<(String, String)>,
}

/// Reads what the store has no function for.
#[derive(Clone)]
pub enum Raw {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
}

/// Runs the same query on either database.
macro_rules! raw {
    ($raw:expr, |$pool:ident| $body:expr) => {
        match $raw {
            $crate::support::database::Raw::Sqlite($pool) => $body,
            $crate::support::database::Raw::Postgres($pool) => $body,
        }
    };
}
pub(crate) use raw;

impl Place {
    pub async fn new(database: &Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let Database::Postgres(server) = database else {
            let url = folder.path().join("electrons.db").to_str().unwrap().to_owned();
            return Self { folder, url, schema: None };
        };
        let schema = format!("it_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(server).await.unwrap();
        for sql in [format!("DROP SCHEMA IF EXISTS {schema} CASCADE"), format!("CREATE SCHEMA {schema}")] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{schema}");
        Self { folder, url, schema: Some((server.clone(), schema)) }
    }

    /// Opens the database beside whatever else uses it.
    pub async fn raw(&self) -> Raw {
        if self.schema.is_some() {
            Raw::Postgres(PgPoolOptions::new().max_connections(2).connect(&self.url).await.unwrap())
        } else {
            let url = format!("sqlite:{}", self.url);
            Raw::Sqlite(SqlitePoolOptions::new().max_connections(2).connect(&url).await.unwrap())
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((server, schema)) = self.schema.take() else { return };
        // A thread of its own: this one may be inside a runtime that must not block, or one that is ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let mut admin = PgConnection::connect(&server).await?;
                let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("a schema of the tests stays behind: {error}");
        }
    }
}
