//! The audit log: one chain for each organization, and every way to tamper with it shows.

use super::*;
use crate::store::audit::{AuditCheck, AuditFilter};

fn entry(action: &str, actor: &str, time_us: i64) -> AuditEntry {
    let actor = Actor {
        kind: "user",
        id: actor.into(),
        name: actor.to_uppercase(),
        ip: Some("10.0.0.1".into()),
        user_agent: None,
        request_id: Some("r".into()),
    };
    AuditEntry { action: action.into(), actor, time_us, instance_id: Some("i1".into()), ..note() }
}

async fn write(db: &Db, count: i64) {
    for n in 1..=count {
        db.append_audit(&entry("thing.changed", "ada", T0 + n)).await.unwrap();
    }
}

/// Where the chain of `o1` is broken.
async fn broken(db: &Db) -> Option<(i64, &'static str)> {
    db.verify_audit("o1").await.unwrap().broken
}

async fn run(db: &Db, sql: &'static str) {
    let done = db_write!(db, |c| sqlx::query(sql).execute(c).await.map(|done| done.rows_affected()));
    assert_eq!(done.unwrap(), 1, "{sql}");
}

#[tokio::test]
async fn entries_are_listed_newest_first_and_narrowed() {
    each_db(|db| async move {
        for (n, (action, actor)) in
            [("user.signed_in", "ada"), ("api_key.created", "ada"), ("api_key.revoked", "bob"), ("apixkey.x", "bob")]
                .into_iter()
                .enumerate()
        {
            db.append_audit(&entry(action, actor, T0 + n as i64)).await.unwrap();
        }
        db.append_audit(&AuditEntry { org_id: "o2".into(), ..note() }).await.unwrap();
        let numbers = async |change: fn(&mut AuditFilter)| {
            let mut filter = AuditFilter { org_id: "o1".into(), limit: 10, ..AuditFilter::default() };
            change(&mut filter);
            db.list_audit(&filter).await.unwrap().into_iter().map(|row| row.seq).collect::<Vec<_>>()
        };
        assert_eq!(numbers(|_| ()).await, [4, 3, 2, 1]);
        assert_eq!(numbers(|f| (f.limit, f.before) = (2, Some(4))).await, [3, 2]);
        assert_eq!(numbers(|f| f.action = Some("api_key.".into())).await, [3, 2], "_ is a letter like any other");
        assert_eq!(numbers(|f| f.actor_id = Some("ada".into())).await, [2, 1]);
        assert_eq!(numbers(|f| (f.since_us, f.until_us) = (Some(T0 + 1), Some(T0 + 3))).await, [3, 2]);
        assert_eq!(numbers(|f| f.target_id = Some("t1".into())).await.len(), 4);
        assert_eq!(numbers(|f| f.target_type = Some("user".into())).await, [0_i64; 0]);
        assert_eq!(numbers(|f| f.org_id = "o2".into()).await, [1]);
        assert_eq!(db.audit_chains().await.unwrap(), ["o1", "o2"]);
        let row =
            &db.list_audit(&AuditFilter { org_id: "o1".into(), limit: 1, ..AuditFilter::default() }).await.unwrap()[0];
        assert_eq!((&*row.actor_name, row.ip.as_deref(), row.user_agent.as_deref()), ("BOB", Some("10.0.0.1"), None));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&row.details).unwrap(), note().details);
    })
    .await;
}

#[tokio::test]
async fn a_whole_chain_is_whole() {
    each_db(|db| async move {
        let empty = AuditCheck { org_id: "o1".into(), entries: 0, head: String::new(), broken: None };
        assert_eq!(db.verify_audit("o1").await.unwrap(), empty);
        // More than a page.
        write(&db, 503).await;
        let check = db.verify_audit("o1").await.unwrap();
        assert_eq!((check.entries, check.broken, check.head.len()), (503, None, 64));
        run(&db, "UPDATE audit_log SET details = '{}' WHERE seq = 502").await;
        assert_eq!(broken(&db).await.unwrap().0, 502);
    })
    .await;
}

#[tokio::test]
async fn no_column_can_be_changed() {
    each_db(|db| async move {
        write(&db, 4).await;
        // (what is done, and what puts it right again)
        for (sql, back) in [
            (
                "UPDATE audit_log SET time_us = time_us + 1 WHERE seq = 2",
                "UPDATE audit_log SET time_us = time_us - 1 WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET actor_type = 'system' WHERE seq = 2",
                "UPDATE audit_log SET actor_type = 'user' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET actor_id = 'bob' WHERE seq = 2",
                "UPDATE audit_log SET actor_id = 'ada' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET actor_name = 'Bob' WHERE seq = 2",
                "UPDATE audit_log SET actor_name = 'ADA' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET action = 'x' WHERE seq = 2",
                "UPDATE audit_log SET action = 'thing.changed' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET target_type = 'x' WHERE seq = 2",
                "UPDATE audit_log SET target_type = 'thing' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET target_id = 'x' WHERE seq = 2",
                "UPDATE audit_log SET target_id = 't1' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET target_name = 'x' WHERE seq = 2",
                "UPDATE audit_log SET target_name = 'A thing' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET instance_id = NULL WHERE seq = 2",
                "UPDATE audit_log SET instance_id = 'i1' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET outcome = 'denied' WHERE seq = 2",
                "UPDATE audit_log SET outcome = 'succeeded' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET details = details || ' ' WHERE seq = 2",
                "UPDATE audit_log SET details = trim(details) WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET ip = '10.0.0.2' WHERE seq = 2",
                "UPDATE audit_log SET ip = '10.0.0.1' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET user_agent = '' WHERE seq = 2",
                "UPDATE audit_log SET user_agent = NULL WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET request_id = 's' WHERE seq = 2",
                "UPDATE audit_log SET request_id = 'r' WHERE seq = 2",
            ),
            (
                "UPDATE audit_log SET hash = 'x' || hash WHERE seq = 2",
                "UPDATE audit_log SET hash = substr(hash, 2) WHERE seq = 2",
            ),
            ("UPDATE audit_log SET seq = 20 WHERE seq = 2", "UPDATE audit_log SET seq = 2 WHERE seq = 20"),
            ("UPDATE audit_log SET org_id = 'o2' WHERE seq = 2", "UPDATE audit_log SET org_id = 'o1' WHERE seq = 2"),
        ] {
            run(&db, sql).await;
            assert_eq!(broken(&db).await.map(|(seq, _)| seq), Some(2), "{sql}");
            run(&db, back).await;
            assert_eq!(broken(&db).await, None, "{back}");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_can_be_taken_away() {
    each_db(|db| async move {
        write(&db, 4).await;
        run(&db, "DELETE FROM audit_log WHERE seq = 4").await;
        assert_eq!(broken(&db).await, Some((4, "the entry is missing")), "the tail");
        run(&db, "UPDATE audit_heads SET seq = 3").await;
        assert_eq!(broken(&db).await.map(|(seq, _)| seq), Some(3), "the head remembers another end");
        run(&db, "DELETE FROM audit_log WHERE seq = 2").await;
        assert_eq!(broken(&db).await, Some((2, "the entry is missing")), "in the middle");
        run(&db, "DELETE FROM audit_heads").await;
        run(&db, "DELETE FROM audit_log WHERE seq = 3").await;
        assert_eq!(broken(&db).await, Some((1, "the end of the chain is not known")));
        assert_eq!(db.audit_chains().await.unwrap(), ["o1"], "a chain without a head is looked at, too");
    })
    .await;
}

#[tokio::test]
async fn fifty_at_once_make_one_chain() {
    each_db(|db| async move {
        let writers = (0..50).map(|n| {
            let db = db.clone();
            tokio::spawn(async move { db.append_audit(&entry("thing.changed", "ada", T0 + n)).await })
        });
        for written in futures::future::join_all(writers).await {
            written.unwrap().unwrap();
        }
        let check = db.verify_audit("o1").await.unwrap();
        assert_eq!((check.entries, check.broken), (50, None));
    })
    .await;
}
