//! Who may see and change what.

use app::types::{
    Role,
    config::{Owner, THINGS, Thing},
};
use reqwest::Method;
use serde_json::{Value, json};
use server::store::access::AccessRow;

use super::{ORGANIZATION, data, failure, get, model, post};
use crate::support::{Answer, Database, TestApp, answer, note, on_both};

on_both!(
    nothing_without_a_key,
    another_organization_sees_nothing,
    a_reader_changes_nothing,
    a_user_changes_projects_and_no_more,
    an_admin_may_do_what_is_their_organizations,
    nobody_gives_more_than_they_have,
    scopes_narrow_a_key,
    a_narrow_key_widens_no_key,
);

async fn ask(app: &TestApp, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(key).json(body);
    answer(request).await
}

/// A key of a new person with this role, and this level in `development`.
async fn somebody(app: &TestApp, name: &str, role: Role, level: Option<&str>) -> String {
    let user = app.user(&format!("{name}@example.com"), role).await;
    if let Some(level) = level {
        let row = AccessRow {
            user_id: user.user_id.clone(),
            instance_id: "development".to_owned(),
            level: level.to_owned(),
            granted_us: app.now_us(),
        };
        app.db.grant_access(&row, &note("")).await.unwrap();
    }
    app.key(|key| (key.user_id, key.project_id) = (Some(user.user_id.clone()), None)).await.0
}

/// A thing of each kind in the first organization, by its id.
async fn one_of_each(app: &TestApp) -> Vec<(&'static Thing, String)> {
    let user = app.user("reader@example.com", Role::User).await.user_id;
    let access = json!({"user_id": user, "instance_id": "development", "level": "readonly"});
    data(post(app, "/config/instance-access", &access).await);
    data(post(app, "/config/rate-limit", &json!({"instance_id": "development", "requests_per_minute": 900})).await);
    data(post(app, "/config/quality-profile", &json!({"name": "Careful", "instance_id": "development"})).await);
    let mut own = model("own-model");
    own["org_id"] = ORGANIZATION.into();
    data(post(app, "/config/model-config", &own).await);
    let mut found = Vec::new();
    for thing in THINGS {
        let path = match thing.kind {
            "rate-limit" => "/config/rate-limit?instance_id=development".to_owned(),
            "model-config" => "/config/model-config?search=own-model".to_owned(),
            "user" => "/config/user?email=reader@example.com".to_owned(),
            "project" => "/config/project?instance_id=development".to_owned(),
            "instance" => "/config/instance?instance_id=development".to_owned(),
            kind => format!("/config/{kind}"),
        };
        let rows = data(get(app, &path).await);
        let rows = if thing.kind == "model-config" { &rows["configs"] } else { &rows };
        found.push((*thing, rows[0][thing.id].as_str().unwrap_or_else(|| panic!("no {}", thing.one)).to_owned()));
    }
    found
}

/// A change that the thing would take.
fn change(thing: &Thing) -> Value {
    match thing.kind {
        "instance-access" => json!({"level": "user"}),
        "rate-limit" => json!({"requests_per_minute": 901}),
        "setting" => json!({"value": {"n": 1}}),
        "task-classification" => json!({"priority": 1}),
        "routing-rule" => json!({"weight": 1}),
        "provider" | "model-config" => json!({"display_name": "x"}),
        _ => json!({"name": "x"}),
    }
}

async fn nothing_without_a_key(database: Database) {
    let app = TestApp::start(&database).await;
    for thing in THINGS {
        for (method, path) in [
            ("GET", format!("/config/{}", thing.kind)),
            ("GET", format!("/config/{}/x", thing.kind)),
            ("PUT", format!("/config/{}/x", thing.kind)),
            ("GET", format!("/config/{}/x/dependants", thing.kind)),
        ] {
            let bare = app.client.request(method.parse().unwrap(), app.url(&path));
            let refused = answer(bare).await;
            assert_eq!(refused.header("www-authenticate"), "Bearer");
            assert_eq!(failure(refused, 401), "Authorization header required", "{method} {path}");
            let wrong = ask(&app, "sk-wrong", method, &path, &json!({})).await;
            assert_eq!(failure(wrong, 401), "Invalid API key", "{method} {path}");
        }
    }
}

async fn another_organization_sees_nothing(database: Database) {
    let app = TestApp::start(&database).await;
    let things = one_of_each(&app).await;
    app.organization("org_other", "other").await;
    let now = app.now_us();
    let mut stranger = app.user("stranger@example.com", Role::Admin).await;
    stranger.user_id = "stranger".into();
    stranger.org_id = "org_other".into();
    stranger.email = "other@example.com".into();
    stranger.created_us = now;
    app.db.insert_user(&stranger, &note("")).await.unwrap();
    let (key, _) = app
        .key(|key| {
            (key.user_id, key.project_id) = (Some("stranger".into()), None);
            (key.instance_id, key.org_id) = ("other".into(), "org_other".into());
        })
        .await;
    for (thing, id) in &things {
        if thing.owner == Owner::Platform {
            continue;
        }
        let path = format!("/config/{}/{id}", thing.kind);
        let status = if thing.kind == "model-config" { 404 } else { 403 };
        for (method, path, body) in [
            ("GET", path.clone(), json!({})),
            ("PUT", path.clone(), change(thing)),
            ("DELETE", path.clone(), json!({})),
            ("GET", format!("{path}/dependants"), json!({})),
        ] {
            let refused = ask(&app, &key, method, &path, &body).await;
            failure(refused, status);
        }
        let listed = ask(&app, &key, "GET", &format!("/config/{}", thing.kind), &json!({})).await.ok();
        assert!(!listed.text.contains(&format!("\"{id}\"")), "{}: {}", thing.kind, listed.text);
    }
    let reader = "/config/user/email/reader%40example.com";
    assert_eq!(failure(ask(&app, &key, "GET", reader, &json!({})).await, 404), "User not found");
    for (kind, body) in [
        ("instance", json!({"org_id": ORGANIZATION, "name": "x"})),
        ("project", json!({"instance_id": "development", "name": "x"})),
        ("user", json!({"org_id": ORGANIZATION, "email": "x@example.com", "name": "x"})),
        ("instance-access", json!({"user_id": "stranger", "instance_id": "development", "level": "user"})),
        ("rate-limit", json!({"instance_id": "development", "requests_per_minute": 1})),
        ("rate-limit", json!({"project_id": "prj_development", "requests_per_minute": 1})),
    ] {
        failure(ask(&app, &key, "POST", &format!("/config/{kind}"), &body).await, 403);
    }
    // Nothing has changed.
    for (thing, id) in things {
        data(get(&app, &format!("/config/{}/{id}", thing.kind)).await);
    }
}

async fn a_reader_changes_nothing(database: Database) {
    let app = TestApp::start(&database).await;
    let things = one_of_each(&app).await;
    let key = somebody(&app, "looker", Role::User, Some("readonly")).await;
    for (thing, id) in &things {
        let path = format!("/config/{}/{id}", thing.kind);
        ask(&app, &key, "GET", &path, &json!({})).await.ok();
        failure(ask(&app, &key, "PUT", &path, &change(thing)).await, 403);
        if thing.kind != "api-key" {
            failure(ask(&app, &key, "DELETE", &path, &json!({})).await, 403);
            failure(ask(&app, &key, "POST", &format!("/config/{}", thing.kind), &json!({})).await, 403);
        }
    }
    for (thing, id) in things {
        data(get(&app, &format!("/config/{}/{id}", thing.kind)).await);
    }
}

async fn a_user_changes_projects_and_no_more(database: Database) {
    let app = TestApp::start(&database).await;
    let key = somebody(&app, "worker", Role::User, Some("user")).await;
    let body = json!({"instance_id": "development", "name": "Mine"});
    let made = data(ask(&app, &key, "POST", "/config/project", &body).await);
    let path = format!("/config/project/{}", made["project_id"].as_str().unwrap());
    data(ask(&app, &key, "PUT", &path, &json!({"name": "Still mine"})).await);
    data(ask(&app, &key, "DELETE", &path, &json!({})).await);
    data(ask(&app, &key, "POST", &format!("{path}/restore"), &json!({})).await);
    failure(ask(&app, &key, "PUT", "/config/instance/development", &json!({"name": "x"})).await, 403);
    let elsewhere = json!({"instance_id": "production", "name": "Mine"});
    failure(ask(&app, &key, "POST", "/config/project", &elsewhere).await, 403);
    let seen = data(ask(&app, &key, "GET", "/config/instance", &json!({})).await);
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["instance_id"], "development");
}

async fn an_admin_may_do_what_is_their_organizations(database: Database) {
    let app = TestApp::start(&database).await;
    let key = somebody(&app, "boss", Role::Admin, None).await;
    let made = data(ask(&app, &key, "POST", "/config/instance", &json!({"org_id": ORGANIZATION, "name": "New"})).await);
    let path = format!("/config/instance/{}", made["instance_id"].as_str().unwrap());
    data(ask(&app, &key, "DELETE", &path, &json!({})).await);
    // A model is their organization's, whether they say so or not.
    assert_eq!(
        data(ask(&app, &key, "POST", "/config/model-config", &model("boss-model")).await)["org_id"],
        ORGANIZATION
    );
    let mut new = model("boss-model-2");
    new["provider_id"] = "newcomer".into();
    assert_eq!(failure(ask(&app, &key, "POST", "/config/model-config", &new).await, 404), "Provider not found");
    for (method, path, body) in [
        ("POST", "/config/organization", json!({"name": "x"})),
        ("DELETE", "/config/organization/org_default", json!({})),
        ("PUT", "/config/model-config/gpt-4o", json!({"display_name": "x"})),
        ("DELETE", "/config/provider/openai", json!({})),
        ("POST", "/config/prompt", json!({"task_type": "text", "name": "x", "template": "x"})),
        ("POST", "/config/rate-limit", json!({"requests_per_minute": 1})),
        (
            "POST",
            "/config/user",
            json!({"org_id": ORGANIZATION, "email": "s@example.com", "name": "s", "role": "superadmin"}),
        ),
    ] {
        let path = path.replace("org_default", ORGANIZATION);
        failure(ask(&app, &key, method, &path, &body).await, 403);
    }
}

async fn nobody_gives_more_than_they_have(database: Database) {
    let app = TestApp::start(&database).await;
    let key = somebody(&app, "local", Role::User, Some("admin")).await;
    let other = app.user("other@example.com", Role::User).await.user_id;
    let body = |level: &str| json!({"user_id": other, "instance_id": "development", "level": level});
    failure(ask(&app, &key, "POST", "/config/instance-access", &body("owner")).await, 403);
    data(ask(&app, &key, "POST", "/config/instance-access", &body("admin")).await);
    let path = format!("/config/instance-access/{other}:development");
    failure(ask(&app, &key, "PUT", &path, &json!({"level": "owner"})).await, 403);
    data(super::put(&app, &path, &json!({"level": "owner"})).await);
    failure(ask(&app, &key, "PUT", &path, &json!({"level": "user"})).await, 403);
    failure(ask(&app, &key, "DELETE", &path, &json!({})).await, 403);
    // An admin of the instance configures it, but does not take it away.
    data(ask(&app, &key, "PUT", "/config/instance/development", &json!({"name": "Ours"})).await);
    failure(ask(&app, &key, "DELETE", "/config/instance/development", &json!({})).await, 403);
}

async fn scopes_narrow_a_key(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.user("a@example.com", Role::Admin).await.user_id;
    let with = |scopes: &'static [&'static str]| {
        let admin = admin.clone();
        app.key(move |key| {
            (key.user_id, key.project_id) = (Some(admin), None);
            key.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        })
    };
    let (reader, generator, changer) =
        (with(&["read"]).await.0, with(&["generate"]).await.0, with(&["read", "admin"]).await.0);
    let change = json!({"name": "x"});
    let path = "/config/instance/development";
    data(ask(&app, &reader, Method::GET.as_str(), path, &json!({})).await);
    failure(ask(&app, &reader, "PUT", path, &change).await, 403);
    failure(ask(&app, &generator, "GET", path, &json!({})).await, 403);
    failure(ask(&app, &generator, "GET", "/config/instance", &json!({})).await, 403);
    data(ask(&app, &changer, "PUT", path, &change).await);
}

async fn a_narrow_key_widens_no_key(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.user("a@example.com", Role::Admin).await.user_id;
    let with = |scopes: &'static [&'static str], models: Option<&'static str>| {
        let admin = admin.clone();
        app.key(move |key| {
            (key.user_id, key.project_id) = (Some(admin), None);
            key.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            key.allowed_models = models.map(|model| vec![model.to_owned()]);
            key.expires_us = Some(32_503_680_000_000_000);
        })
    };
    let wide = with(&[], None).await;
    for narrow in [with(&["read", "admin"], None).await, with(&[], Some("gpt-4o-mini")).await] {
        for row in [&narrow.1, &wide.1] {
            let path = format!("/config/api-key/{}", row.key_id);
            let before = data(ask(&app, &narrow.0, "GET", &path, &json!({})).await);
            for change in [
                json!({"scopes": ["generate", "read", "admin"]}),
                json!({"allowed_models": ["gpt-4o-mini", "gpt-4o"]}),
                json!({"expires_at": null}),
                json!({"name": "Other", "expires_at": "2999-01-01T00:00:00Z"}),
            ] {
                let refused = failure(ask(&app, &narrow.0, "PUT", &path, &change).await, 403);
                assert!(refused.starts_with("To change what a key may do needs"), "{change}: {refused}");
            }
            assert_eq!(data(ask(&app, &narrow.0, "GET", &path, &json!({})).await), before);
            // The rest is theirs to change, and what stays as it is may be sent along.
            let same = json!({"name": "Renamed", "scopes": before["scopes"], "expires_at": before["expires_at"]});
            assert_eq!(data(ask(&app, &narrow.0, "PUT", &path, &same).await)["name"], "Renamed");
        }
        let path = format!("/config/api-key/{}", narrow.1.key_id);
        let changed = data(ask(&app, &wide.0, "PUT", &path, &json!({"scopes": ["read"]})).await);
        assert_eq!(changed["scopes"], json!(["read"]));
    }
}
