//! Every route and every server function, asked by everyone who may not: nothing is open by accident. A route or function
//! that is new fails here until it says, in `gate` or `functions`, whom it is for.

use app::types::Role;
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};
use server::{http::routes, store::access::AccessRow};

use crate::support::{Browser, Database, TestApp, answer, cookie_of, hello, note, on_both};

on_both!(every_route_refuses_strangers, every_server_function_refuses_strangers);

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Public,
    /// Keys with the scope `generate`, and the level `user`.
    Generate,
    /// Keys with the scope `jobs`, and the level `user`.
    Jobs,
    /// Keys with the scope `read`.
    Read,
    /// Keys with the scope `admin`, and at least the level `user`.
    Change,
}

fn gate(method: &Method, path: &str) -> Option<Gate> {
    Some(match path {
        "/health" | "/health/live" | "/health/ready" | "/text/health" | "/openapi.json" | "/docs" => Gate::Public,
        "/config" | "/config/" | "/config/health" => Gate::Public,
        "/v1/chat/completions" | "/text/generate" | "/text/generate/stream" => Gate::Generate,
        "/intake/health" => Gate::Public,
        "/intake/state" => Gate::Change,
        path if ["/intake/", "/queue/", "/replicate/"].iter().any(|surface| path.starts_with(surface)) => Gate::Jobs,
        "/v1/models" | "/v1/models/{*id}" => Gate::Read,
        "/config/audit" | "/config/audit/verify" => Gate::Change,
        "/config/events" | "/config/activity/read" => Gate::Change,
        "/delivery/health" => Gate::Public,
        "/delivery/deliverable" | "/delivery/pending" | "/delivery/callbacks" => Gate::Read,
        "/config/instance/{id}/callback-secret" => Gate::Change,
        path if path.starts_with("/delivery/") => Gate::Jobs,
        // They change nothing: they show what a draft would do.
        "/config/mapping-preview" | "/config/task-classification/test" => Gate::Read,
        path if path.starts_with("/config/") && method == Method::GET => Gate::Read,
        path if path.starts_with("/config/") => Gate::Change,
        _ => return None,
    })
}

/// A path with ids of things that exist.
fn filled(path: &str) -> String {
    let id = match path.split('/').nth(2).unwrap_or_default() {
        "instance" => "development",
        "project" => "prj_development",
        "model-config" => "gpt-4o-mini",
        "provider" => "openai",
        _ => "x",
    };
    path.replace("{*app}", "openai/gpt-4o-mini")
        .replace("{*id}", "gpt-4o-mini")
        .replace("{id}", id)
        .replace("{email}", "admin@localhost")
}

async fn let_in(app: &TestApp, user_id: &str, level: &str) {
    let row = AccessRow {
        user_id: user_id.to_owned(),
        instance_id: "development".to_owned(),
        level: level.to_owned(),
        granted_us: app.now_us(),
    };
    app.db.grant_access(&row, &note("")).await.unwrap();
    app.reload().await;
}

async fn every_route_refuses_strangers(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.browser().await;
    let reader = app.user("reader@example.org", Role::User).await;
    let_in(&app, &reader.user_id, "readonly").await;
    app.organization("org_other", "other").await;
    let now = app.now_us();
    let (revoked, _) = app.key(|key| key.revoked_us = Some(now)).await;
    let (expired, _) = app.key(|key| key.expires_us = Some(now - 1)).await;
    let (deleted, _) = app.key(|key| key.deleted_us = Some(now)).await;
    let (low, _) = app.key(|key| (key.user_id, key.project_id) = (Some(reader.user_id.clone()), None)).await;
    let (foreign, _) =
        app.key(|key| (key.org_id, key.instance_id, key.project_id, key.user_id) = other_organization()).await;
    let (other_scope, _) = app.key(|key| key.scopes = vec!["jobs".to_owned()]).await;
    let (generate_only, _) = app.key(|key| key.scopes = vec!["generate".to_owned()]).await;
    let unknown = format!("sk_live_{}", "0".repeat(64));
    let version = app.db.config_version().await.unwrap();

    for (method, path) in routes::listed() {
        let gate = gate(&method, &path).unwrap_or_else(|| panic!("{method} {path} is new: whom is it for?"));
        let url = app.url(&filled(&path));
        let mut body = hello("gpt-4o-mini");
        body["prompt"] = "Say hello.".into();
        body["query"] = "Say hello.".into();
        let ask = || app.client.request(method.clone(), &url).json(&body);
        let status = async |request: RequestBuilder, who: &str| {
            let answer = answer(request).await;
            assert!(!answer.status.is_server_error(), "{method} {path}, {who}: {} {}", answer.status, answer.text);
            answer.status.as_u16()
        };
        if gate == Gate::Public {
            assert_eq!(status(ask(), "no key").await, 200, "{method} {path}");
            continue;
        }
        assert_eq!(status(ask(), "no key").await, 401, "{method} {path} without a key");
        for (who, key) in
            [("unknown", &*unknown), ("revoked", &revoked), ("expired", &expired), ("deleted", &deleted), ("empty", "")]
        {
            assert_eq!(status(ask().bearer_auth(key), who).await, 401, "{method} {path}, {who}");
            assert_eq!(status(ask().header("x-api-key", key), who).await, 401, "{method} {path}, {who}");
        }
        assert_eq!(status(ask().basic_auth("admin", Some(&app.api_key)), "basic").await, 401, "{method} {path}");
        assert_eq!(status(ask().header(header::COOKIE, "de_session=x"), "cookie").await, 401, "{method} {path}");
        if method != Method::GET {
            let session = || ask().header(header::COOKIE, &admin.cookie);
            assert_eq!(status(session(), "no origin").await, 401, "{method} {path} without an origin");
            let evil = session().header(header::ORIGIN, "https://evil.example");
            assert_eq!(status(evil, "another origin").await, 401, "{method} {path} from another site");
        }
        // A key opens its own instance only, whoever asks for another.
        let elsewhere = status(ask().bearer_auth(&foreign).header("x-instance-id", "development"), "foreign").await;
        assert!(matches!(elsewhere, 403 | 404), "{method} {path} by another organization: {elsewhere}");
        let narrow = if gate == Gate::Jobs { &generate_only } else { &other_scope };
        let scope = status(ask().bearer_auth(narrow), "another scope").await;
        assert!(is_refusal(gate, scope), "{method} {path} without the scope: {scope}");
        if gate != Gate::Read {
            let level = status(ask().bearer_auth(&low), "a reader").await;
            assert!(is_refusal(gate, level), "{method} {path} by a reader: {level}");
        }
    }
    assert_eq!(app.db.config_version().await.unwrap(), version, "something was changed");
    assert!(app.calls().await.is_empty(), "something was generated");
}

/// Organization, instance, project and owner of a key that is not ours.
fn other_organization() -> (String, String, Option<String>, Option<String>) {
    ("org_other".to_owned(), "other".to_owned(), Some("prj_development".to_owned()), None)
}

/// What cannot be found or read is not shown either.
fn is_refusal(gate: Gate, status: u16) -> bool {
    status == 403
        || (matches!(gate, Gate::Change | Gate::Jobs) && matches!(status, 400 | 404))
        || (gate == Gate::Read && status == 404)
}

/// Whom a server function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anybody,
    /// Whoever is signed in, for what is theirs.
    Person,
    /// Whoever administers the organization or the instance.
    Admin,
}

/// Every function with arguments that it can read.
fn functions() -> Vec<(&'static str, Who, Value)> {
    let draft = json!({"draft": {"name": "x", "project_id": "prj_development"}});
    let things = json!({"kind": "project", "id": "prj_development", "ids": ["prj_development"], "filter": {
        "equal": [], "search": "", "sort": "", "descending": false, "deleted": false, "limit": 10}});
    let save = json!({"kind": "instance", "id": "development", "etag": null, "fields": {"name": "Taken over"}});
    let instances = json!({"kind": "instance", "ids": ["development"]});
    let credential = json!({"instance_id": "development", "provider": "openai", "key": "sk-x"});
    let model = json!({"id": "gpt-4o-mini", "version": 1, "model_id": "mine"});
    vec![
        ("account/who_am_i", Who::Anybody, json!({})),
        ("account/issuers", Who::Anybody, json!({})),
        ("account/sign_in", Who::Anybody, json!({})),
        ("account/sign_in_by_link", Who::Anybody, json!({})),
        ("account/sign_out", Who::Anybody, json!({})),
        ("account/set_password", Who::Person, json!({"password": "short"})),
        ("sessions/list", Who::Person, json!({})),
        ("sessions/end", Who::Person, json!({"session_id": "x"})),
        ("sessions/end_others", Who::Person, json!({})),
        ("sessions/end_of_user", Who::Admin, json!({"user_id": "ADMIN"})),
        ("sessions/make_link", Who::Admin, json!({"user_id": "ADMIN"})),
        ("api_keys/create", Who::Admin, draft),
        ("api_keys/rotate", Who::Admin, json!({"key_id": "KEY", "grace_hours": 1})),
        ("api_keys/revoke", Who::Admin, json!({"key_id": "KEY"})),
        ("api_keys/usage", Who::Person, json!({"key_ids": []})),
        ("audit/list", Who::Admin, json!({"query": {"limit": 5}})),
        ("audit/verify", Who::Admin, json!({"org_id": null})),
        ("catalog/models", Who::Person, json!({"capability": null})),
        ("home/overview", Who::Person, json!({})),
        ("home/dismiss_checklist", Who::Admin, json!({})),
        ("runs/list", Who::Person, json!({"filter": {"mine": false, "limit": 10}})),
        ("runs/get", Who::Person, json!({"request_id": "x"})),
        ("credentials/list", Who::Person, credential.clone()),
        ("credentials/set", Who::Admin, credential.clone()),
        ("credentials/delete", Who::Admin, credential.clone()),
        ("credentials/test", Who::Admin, credential),
        ("models/versions", Who::Person, model.clone()),
        ("models/version", Who::Person, model.clone()),
        ("models/restore_version", Who::Admin, model.clone()),
        ("models/duplicate", Who::Admin, model),
        ("models/preview_mapping", Who::Person, json!({"draft": {}})),
        ("models/try_routing", Who::Person, json!({"draft": {"query": "Draw"}})),
        ("platform/logs", Who::Admin, json!({"filter": {"limit": 5}})),
        ("platform/delete-logs", Who::Admin, json!({"older_than_days": 1})),
        ("platform/system", Who::Admin, json!({})),
        ("services/list", Who::Person, json!({})),
        ("things/find", Who::Person, json!({"text": "dev"})),
        ("limits/state", Who::Person, json!({"limit_id": "x"})),
        ("limits/states", Who::Person, json!({"limit_ids": ["x"]})),
        ("things/list", Who::Person, things.clone()),
        ("things/get", Who::Person, things.clone()),
        ("things/dependants", Who::Person, things),
        ("things/save", Who::Admin, save),
        ("things/delete", Who::Admin, instances.clone()),
        ("things/restore", Who::Admin, instances),
    ]
}

async fn every_server_function_refuses_strangers(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.browser().await;
    let me = app.call(&admin, "account/who_am_i", &json!({})).await.ok();
    let (_, key) = app.key(|_| {}).await;
    let reader = app.user("reader@example.org", Role::User).await;
    let_in(&app, &reader.user_id, "readonly").await;
    let reader = Browser { cookie: cookie_of(&app.follow_link(&app.link(&reader.user_id).await).await).unwrap() };
    let known = functions();
    let (version, sessions) = (app.db.config_version().await.unwrap(), app.count("sessions").await);

    for (path, method) in leptos::server_fn::axum::server_fn_paths() {
        let found = known.iter().find(|(name, ..)| path == format!("/_fn/{name}"));
        let (_, who, arguments) = found.unwrap_or_else(|| panic!("{path} is new: whom is it for?"));
        let arguments = arguments.to_string().replace("KEY", &key.key_id);
        let arguments = arguments.replace("ADMIN", me.body["user_id"].as_str().unwrap());
        let ask = || {
            let request = app.client.request(method.clone(), app.url(path)).body(arguments.clone());
            request.header(header::CONTENT_TYPE, "application/json")
        };
        let own = || ask().header(header::ORIGIN, &app.base_url);
        // Another site's page, with the cookie and without.
        for request in [ask(), ask().header(header::COOKIE, &admin.cookie)] {
            assert_eq!(answer(request).await.status, 403, "{path} without an origin");
        }
        let evil = ask().header(header::COOKIE, &admin.cookie).header(header::ORIGIN, "https://evil.example");
        assert_eq!(answer(evil).await.status, 403, "{path} from another site");
        if *who == Who::Anybody {
            continue;
        }
        for (why, request) in [
            ("nobody", own()),
            ("a wrong cookie", own().header(header::COOKIE, "de_session=AAAA")),
            ("an API key", own().bearer_auth(&app.api_key)),
        ] {
            let refused = answer(request).await;
            assert_eq!(refused.status, 401, "{path}, {why}: {}", refused.text);
        }
        if *who == Who::Admin {
            let refused = answer(own().header(header::COOKIE, &reader.cookie)).await;
            assert!(
                matches!(refused.status.as_u16(), 403 | 404),
                "{path} by a reader: {} {}",
                refused.status,
                refused.text
            );
        }
    }
    for (name, ..) in &known {
        let path = format!("/_fn/{name}");
        let is_there = leptos::server_fn::axum::server_fn_paths().any(|(known, _)| known == path);
        assert!(is_there, "{name} is gone; take it off the list");
    }
    assert_eq!(app.db.config_version().await.unwrap(), version, "something was changed");
    assert_eq!((app.count("sessions").await, app.count("sign_in_links").await), (sessions, 2));
}
