//! API keys from their making to their end, as the consoles make them.

use app::types::Role;
use serde_json::{Value, json};
use server::store::access::AccessRow;

use crate::support::{
    Answer, Browser, DAY_US, Database, Place, TestApp, answer, cookie_of, eventually, hello, note, on_both,
};

on_both!(
    a_key_is_made_as_it_is_asked_for,
    nobody_makes_a_key_that_may_more_than_they,
    scopes_and_models_bind_a_key,
    a_rotated_key_has_two_secrets_for_a_while,
    a_revoked_key_opens_nothing_anywhere,
    when_a_key_was_used_is_noted,
    every_step_is_in_the_audit_log,
    keys_are_made_and_ended_over_http,
    the_audit_log_is_read_over_http,
);

async fn someone(app: &TestApp, email: &str, role: Role) -> (String, Browser) {
    let user = app.user(email, role).await;
    let link = app.link(&user.user_id).await;
    (user.user_id, Browser { cookie: cookie_of(&app.follow_link(&link).await).unwrap() })
}

async fn let_in(app: &TestApp, user_id: &str, instance: &str, level: &str) {
    let row = AccessRow {
        user_id: user_id.to_owned(),
        instance_id: instance.to_owned(),
        level: level.to_owned(),
        granted_us: app.now_us(),
    };
    app.db.grant_access(&row, &note("")).await.unwrap();
    app.reload().await;
}

async fn make(app: &TestApp, browser: &Browser, draft: Value) -> Answer {
    app.call(browser, "api_keys/create", &json!({ "draft": draft })).await
}

fn secret(made: &Answer) -> &str {
    made.body["secret"].as_str().unwrap_or_else(|| panic!("no key: {} {}", made.status, made.text))
}

async fn a_key_is_made_as_it_is_asked_for(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.browser().await;
    let (ada, _) = someone(&app, "ada@example.org", Role::User).await;
    let expires = app.now_us() + DAY_US;
    let made = make(
        &app,
        &admin,
        json!({
            "name": " Ada's ", "user_id": ada, "instance_id": "production", "scopes": ["generate", "generate"],
            "allowed_models": ["gpt-4o-mini"], "expires_us": expires,
            "limit": {"requests_per_minute": 2, "budget_day_micro_usd": 1_000_000},
        }),
    )
    .await
    .ok();
    let row = app.db.api_key(made.body["key_id"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (row.name.as_str(), row.user_id.as_deref(), row.instance_id.as_str()),
        ("Ada's", Some(&*ada), "production")
    );
    assert_eq!((row.scopes, row.allowed_models), (vec!["generate".to_owned()], Some(vec!["gpt-4o-mini".to_owned()])));
    assert_eq!(row.expires_us, Some(expires));
    let access = app.db.access_of_user(&ada).await.unwrap();
    assert_eq!(
        (access[0].instance_id.as_str(), access[0].level.as_str()),
        ("production", "user"),
        "granted with the key"
    );
    let limits = app.db.list_limits().await.unwrap();
    let limit = limits.iter().find(|limit| limit.key_id.as_ref() == Some(&row.key_id)).expect("a limit of its own");
    assert_eq!((limit.requests_per_minute, limit.budget_day_micro_usd), (Some(2), Some(1_000_000)));
    assert_eq!(limit.instance_id.as_deref(), Some("production"));
    app.chat_as(secret(&made), "gpt-4o-mini").await.ok();

    let project = make(&app, &admin, json!({"name": "Project", "project_id": "prj_development"})).await.ok();
    let used = app.chat_as(secret(&project), "gpt-4o-mini").await.ok();
    assert_eq!(app.record(&used.request_id()).await.log.project_id.as_deref(), Some("prj_development"));

    for (draft, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "x", "user_id": "nobody"}), "user_id"),
        (json!({"name": "x", "project_id": "nothing"}), "project_id"),
        (json!({"name": "x", "project_id": "prj_development", "instance_id": "production"}), "project_id"),
        (json!({"name": "x", "user_id": ada, "project_id": "prj_development"}), "project_id"),
        (json!({"name": "x", "scopes": ["everything"]}), "scopes"),
        (json!({"name": "x", "allowed_models": ["gpt-99"]}), "allowed_models"),
        (json!({"name": "x", "expires_us": 5}), "expires_at"),
        (json!({"name": "x", "limit": {"tokens_per_day": -1}}), "limit.tokens_per_day"),
    ] {
        let refused = make(&app, &admin, draft.clone()).await.failed(422);
        assert_eq!(refused.body["Invalid"]["field"], field, "{draft}: {}", refused.text);
    }
    make(&app, &admin, json!({"name": "x", "instance_id": "nowhere"})).await.failed(404);
}

async fn nobody_makes_a_key_that_may_more_than_they(database: Database) {
    let app = TestApp::start(&database).await;
    let root = app.browser().await;
    let me = app.call(&root, "account/who_am_i", &json!({})).await;
    let superadmin = me.body["user_id"].as_str().unwrap();
    let (boss, boss_browser) = someone(&app, "boss@example.org", Role::Admin).await;
    let (lead, lead_browser) = someone(&app, "lead@example.org", Role::User).await;
    let (ada, ada_browser) = someone(&app, "ada@example.org", Role::User).await;
    let_in(&app, &lead, "development", "admin").await;
    let_in(&app, &ada, "development", "readonly").await;
    let for_user = |user: &str| json!({"name": "x", "user_id": user, "instance_id": "development"});
    // One's own, whatever one may.
    make(&app, &ada_browser, json!({"name": "own"})).await.ok();
    // Others' are for those who administer.
    make(&app, &ada_browser, for_user(&lead)).await.failed(403);
    make(&app, &ada_browser, json!({"name": "x", "project_id": "prj_development"})).await.failed(403);
    make(&app, &lead_browser, for_user(&ada)).await.ok();
    make(&app, &lead_browser, json!({"name": "x", "project_id": "prj_development"})).await.ok();
    make(&app, &lead_browser, json!({"name": "x", "user_id": ada, "instance_id": "production"})).await.failed(403);
    // Nobody becomes more than they are by somebody else's key, nor by another secret of it, nor by a link.
    make(&app, &lead_browser, for_user(&boss)).await.failed(403);
    make(&app, &boss_browser, for_user(superadmin)).await.failed(403);
    let key = make(&app, &root, json!({"name": "root's"})).await.ok();
    let rotate = json!({"key_id": key.body["key_id"], "grace_hours": 1});
    app.call(&boss_browser, "api_keys/rotate", &rotate).await.failed(403);
    app.call(&boss_browser, "sessions/make_link", &json!({"user_id": superadmin})).await.failed(403);
    app.call(&lead_browser, "sessions/make_link", &json!({"user_id": ada})).await.failed(403);
    app.call(&boss_browser, "sessions/end_of_user", &json!({"user_id": superadmin})).await.failed(403);
    assert_eq!(app.chat_as(secret(&key), "gpt-4o-mini").await.status, 200);
    // An admin invites.
    let link = app.call(&boss_browser, "sessions/make_link", &json!({"user_id": ada})).await.ok();
    let token = link.body["url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
    let invited = Browser { cookie: cookie_of(&app.follow_link(&token).await).unwrap() };
    assert_eq!(app.call(&invited, "account/who_am_i", &json!({})).await.body["email"], "ada@example.org");
    // Another organization is another world.
    app.organization("org_other", "other").await;
    make(&app, &boss_browser, json!({"name": "x", "instance_id": "other"})).await.failed(403);
    app.call(&boss_browser, "api_keys/usage", &json!({"key_ids": ["nothing"]})).await.failed(404);
    let (_, foreign) = app
        .key(|key| {
            (key.org_id, key.instance_id) = ("org_other".to_owned(), "other".to_owned());
        })
        .await;
    for function in ["api_keys/revoke", "api_keys/rotate"] {
        let refused = json!({"key_id": foreign.key_id, "grace_hours": 0});
        app.call(&boss_browser, function, &refused).await.failed(403);
    }
    app.call(&boss_browser, "api_keys/usage", &json!({"key_ids": [foreign.key_id]})).await.failed(403);
}

async fn scopes_and_models_bind_a_key(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.browser().await;
    let get = |key: String, path: &'static str| {
        let request = app.client.get(app.url(path)).bearer_auth(key);
        async move { answer(request).await }
    };
    let with = async |scopes: Value| {
        let made = make(&app, &admin, json!({"name": "x", "scopes": scopes})).await.ok();
        secret(&made).to_owned()
    };
    let reader = with(json!(["read"])).await;
    get(reader.clone(), "/v1/models").await.ok();
    let refused = app.chat_as(&reader, "gpt-4o-mini").await.failed(403);
    assert_eq!(refused.body["error"]["code"], "insufficient_permissions");
    assert_eq!(refused.body["error"]["message"], "this API key lacks the scope \"generate\"");
    let generator = with(json!(["generate"])).await;
    app.chat_as(&generator, "gpt-4o-mini").await.ok();
    get(generator.clone(), "/v1/models").await.failed(403);
    get(generator, "/v1/models/gpt-4o-mini").await.failed(403);
    app.chat_as(&with(json!(["jobs", "admin"])).await, "gpt-4o-mini").await.failed(403);
    let made = make(&app, &admin, json!({"name": "x", "allowed_models": ["gpt-4o-mini"]})).await.ok();
    app.chat_as(secret(&made), "gpt-4o-mini").await.ok();
    app.chat_as(secret(&made), "gpt-4o").await.failed(403);
}

async fn a_rotated_key_has_two_secrets_for_a_while(database: Database) {
    let clock = server::clock::Clock::fixed(1_800_000_000_000_000);
    let app = TestApp::at(Place::new(&database).await, clock.clone(), |_| {}).await;
    let admin = app.browser().await;
    let made = make(&app, &admin, json!({"name": "x"})).await.ok();
    let id = made.body["key_id"].as_str().unwrap().to_owned();
    let rotate =
        async |hours: u32| app.call(&admin, "api_keys/rotate", &json!({"key_id": id, "grace_hours": hours})).await;
    let works = async |made: &Answer| app.chat_as(secret(made), "gpt-4o-mini").await.status == 200;
    let second = rotate(24).await.ok();
    assert_eq!((&second.body["key_id"], &second.body["name"]), (&made.body["key_id"], &made.body["name"]));
    assert_ne!(secret(&second), secret(&made));
    for shown in [&made, &second] {
        let used = app.chat_as(secret(shown), "gpt-4o-mini").await.ok();
        assert_eq!(app.record(&used.request_id()).await.log.key_id.as_deref(), Some(&*id), "one key");
    }
    clock.advance_us(DAY_US - 1);
    assert!(works(&made).await && works(&second).await);
    clock.advance_us(1);
    assert!(!works(&made).await && works(&second).await);
    let third = rotate(1).await.ok();
    let fourth = rotate(168).await.ok();
    assert!(!works(&second).await, "of the secrets before, only the last one");
    assert!(works(&third).await && works(&fourth).await);
    let fifth = rotate(0).await.ok();
    assert!(!works(&third).await && !works(&fourth).await && works(&fifth).await, "no grace");
    assert_eq!(rotate(169).await.failed(422).body["Invalid"]["field"], "grace_hours");
    // A revoked key is gone with all its secrets.
    let sixth = rotate(24).await.ok();
    app.call(&admin, "api_keys/revoke", &json!({"key_id": id})).await.ok();
    assert!(!works(&fifth).await && !works(&sixth).await);
    rotate(24).await.failed(422);
    app.call(&admin, "api_keys/revoke", &json!({"key_id": id})).await.ok();
    app.call(&admin, "api_keys/revoke", &json!({"key_id": "nothing"})).await.failed(404);
}

async fn a_revoked_key_opens_nothing_anywhere(database: Database) {
    let place = Place::new(&database).await;
    // Another process; on SQLite only one may serve, so there it is the database that is changed beside it.
    let app = TestApp::at(place, server::clock::Clock::system(), |_| {}).await;
    let (key, row) = app.key(|_| {}).await;
    let other = match &database {
        Database::Sqlite => None,
        Database::Postgres(_) => Some(app.replica().await),
    };
    let ask = async || {
        let here = app.chat_as(&key, "gpt-4o-mini").await.status.as_u16();
        let there = match &other {
            Some(other) => {
                let url = format!("http://{}/v1/chat/completions", other.address);
                answer(app.client.post(url).bearer_auth(&key).json(&hello("gpt-4o-mini"))).await.status.as_u16()
            }
            None => here,
        };
        (here, there)
    };
    assert_eq!(ask().await, (200, 200));
    app.db.revoke_api_key(&row.key_id, app.now_us(), &note("")).await.unwrap();
    let began = std::time::Instant::now();
    eventually("the key is refused everywhere", || async { (ask().await == (401, 401)).then_some(()) }).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}

async fn when_a_key_was_used_is_noted(database: Database) {
    let app = TestApp::start(&database).await;
    let (key, row) = app.key(|_| {}).await;
    let used = async || app.db.api_key(&row.key_id).await.unwrap().unwrap().last_used_us;
    assert_eq!(used().await, None);
    // Whatever it was used for.
    let began = app.now_us();
    answer(app.client.get(app.url("/v1/models")).bearer_auth(&key)).await.ok();
    let first = eventually("the first use", || async { used().await }).await;
    assert!(first >= began);
    for _ in 0..5 {
        app.chat_as(&key, "gpt-4o-mini").await.ok();
    }
    // What is not written yet is written at the end.
    let admin = app.browser().await;
    let usage = eventually("the calls are counted", || async {
        let usage = app.call(&admin, "api_keys/usage", &json!({"key_ids": [row.key_id]})).await.ok();
        (usage.body[0]["days"][29] == 5).then_some(usage)
    })
    .await;
    let days = usage.body[0]["days"].as_array().unwrap();
    assert_eq!((days.len(), days[..29].iter().all(|calls| *calls == 0)), (30, true), "{}", usage.text);
    let at_end = app.now_us();
    answer(app.client.get(app.url("/v1/models")).bearer_auth(&key)).await.ok();
    let place = app.stop().await;
    let again = TestApp::at(place, server::clock::Clock::system(), |_| {}).await;
    let last = again.db.api_key(&row.key_id).await.unwrap().unwrap().last_used_us.unwrap();
    assert!(last >= at_end, "{last} < {at_end}");
}

async fn every_step_is_in_the_audit_log(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.browser().await;
    let made =
        make(&app, &admin, json!({"name": "Build", "scopes": ["generate"], "limit": {"requests_per_minute": 5}}))
            .await
            .ok();
    let id = made.body["key_id"].as_str().unwrap().to_owned();
    let rotated = app.call(&admin, "api_keys/rotate", &json!({"key_id": id, "grace_hours": 1})).await.ok();
    let revoked = app.call(&admin, "api_keys/revoke", &json!({"key_id": id})).await.ok();
    app.call(&admin, "api_keys/revoke", &json!({"key_id": id})).await.ok();
    let log = app.audited().await;
    let about: Vec<_> = log.iter().filter(|entry| entry.target_id == id).collect();
    let actions: Vec<_> = about.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["api_key.revoked", "api_key.rotated", "api_key.created"]);
    let last = about[0];
    assert_eq!((last.actor_type.as_str(), last.actor_name.as_str()), ("user", "admin@localhost"));
    assert_eq!((last.target_name.as_str(), last.instance_id.as_deref()), ("Build", Some("development")));
    assert_eq!(last.request_id.as_deref(), Some(&*revoked.request_id()));
    assert_eq!(last.ip.as_deref(), Some("127.0.0.1"));
    assert!(about[2].details.contains("requests_per_minute"), "{}", about[2].details);
    let text = format!("{log:?}");
    for shown in [secret(&made), secret(&rotated)] {
        assert!(!text.contains(shown) && !text.contains(&shown[10..]), "a secret is in the audit log");
    }
    // Who did it is remembered, who may look at it is asked.
    let listed = app
        .call(&admin, "audit/list", &json!({"query": {"action": "api_key.", "target_id": id, "limit": 2}}))
        .await
        .ok();
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2, "{}", listed.text);
    let next = listed.body["next"].clone();
    let rest = app
        .call(
            &admin,
            "audit/list",
            &json!({"query": {"action": "api_key.", "target_id": id, "limit": 2, "after": next}}),
        )
        .await
        .ok();
    assert_eq!((rest.body["items"][0]["action"].as_str(), &rest.body["next"]), (Some("api_key.created"), &Value::Null));
    assert_eq!(rest.body["items"][0]["details"]["after"]["scopes"], json!(["generate"]));
    let proof = app.call(&admin, "audit/verify", &json!({"org_id": null})).await.ok();
    assert_eq!(proof.body["broken"], Value::Null, "{}", proof.text);
    let (_, ada) = someone(&app, "ada@example.org", Role::User).await;
    let (_, boss) = someone(&app, "boss@example.org", Role::Admin).await;
    app.call(&ada, "audit/list", &json!({"query": {"limit": 5}})).await.failed(403);
    app.call(&boss, "audit/list", &json!({"query": {"limit": 5}})).await.ok();
    app.call(&boss, "audit/list", &json!({"query": {"org_id": "", "limit": 5}})).await.failed(403);
    app.call(&boss, "audit/verify", &json!({"org_id": "another"})).await.failed(403);
    app.call(&admin, "audit/list", &json!({"query": {"org_id": "", "limit": 5}})).await.ok();
}

async fn keys_are_made_and_ended_over_http(database: Database) {
    let app = TestApp::start(&database).await;
    let send = async |method: reqwest::Method, path: &str, key: &str, body: Option<Value>| {
        let request = app.client.request(method, app.url(path)).bearer_auth(key);
        answer(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    };
    let (post, delete) = (reqwest::Method::POST, reqwest::Method::DELETE);
    let body = json!({
        "name": "Build", "project_id": "prj_development", "scopes": ["generate", "read"], "expires_at": "2999-01-01T00:00:00Z",
        "limit": {"requests_per_minute": 1000}, "colour": "red",
    });
    let made = send(post.clone(), "/config/api-key", &app.api_key, Some(body)).await.ok();
    assert!(made.header("x-de-warning").contains("colour") && !made.header("x-de-warning").contains("limit"));
    let data = &made.body["data"];
    let (id, key) = (data["key_id"].as_str().unwrap().to_owned(), data["key"].as_str().unwrap().to_owned());
    assert_eq!(
        (&data["expires_at"], &data["scopes"]),
        (&json!("2999-01-01T00:00:00.000000Z"), &json!(["generate", "read"]))
    );
    app.chat_as(&key, "gpt-4o-mini").await.ok();
    let shown = send(reqwest::Method::GET, &format!("/config/api-key/{id}"), &app.api_key, None).await.ok();
    assert!(shown.body["data"]["key"].is_null() && !shown.text.contains(&key), "{}", shown.text);

    for (body, field) in [
        (json!({"name": 5}), "name"),
        (json!({"name": "x", "scopes": "read"}), "scopes"),
        (json!({"name": "x", "scopes": ["fly"]}), "scopes"),
        (json!({"name": "x", "expires_at": "tomorrow"}), "expires_at"),
        (json!({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "x", "limit": {"rpm": 5}}), "limit.rpm"),
        (json!({"name": "x", "limit": {"tokens_per_day": "many"}}), "limit.tokens_per_day"),
        (json!({"name": "x", "user_id": "nobody"}), "user_id"),
    ] {
        let refused = send(post.clone(), "/config/api-key", &app.api_key, Some(body)).await.failed(400);
        assert_eq!(refused.body["fields"][0]["field"], field, "{}", refused.text);
    }
    let nameless = send(post.clone(), "/config/api-key", &app.api_key, Some(json!({}))).await.failed(400);
    assert_eq!(nameless.body["error"], "Missing required fields: name");

    // A key that may only do so much does not make one that may do more.
    let narrow = json!({"name": "Narrow", "scopes": ["admin", "generate"], "allowed_models": ["gpt-4o-mini"]});
    let narrow = send(post.clone(), "/config/api-key", &app.api_key, Some(narrow)).await.ok();
    let (narrow_id, narrow) =
        (narrow.body["data"]["key_id"].clone(), narrow.body["data"]["key"].as_str().unwrap().to_owned());
    for body in [json!({"name": "x", "scopes": ["read"]}), json!({"name": "x", "allowed_models": ["gpt-4o"]})] {
        let refused = send(post.clone(), "/config/api-key", &narrow, Some(body)).await;
        assert!(matches!(refused.status.as_u16(), 400 | 403), "{}", refused.text);
    }
    let child = send(post.clone(), "/config/api-key", &narrow, Some(json!({"name": "Child"}))).await.ok();
    let child = app.db.api_key(child.body["data"]["key_id"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(child.scopes, ["admin", "generate"]);
    assert_eq!(child.allowed_models, Some(vec!["gpt-4o-mini".to_owned()]));
    let rotate = format!("/config/api-key/{id}/rotate");
    send(post.clone(), &rotate, &narrow, None).await.failed(403);
    let itself = format!("/config/api-key/{}/rotate", narrow_id.as_str().unwrap());
    let renewed = send(post.clone(), &itself, &narrow, Some(json!({"grace_hours": 0}))).await.ok();
    app.chat_as(&narrow, "gpt-4o-mini").await.failed(401);
    app.chat_as(renewed.body["data"]["key"].as_str().unwrap(), "gpt-4o-mini").await.ok();

    let rotated = send(post.clone(), &rotate, &app.api_key, None).await.ok();
    let second = rotated.body["data"]["key"].as_str().unwrap().to_owned();
    app.chat_as(&key, "gpt-4o-mini").await.ok();
    send(post.clone(), &rotate, &app.api_key, Some(json!({"grace_hours": -1}))).await.failed(400);
    send(post.clone(), &rotate, &app.api_key, Some(json!({"grace_hours": 200}))).await.failed(400);
    let revoked = send(post.clone(), &format!("/config/api-key/{id}/revoke"), &app.api_key, None).await.ok();
    assert_eq!(revoked.body["data"], json!({"revoked": true, "key_id": id}));
    for key in [&key, &second] {
        app.chat_as(key, "gpt-4o-mini").await.failed(401);
    }
    let listed = send(reqwest::Method::GET, "/config/api-key", &app.api_key, None).await.ok();
    let found = listed.body["data"].as_array().unwrap().iter().find(|row| row["key_id"] == id.as_str()).cloned();
    assert!(found.unwrap()["revoked_at"].is_string());
    send(delete.clone(), &format!("/config/api-key/{id}"), &app.api_key, None).await.ok();
    send(delete.clone(), &format!("/config/api-key/{id}"), &app.api_key, None).await.failed(404);
    let listed = send(reqwest::Method::GET, "/config/api-key", &app.api_key, None).await.ok();
    assert!(!listed.text.contains(&id));
}

async fn the_audit_log_is_read_over_http(database: Database) {
    let app = TestApp::start(&database).await;
    for name in ["=HYPERLINK(\"x\")", "Second, with a comma", "Third"] {
        app.ask("/config/api-key", &json!({"name": name})).await.ok();
    }
    let get = async |path: &str| answer(app.get(path)).await;
    let all = get("/config/audit?action=api_key.").await.ok();
    let entries = all.body["data"].as_array().unwrap();
    assert_eq!(entries.len(), 4, "{}", all.text);
    assert_eq!(entries[0]["target"]["name"], "Third");
    assert_eq!((&entries[0]["actor"]["type"], &entries[3]["actor"]["type"]), (&json!("api_key"), &json!("system")));
    // A key is called by its name, whatever it did.
    let own = entries[3]["target"]["name"].as_str().unwrap();
    app.ask("/config/project", &json!({"name": "Of the key", "instance_id": "development"})).await.ok();
    let made = get("/config/audit?action=project.created").await.ok();
    for entry in [&entries[0], &made.body["data"][0]] {
        assert_eq!((&entry["actor"]["type"], &entry["actor"]["name"]), (&json!("api_key"), &json!(own)), "{entry}");
    }
    // Page by page.
    let first = get("/config/audit?limit=3&action=api_key.created").await.ok();
    assert_eq!(first.body["data"].as_array().unwrap().len(), 3);
    let link = first.header("link").trim_start_matches('<').split_once('>').unwrap().0.to_owned();
    let second = get(&link).await.ok();
    assert_eq!(second.body["data"].as_array().unwrap().len(), 1, "{link}: {}", second.text);
    assert!(second.headers.get("link").is_none());
    // As a whole.
    let lines = get("/config/audit?format=jsonl").await.ok();
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let parsed: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let whole = get("/config/audit").await.ok();
    assert_eq!(Value::from(parsed), whole.body["data"]);
    let csv = get("/config/audit?format=csv&action=api_key.").await.ok();
    assert_eq!(csv.text.lines().count(), 5, "{}", csv.text);
    assert!(
        csv.text.contains("\"'=HYPERLINK(\"\"x\"\")\"") && csv.text.contains("\"Second, with a comma\""),
        "{}",
        csv.text
    );
    for (query, field) in
        [("format=xml", "format"), ("limit=0", "limit"), ("since=yesterday", "since"), ("after=x", "after")]
    {
        let refused = get(&format!("/config/audit?{query}")).await.failed(400);
        assert_eq!(refused.body["fields"][0]["field"], field, "{}", refused.text);
    }
    assert_eq!(get("/config/audit?until=2001-01-01T00:00:00Z").await.ok().body["data"], json!([]));
    let proof = get("/config/audit/verify").await.ok();
    assert_eq!(
        (&proof.body["data"]["broken"], proof.body["data"]["entries"].as_i64().unwrap() >= 4),
        (&Value::Null, true)
    );
    // Not for everybody.
    let (low, _) = app.key(|_| {}).await;
    for path in ["/config/audit", "/config/audit?format=csv", "/config/audit/verify"] {
        answer(app.client.get(app.url(path)).bearer_auth(&low)).await.failed(403);
    }
}
