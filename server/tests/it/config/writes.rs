//! Versions of things, writers that meet, the audit log, and a database that is away.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{ORGANIZATION, data, delete, failure, get, post, put, request};
use crate::support::{Answer, Database, TestApp, answer, on_both};

on_both!(
    a_stale_change_is_refused_with_both_versions,
    writers_who_meet_lose_nothing,
    every_change_is_in_the_audit_log,
    a_change_of_nothing_writes_nothing,
    a_database_that_is_away_is_said,
);

const PATH: &str = "/config/instance/development";

async fn put_if(app: &TestApp, path: &str, etag: &str, body: &Value) -> Answer {
    answer(request(app, "PUT".parse().unwrap(), path).header("if-match", etag).json(body)).await
}

async fn a_stale_change_is_refused_with_both_versions(database: Database) {
    let app = TestApp::start(&database).await;
    let first = get(&app, PATH).await.ok();
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    let known = answer(request(&app, "GET".parse().unwrap(), PATH).header("if-none-match", &etag)).await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));

    let second = put_if(&app, PATH, &etag, &json!({"name": "Second"})).await.ok();
    assert_ne!(second.header("etag"), etag);
    let yours = json!({"name": "Third"});
    let stale = put_if(&app, PATH, &etag, &yours).await.failed(412);
    assert_eq!(stale.body["yours"], yours);
    assert_eq!(stale.body["current"]["name"], "Second");
    assert_eq!(stale.header("etag"), second.header("etag"));
    assert_eq!(failure(stale, 412), "This instance was changed by somebody else meanwhile");
    assert_eq!(data(get(&app, PATH).await)["name"], "Second");

    let either = format!("\"nothing\", {}", second.header("etag"));
    put_if(&app, PATH, &either, &json!({"name": "Third"})).await.ok();
    put_if(&app, PATH, "*", &json!({"name": "Fourth"})).await.ok();
    let stale = request(&app, "DELETE".parse().unwrap(), PATH).header("if-match", &etag);
    answer(stale).await.failed(412);
    let fresh = get(&app, PATH).await.header("etag").to_owned();
    answer(request(&app, "DELETE".parse().unwrap(), PATH).header("if-match", &fresh)).await;
}

async fn writers_who_meet_lose_nothing(database: Database) {
    let app = TestApp::start(&database).await;
    let etag = get(&app, PATH).await.header("etag").to_owned();
    let racers = (0..8).map(|number| {
        let (app, etag) = (&app, &etag);
        async move { put_if(app, PATH, etag, &json!({"name": format!("Racer {number}")})).await.status.as_u16() }
    });
    let mut statuses = join_all(racers).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412], "one wins, the others are told");

    // Without a condition each changes what it names.
    let (name, bucket) = (json!({"name": "A"}), json!({"r2_bucket": "b"}));
    let (one, two) = tokio::join!(put(&app, PATH, &name), put(&app, PATH, &bucket));
    one.ok();
    two.ok();
    let both = data(get(&app, PATH).await);
    assert_eq!((&both["name"], &both["r2_bucket"]), (&json!("A"), &json!("b")));

    let twin = json!({"org_id": ORGANIZATION, "email": "twin@example.com", "name": "T"});
    let mut statuses: Vec<_> =
        join_all((0..4).map(|_| post(&app, "/config/user", &twin))).await.iter().map(|a| a.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
}

async fn every_change_is_in_the_audit_log(database: Database) {
    let app = TestApp::start(&database).await;
    let made = post(&app, "/config/project", &json!({"instance_id": "development", "name": "Site"})).await.ok();
    let id = made.body["data"]["project_id"].as_str().unwrap().to_owned();
    let path = format!("/config/project/{id}");
    put(&app, &path, &json!({"name": "Page"})).await.ok();
    delete(&app, &path).await.ok();
    post(&app, &format!("{path}/restore"), &json!({})).await.ok();
    let entries = app.audit(&id).await;
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["project.created", "project.updated", "project.deleted", "project.restored"]);
    let update = &entries[1];
    assert_eq!(update.details, json!({"before": {"name": "Site"}, "after": {"name": "Page"}}));
    assert_eq!((update.org_id.as_str(), update.instance_id.as_deref()), (ORGANIZATION, Some("development")));
    assert_eq!((update.actor_type.as_str(), update.target_type.as_str()), ("api_key", "project"));
    assert_eq!(entries[0].request_id, Some(made.request_id()));
    // A refused change leaves no entry.
    put(&app, &path, &json!({"name": 5})).await.failed(400);
    assert_eq!(app.audit(&id).await.len(), 4);
}

async fn a_change_of_nothing_writes_nothing(database: Database) {
    let app = TestApp::start(&database).await;
    let before = get(&app, PATH).await.ok();
    let version = app.db.config_version().await.unwrap();
    let same = put(&app, PATH, &json!({"name": before.body["data"]["name"]})).await.ok();
    assert_eq!(same.header("etag"), before.header("etag"));
    assert_eq!(app.db.config_version().await.unwrap(), version);
}

async fn a_database_that_is_away_is_said(database: Database) {
    let app = TestApp::start(&database).await;
    app.db.close().await;
    for answer in [
        get(&app, "/config/instance").await,
        get(&app, PATH).await,
        post(&app, "/config/instance", &json!({"org_id": ORGANIZATION, "name": "x"})).await,
        put(&app, PATH, &json!({"name": "x"})).await,
        delete(&app, PATH).await,
    ] {
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(failure(answer, 503), "The database is not available; try again in a moment");
    }
}
