//! The one store of all things, on both databases.

use app::types::config::{FieldKind, THINGS};
use serde_json::{Map, Value, json};

use super::*;
use crate::store::{
    Db, StoreError,
    audit::{Actor, AuditEntry},
    testing::each_db,
};

const T0: i64 = 1_790_000_000_000_000;

fn of(kind: &str) -> &'static Table {
    table(kind).unwrap()
}

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn record(id: &str, created_us: i64, value: Value) -> Record {
    Record { id: id.into(), fields: fields(value), created_us, updated_us: created_us, deleted_us: None }
}

fn plain(change: Change) -> Write {
    Write { change, audit: None }
}

async fn insert(db: &Db, kind: &str, record: Record) {
    let now = record.created_us;
    db.write_things(&[plain(Change::Insert { table: of(kind), record })], now).await.unwrap();
}

fn organization(id: &str) -> Record {
    record(id, T0, json!({"name": id}))
}

fn instance(id: &str, org_id: &str) -> Record {
    let value = json!({"org_id": org_id, "name": format!("Name of {id}"), "api_keys": [], "rate_limits": {"b": [1.5, "x", null]},
        "worker_urls": {}, "r2_bucket": "b", "config": {}, "store_contents": true, "content_retention_days": 7});
    record(id, T0, value)
}

fn user(id: &str, org_id: &str) -> Record {
    let email = format!("{id}@example.com");
    record(id, T0, json!({"org_id": org_id, "email": email, "name": id, "role": "user", "is_active": true}))
}

fn project(id: &str, instance_id: &str, created_us: i64) -> Record {
    record(id, created_us, json!({"instance_id": instance_id, "name": id, "config": {}}))
}

fn access(user: &str, instance: &str) -> Record {
    record(&format!("{user}:{instance}"), T0, json!({"user_id": user, "instance_id": instance, "level": "user"}))
}

fn limit(id: &str, value: Value) -> Record {
    let mut row = record(id, T0, json!({"cooldown_seconds": 60, "warn_percent": 80, "is_active": true}));
    row.fields.extend(fields(value));
    row
}

/// Two organizations; `o1` has the instances `i1` and `i2`.
async fn populate(db: &Db) {
    for id in ["o1", "o2"] {
        insert(db, "organization", organization(id)).await;
    }
    for (id, org) in [("i1", "o1"), ("i2", "o1"), ("i3", "o2")] {
        insert(db, "instance", instance(id, org)).await;
    }
    insert(db, "user", user("u1", "o1")).await;
    insert(db, "project", project("p1", "i1", T0)).await;
    insert(db, "instance-access", access("u1", "i1")).await;
    insert(db, "rate-limit", limit("l1", json!({"instance_id": "i1", "requests_per_minute": 5}))).await;
}

async fn get(db: &Db, kind: &str, id: &str) -> Option<Record> {
    db.thing(of(kind), id, false).await.unwrap()
}

async fn ids(db: &Db, kind: &str, select: Select) -> Vec<String> {
    db.things(of(kind), &select).await.unwrap().into_iter().map(|record| record.id).collect()
}

fn all() -> Select {
    Select::first(Reach::Everything, 100)
}

async fn delete(db: &Db, kind: &str, id: &str, now_us: i64) -> Result<(), StoreError> {
    let seen_us = get(db, kind, id).await.ok_or(StoreError::NotFound)?.updated_us;
    db.write_things(&[plain(Change::Delete { table: of(kind), id: id.into(), seen_us, now_us })], now_us).await
}

async fn restore(db: &Db, kind: &str, id: &str, now_us: i64) -> Result<(), StoreError> {
    db.write_things(&[plain(Change::Restore { table: of(kind), id: id.into(), now_us })], now_us).await
}

async fn update(db: &Db, kind: &str, id: &str, seen_us: i64, value: Value) -> Result<(), StoreError> {
    let change = Change::Update { table: of(kind), id: id.into(), seen_us, fields: fields(value), now_us: T0 };
    db.write_things(&[plain(change)], T0).await
}

#[test]
fn every_thing_has_a_table() {
    for thing in THINGS {
        let table = of(thing.kind);
        assert_eq!(table.thing, *thing);
        for below in table.below {
            assert!(of(below.kind).undo, "{} cannot come back", below.kind);
        }
    }
}

#[tokio::test]
async fn every_thing_is_listed_searched_and_put_in_order_by_each_of_its_fields() {
    each_db(|db| async move {
        populate(&db).await;
        for thing in THINGS {
            let table = of(thing.kind);
            let reach = Reach::Of { org_id: "o1".into(), instances: Instances::All };
            let all = db.things(table, &Select::first(reach.clone(), 100)).await.unwrap();
            let mut sorts = vec!["", "created_at", "updated_at", thing.id];
            sorts.extend(
                thing.fields.iter().filter(|f| !matches!(f.kind, FieldKind::Json | FieldKind::Words)).map(|f| f.name),
            );
            for sort in sorts {
                let mut seen = Vec::new();
                let mut after = None;
                loop {
                    let select = Select { sort: sort.into(), after, ..Select::first(reach.clone(), 1) };
                    let page = db.things(table, &select).await.unwrap();
                    let Some(last) = page.last() else { break };
                    seen.push(last.id.clone());
                    after = Some((place(table, sort, last), last.id.clone()));
                    assert!(seen.len() <= all.len(), "{} by {sort} goes in circles", thing.kind);
                }
                assert_eq!(seen.len(), all.len(), "{} by {sort}", thing.kind);
            }
            let select = Select { search: "nowhere at all".into(), ..Select::first(reach, 10) };
            assert!(db.things(table, &select).await.unwrap().is_empty());
            assert_eq!(db.count_things(table, &select).await.unwrap(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_inserted_comes_back_as_it_was() {
    each_db(|db| async move {
        populate(&db).await;
        let given = instance("i1", "o1");
        assert_eq!(get(&db, "instance", "i1").await.unwrap().fields, given.fields);
        let found = get(&db, "instance-access", "u1:i1").await.unwrap();
        assert_eq!((found.id.as_str(), found.text("level")), ("u1:i1", Some("user")));
        assert_eq!(found.fields["granted_at"], T0);
        let l1 = get(&db, "rate-limit", "l1").await.unwrap();
        assert_eq!((&l1.fields["requests_per_minute"], &l1.fields["tokens_per_day"]), (&json!(5), &Value::Null));

        insert(&db, "setting", record("a.b", T0, json!({"value": {"n": 1}}))).await;
        let setting = get(&db, "setting", "a.b").await.unwrap();
        assert_eq!((&setting.fields["value"], setting.created_us), (&json!({"n": 1}), T0));
        assert_eq!(get(&db, "setting", "config_version").await, None);
        assert_eq!(ids(&db, "setting", all()).await, ["a.b"]);
        delete(&db, "setting", "a.b", T0).await.unwrap();
        assert_eq!(get(&db, "setting", "a.b").await, None);
        assert_eq!(restore(&db, "setting", "a.b", T0).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn lists_show_what_is_within_reach() {
    each_db(|db| async move {
        populate(&db).await;
        insert(&db, "rate-limit", limit("l2", json!({"provider": "openai", "requests_per_minute": 5}))).await;
        insert(&db, "rate-limit", limit("l3", json!({"org_id": "o2", "requests_per_minute": 5}))).await;
        insert(&db, "rate-limit", limit("l4", json!({"instance_id": "i2", "requests_per_minute": 5}))).await;
        let within = |org: &str, instances| Select::first(Reach::Of { org_id: org.into(), instances }, 100);
        let these = |ids: &[&str]| Instances::These(ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(ids(&db, "instance", within("o1", Instances::All)).await, ["i2", "i1"]);
        assert_eq!(ids(&db, "instance", within("o1", these(&["i2"]))).await, ["i2"]);
        assert_eq!(ids(&db, "instance", within("o1", these(&[]))).await, Vec::<String>::new());
        assert_eq!(ids(&db, "organization", within("o1", Instances::All)).await, ["o1"]);
        assert_eq!(ids(&db, "user", within("o2", Instances::All)).await, Vec::<String>::new());
        assert_eq!(ids(&db, "project", within("o2", Instances::All)).await, Vec::<String>::new());
        assert_eq!(ids(&db, "rate-limit", within("o1", these(&["i1"]))).await, ["l2", "l1"]);
        assert_eq!(ids(&db, "rate-limit", within("o2", Instances::All)).await, ["l3", "l2"]);
        assert_eq!(db.count_things(of("rate-limit"), &all()).await.unwrap(), 4);
    })
    .await;
}

#[tokio::test]
async fn lists_are_narrowed_and_put_in_order() {
    each_db(|db| async move {
        populate(&db).await;
        for (id, name, at) in [("a", "Zeta 100%", 1), ("b", "alpha_x", 2), ("c", "Beta", 2)] {
            let row = record(id, T0 + at, json!({"instance_id": "i2", "name": name, "config": {}}));
            insert(&db, "project", row).await;
        }
        let by = |field: &str, values: &[&str]| Select {
            equal: vec![(field.into(), values.iter().map(|v| (*v).to_owned()).collect())],
            ..all()
        };
        assert_eq!(ids(&db, "project", all()).await, ["c", "b", "a", "p1"]);
        assert_eq!(ids(&db, "project", by("instance_id", &["i2"])).await, ["c", "b", "a"]);
        assert_eq!(ids(&db, "project", by("name", &["Beta", "p1"])).await, ["c", "p1"]);
        assert_eq!(ids(&db, "project", by("description", &[""])).await.len(), 4);
        let sorted = Select { sort: "name".into(), ..by("instance_id", &["i2"]) };
        assert_eq!(ids(&db, "project", sorted.clone()).await, ["c", "a", "b"], "by bytes, not by a collation");
        assert_eq!(ids(&db, "project", Select { descending: true, ..sorted }).await, ["b", "a", "c"]);
        for (search, found) in [("0%", vec!["a"]), ("A_X", vec!["b"]), ("eta", vec!["c", "a"]), ("_", vec!["b"])] {
            assert_eq!(ids(&db, "project", Select { search: search.into(), ..all() }).await, found, "{search}");
        }
        assert_eq!(ids(&db, "user", by("is_active", &["true"])).await, ["u1"]);
        assert_eq!(ids(&db, "user", by("is_active", &["false"])).await, Vec::<String>::new());
        assert_eq!(ids(&db, "rate-limit", by("requests_per_minute", &["5"])).await, ["l1"]);
        for bad in [by("nothing", &["x"]), by("is_active", &["maybe"])] {
            let refused = db.things(of("user"), &bad).await;
            assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
        }
        let refused = db.things(of("project"), &Select { sort: "config".into(), ..all() }).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    })
    .await;
}

#[tokio::test]
async fn models_are_found_by_either_name_and_by_what_they_make() {
    each_db(|db| async move {
        for (id, name, capabilities) in [("a", "Zed", json!({"text": true})), ("b", "Alf", json!({"text": false, "image": true}))] {
            let value = json!({"model_id": id, "provider_id": "p", "display_name": name, "capabilities": capabilities,
                "pricing": {}, "rate_limits": {}, "payload_mapping": {}, "parameters": {}, "upstream_model": id, "status": "active"});
            insert(&db, "model-config", record(&format!("cfg_p_{id}"), T0, value)).await;
        }
        assert_eq!(ids(&db, "model-config", all()).await, ["cfg_p_b", "cfg_p_a"]);
        for (capability, found) in [("text", "cfg_p_a"), ("image", "cfg_p_b")] {
            let select = Select { equal: vec![("capabilities".into(), vec![capability.into()])], ..all() };
            assert_eq!(ids(&db, "model-config", select).await, [found]);
        }
        for name in ["a", "cfg_p_a"] {
            assert_eq!(get(&db, "model-config", name).await.unwrap().id, "cfg_p_a");
        }
        for now in 1..3 {
            let change = Change::Version { config_id: "cfg_p_a".into(), body: json!({"n": now}), actor_name: "A".into(), now_us: T0 };
            db.write_things(&[plain(change)], T0).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_stale_write_changes_nothing() {
    each_db(|db| async move {
        populate(&db).await;
        let version = db.config_version().await.unwrap();
        update(&db, "project", "p1", T0, json!({"name": "New", "description": "d"})).await.unwrap();
        let after = get(&db, "project", "p1").await.unwrap();
        assert_eq!((after.text("name"), after.text("description")), (Some("New"), Some("d")));
        assert!(after.updated_us > T0, "it grows though the clock stands still");
        assert_eq!(db.config_version().await.unwrap(), version + 1);

        assert_eq!(update(&db, "project", "p1", T0, json!({"name": "Old"})).await, Err(StoreError::Stale));
        let both = [
            plain(Change::Update {
                table: of("instance"),
                id: "i1".into(),
                seen_us: T0,
                fields: fields(json!({"name": "X"})),
                now_us: T0,
            }),
            plain(Change::Delete { table: of("project"), id: "p1".into(), seen_us: T0, now_us: T0 }),
        ];
        assert_eq!(db.write_things(&both, T0).await, Err(StoreError::Stale));
        assert_eq!(get(&db, "project", "p1").await.unwrap(), after);
        assert_eq!(get(&db, "instance", "i1").await.unwrap().text("name"), Some("Name of i1"));
        assert_eq!(db.config_version().await.unwrap(), version + 1);
    })
    .await;
}

#[tokio::test]
async fn a_deletion_takes_what_hangs_on_it_and_an_undo_brings_back_just_that() {
    each_db(|db| async move {
        populate(&db).await;
        insert(&db, "project", project("gone", "i1", T0)).await;
        delete(&db, "project", "gone", T0 + 1).await.unwrap();
        let below = db.things_below(of("organization"), "o1").await.unwrap();
        let counts: Vec<_> = below.iter().map(|one| (one.kind, one.many)).collect();
        let expected = [("project", 1), ("instance", 2), ("user", 1), ("instance-access", 1), ("rate-limit", 1)];
        assert_eq!(counts, expected);
        assert_eq!(below[0].names, ["p1"]);

        delete(&db, "instance", "i2", T0 + 2).await.unwrap();
        delete(&db, "organization", "o1", T0 + 3).await.unwrap();
        for (kind, id) in [
            ("organization", "o1"),
            ("instance", "i1"),
            ("project", "p1"),
            ("user", "u1"),
            ("instance-access", "u1:i1"),
            ("rate-limit", "l1"),
        ] {
            assert_eq!(get(&db, kind, id).await, None, "{kind}");
            assert!(db.thing(of(kind), id, true).await.unwrap().is_some(), "{kind}");
        }
        assert_eq!(get(&db, "organization", "o2").await.unwrap().id, "o2");
        let live = db.load_configuration().await.unwrap();
        assert_eq!((live.instances.len(), live.projects.len(), live.access.len(), live.limits.len()), (1, 0, 0, 0));
        let deleted = Select { deleted_since_us: Some(T0 + 3), ..all() };
        assert_eq!(ids(&db, "instance", deleted).await, ["i1"]);

        restore(&db, "organization", "o1", T0 + 4).await.unwrap();
        for (kind, id) in
            [("instance", "i1"), ("project", "p1"), ("user", "u1"), ("instance-access", "u1:i1"), ("rate-limit", "l1")]
        {
            assert!(get(&db, kind, id).await.is_some(), "{kind}");
        }
        assert_eq!(get(&db, "instance", "i2").await, None, "it went before");
        assert_eq!(get(&db, "project", "gone").await, None, "it went before");
        restore(&db, "instance", "i2", T0 + 5).await.unwrap();
        assert_eq!(restore(&db, "instance", "i2", T0 + 5).await, Err(StoreError::NotFound));

        delete(&db, "instance", "i2", T0 + 6).await.unwrap();
        assert_eq!(restore(&db, "instance", "i2", T0 + 7 + UNDO_US).await, Err(StoreError::NotFound), "too late");
        assert!(db.purge_things(T0 + 7).await.unwrap() >= 2);
        assert_eq!(db.thing(of("instance"), "i2", true).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_is_said() {
    each_db(|db| async move {
        populate(&db).await;
        let twin = Record { id: "u2".into(), ..user("u1", "o1") };
        let taken = |what: &str| Err(StoreError::Conflict { what: what.into() });
        let again = |kind: &'static str, record: Record| {
            let db = db.clone();
            async move { db.write_things(&[plain(Change::Insert { table: of(kind), record })], T0).await }
        };
        assert_eq!(again("user", twin.clone()).await, taken("users.email"));
        assert_eq!(again("instance-access", access("u1", "i1")).await, taken("user_instance_access"));
        let same = limit("l2", json!({"instance_id": "i1", "tokens_per_minute": 1}));
        assert_eq!(again("rate-limit", same).await, taken("limits.scope"));

        delete(&db, "user", "u1", T0 + 1).await.unwrap();
        again("user", twin).await.unwrap();
        assert_eq!(restore(&db, "user", "u1", T0 + 2).await, taken("users.email"));
        // An id that is made from names is free again when its row is deleted.
        again("instance-access", access("u1", "i1")).await.unwrap();
        assert!(get(&db, "instance-access", "u1:i1").await.is_some());
    })
    .await;
}

#[tokio::test]
async fn an_audit_entry_is_written_with_its_change_or_not_at_all() {
    each_db(|db| async move {
        populate(&db).await;
        let entry = AuditEntry {
            org_id: "o1".into(),
            time_us: T0,
            actor: Actor {
                kind: "user",
                id: "u1".into(),
                name: "u1".into(),
                ip: None,
                user_agent: None,
                request_id: None,
            },
            action: "project.updated".into(),
            target: ("project".into(), "p1".into(), "p1".into()),
            instance_id: Some("i1".into()),
            outcome: "succeeded",
            details: json!({}),
        };
        let write = |seen_us| Write {
            change: Change::Update {
                table: of("project"),
                id: "p1".into(),
                seen_us,
                fields: fields(json!({"name": "n"})),
                now_us: T0,
            },
            audit: Some(entry.clone()),
        };
        let count = || async {
            let many: i64 =
                db!(&db, |c| sqlx::query_scalar("SELECT COUNT(*) FROM audit_log").fetch_one(c).await).unwrap();
            many
        };
        db.write_things(&[write(T0)], T0).await.unwrap();
        assert_eq!(count().await, 1);
        assert_eq!(db.write_things(&[write(T0)], T0).await, Err(StoreError::Stale));
        assert_eq!(count().await, 1);
    })
    .await;
}
