//! Connections, transactions, versions and locks.

use super::*;
use crate::store::{DbKind, DbOptions, LockError, ServerLock, testing};

#[tokio::test]
async fn connects_migrates_twice_and_answers() {
    each_db(|db| async move {
        db.migrate().await.unwrap();
        db.ping().await.unwrap();
        assert_eq!(db.kind(), if matches!(db, Db::Sqlite(_)) { DbKind::Sqlite } else { DbKind::Postgres });
        assert_eq!(db.config_version().await.unwrap(), 1);
        db.close().await;
        assert!(matches!(db.ping().await, Err(StoreError::Unavailable(_))));
    })
    .await;
}

#[tokio::test]
async fn data_survives_a_new_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/electrons.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let db = Db::connect(&url, &DbOptions { full_sync: true, ..DbOptions::default() }).await.unwrap();
    db.migrate().await.unwrap();
    populate(&db).await;
    db.close().await;
    let again = Db::connect(path.to_str().unwrap(), &DbOptions::default()).await.unwrap();
    assert!(again.user("u1").await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_a_sqlite_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/electrons.db");
    let db = Db::connect(path.to_str().unwrap(), &DbOptions::default()).await.unwrap();
    db.migrate().await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in ["electrons.db", "electrons.db-wal", "electrons.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn refuses_what_it_cannot_open() {
    let memory = Db::connect("sqlite::memory:", &DbOptions::default()).await;
    assert!(matches!(memory, Err(StoreError::Invalid { .. })));
    let folder = tempfile::tempdir().unwrap();
    let directory = Db::connect(folder.path().to_str().unwrap(), &DbOptions::default()).await;
    assert!(matches!(directory, Err(StoreError::Unavailable(_))));
    let impatient = DbOptions { acquire_timeout: std::time::Duration::from_millis(200), ..DbOptions::default() };
    let nobody = Db::connect("postgres://nobody:secretword@127.0.0.1:1/none", &impatient).await;
    let Err(StoreError::Unavailable(message)) = nobody else { panic!("{nobody:?}") };
    assert!(!message.contains("secretword"));
}

#[tokio::test]
async fn an_error_inside_a_transaction_undoes_it() {
    async fn insert_two(db: &Db) -> Result<(), StoreError> {
        change!(db, T0, |t| {
            for id in ["x", "x"] {
                sqlx::query("INSERT INTO organizations (org_id, name, created_us, updated_us) VALUES ($1, 'X', 1, 1)")
                    .bind(id)
                    .execute(&mut *t)
                    .await?;
            }
        });
        Ok(())
    }
    each_db(|db| async move {
        conflict(insert_two(&db).await, "organizations");
        assert_eq!(db.organization("x").await.unwrap(), None);
        assert_eq!(db.config_version().await.unwrap(), 1);
        // The writer is free again.
        db.insert_organization(&organization("x", T0)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_abandoned_transaction_undoes_itself() {
    each_db(|db| async move {
        let written = tokio::sync::Notify::new();
        let half = async {
            tx!(&db, |t| {
                sqlx::query("UPDATE settings SET version = 99").execute(&mut *t).await?;
                written.notify_one();
                std::future::pending::<()>().await;
            });
            Ok::<_, StoreError>(())
        };
        tokio::select! {
            ended = half => panic!("{ended:?}"),
            () = written.notified() => {}
        }
        db.bump_config_version(T0).await.unwrap();
        assert_eq!(db.config_version().await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn every_change_counts_once_even_when_they_come_together() {
    each_db(|db| async move {
        let changes = (0..20).map(|n| {
            let db = db.clone();
            tokio::spawn(async move { db.insert_organization(&organization(&format!("o{n}"), T0 + n)).await })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.unwrap().unwrap();
        }
        assert_eq!(db.config_version().await.unwrap(), 21);
        assert_eq!(db.load_configuration().await.unwrap().version, 21);
    })
    .await;
}

#[tokio::test]
async fn readers_cannot_write_on_sqlite() {
    let (db, _folder) = testing::sqlite().await;
    let write = db!(&db, |c| sqlx::query("DELETE FROM settings").execute(c).await.map(|_| ()));
    assert!(write.is_err());
}

#[tokio::test]
async fn postgres_hints_that_the_configuration_changed() {
    each_db(|db| async move {
        let Some(mut hints) = db.config_hints().await.unwrap() else {
            assert_eq!(db.kind(), DbKind::Sqlite);
            return;
        };
        db.bump_config_version(T0).await.unwrap();
        hints.next().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn settings_are_objects_and_count_their_writes() {
    each_db(|db| async move {
        assert_eq!(db.setting("site").await.unwrap(), None);
        db.put_setting("site", &json!({"name": "Lab"}), T0).await.unwrap();
        db.put_setting("site", &json!({"name": "Works", "n": 2}), T0 + 1).await.unwrap();
        db.put_setting("about", &json!({}), T0).await.unwrap();
        let site = db.setting("site").await.unwrap().unwrap();
        assert_eq!((site.value, site.version, site.updated_us), (json!({"name": "Works", "n": 2}), 2, T0 + 1));
        let keys: Vec<String> = db.list_settings().await.unwrap().into_iter().map(|s| s.key).collect();
        assert_eq!(keys, ["about", "site"]);

        for (key, value) in [("n", json!(1)), ("n", json!([])), ("config_version", json!({}))] {
            assert!(matches!(db.put_setting(key, &value, T0).await, Err(StoreError::Invalid { .. })));
        }
        db.delete_setting("site", T0 + 2).await.unwrap();
        assert_eq!(db.delete_setting("site", T0 + 2).await, Err(StoreError::NotFound));
        assert_eq!(db.delete_setting("config_version", T0 + 2).await, Err(StoreError::NotFound));
        assert_eq!(db.config_version().await.unwrap(), 5);
    })
    .await;
}

#[test]
fn a_second_server_learns_who_holds_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("electrons.db");
    let lock = ServerLock::take(&path).unwrap();
    let held = ServerLock::take(&path).unwrap_err();
    let message = held.to_string();
    assert!(matches!(held, LockError::Held { ref pid, .. } if *pid == std::process::id().to_string()), "{message}");
    assert!(message.contains("electrons.db.lock") && message.contains(&std::process::id().to_string()));
    drop(lock);
    ServerLock::take(&path).unwrap();
    let nowhere = ServerLock::take(&folder.path().join("absent/electrons.db")).unwrap_err();
    assert!(matches!(nowhere, LockError::Io { .. }));
}

#[tokio::test]
async fn only_sqlite_is_locked() {
    each_db(|db| async move {
        let first = db.lock_exclusive().unwrap();
        match db.kind() {
            DbKind::Sqlite => assert!(first.is_some() && db.lock_exclusive().is_err()),
            DbKind::Postgres => assert!(first.is_none() && db.lock_exclusive().unwrap().is_none()),
        }
    })
    .await;
}
