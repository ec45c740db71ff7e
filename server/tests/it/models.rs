//! How names find models, and who may use which.

use serde_json::{Value, json};
use server::store::models::AliasRow;

use crate::support::{Database, TestApp, answer, hello, note, on_both};

on_both!(
    every_way_to_name_a_model,
    an_automatic_model_follows_the_rules,
    an_unknown_model_is_not_found,
    the_list_shows_what_may_be_used,
    one_model_by_its_name,
    models_of_another_organization_are_unknown,
    a_key_may_be_limited_to_models,
    inactive_providers_are_not_called,
);

async fn used(app: &TestApp, name: &str) -> (String, String) {
    let answer = app.chat(&hello(name)).await.ok();
    let log = app.record(&answer.request_id()).await.log;
    assert_eq!(log.model_asked.as_deref(), Some(name));
    assert_eq!(answer.header("x-de-model"), log.model_used.as_deref().unwrap());
    assert_eq!(answer.header("x-de-provider"), log.provider.as_deref().unwrap());
    (log.model_used.unwrap(), app.last_call().await["model"].as_str().unwrap().to_owned())
}

async fn every_way_to_name_a_model(database: Database) {
    let app = TestApp::start(&database).await;
    let alias = AliasRow { alias: "cheap".into(), model_id: "gpt-4o-mini".into(), created_us: app.now_us() };
    app.db.put_alias(&alias).await.unwrap();
    app.reload().await;
    for (name, model, upstream) in [
        ("gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini"),
        ("cheap", "gpt-4o-mini", "gpt-4o-mini"),
        ("openai/gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini"),
        ("openai:gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini"),
        ("openai/cheap", "gpt-4o-mini", "gpt-4o-mini"),
        // Only its provider knows it.
        ("gpt-99-preview", "openai/gpt-99-preview", "gpt-99-preview"),
        ("openai/gpt-99-preview", "openai/gpt-99-preview", "gpt-99-preview"),
        // The first part of the name is not its provider.
        ("openai/gpt-oss-20b", "openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("gpt-oss-20b", "openai/gpt-oss-20b", "openai/gpt-oss-20b"),
    ] {
        assert_eq!(used(&app, name).await, (model.to_owned(), upstream.to_owned()), "{name}");
    }
    let groq = app.chat(&hello("gpt-oss-20b")).await.ok();
    assert_eq!(groq.header("x-de-provider"), "groq");
    // What has no price costs nothing, and says so.
    let unlisted = app.chat(&hello("gpt-99-preview")).await.ok();
    assert_eq!(unlisted.header("x-de-cost-usd"), "0.000000");
}

async fn an_automatic_model_follows_the_rules(database: Database) {
    let app = TestApp::start(&database).await;
    // The shipped rules lead to several providers; these lead where this test wants.
    for (rule, model) in [("route_text", "gpt-4o"), ("route_text_fast", "gpt-4o-mini")] {
        let row = app.db.list_routing_rules().await.unwrap().into_iter().find(|row| row.id == rule).unwrap();
        let row = server::store::rules::RoutingRuleRow { provider: "openai".into(), model: model.into(), ..row };
        app.db.update_routing_rule(&row).await.unwrap();
    }
    app.reload().await;
    let body = |prompt: &str, model: Option<&str>| {
        let mut body = json!({"messages": [{"role": "user", "content": prompt}]});
        if let Some(model) = model {
            body["model"] = model.into();
        }
        body
    };
    for (prompt, model, expected) in [
        ("Hello", None, "gpt-4o"),
        ("Hello", Some("auto"), "gpt-4o"),
        ("Give me a quick answer", Some("auto"), "gpt-4o-mini"),
        ("Give me a quick answer", None, "gpt-4o-mini"),
        ("Give me a quick answer", Some(""), "gpt-4o-mini"),
    ] {
        let answer = app.chat(&body(prompt, model)).await.ok();
        assert_eq!(answer.header("x-de-model"), expected, "{prompt} {model:?}");
        let log = app.record(&answer.request_id()).await.log;
        assert_eq!(log.model_asked.as_deref(), model.filter(|model| !model.is_empty()));
        assert_eq!(log.model_used.as_deref(), Some(expected));
        assert_eq!(app.last_call().await["body"]["model"], expected);
    }
    let stream = app.stream(&body("A brief note", None)).await.ok();
    assert!(stream.is_done());
    assert_eq!(app.last_call().await["model"], "gpt-4o-mini");
}

async fn an_unknown_model_is_not_found(database: Database) {
    let app = TestApp::start(&database).await;
    for (asked, near) in [
        ("gtp-4o-mini", Some("\"gpt-4o-mini\"")),
        ("zzz", None),
        ("nowhere/xyz", None),
        ("openai/", Some("\"openai/gpt-oss-20b\"")),
    ] {
        let answer = app.chat(&hello(asked)).await.failed(404);
        let error = &answer.body["error"];
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("invalid_request_error"), &json!("model_not_found")),
            "{error}"
        );
        assert_eq!((&error["param"], &error["source"]), (&json!("model"), &json!("caller")));
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("{asked:?}")), "{message}");
        match near {
            Some(near) => assert!(message.contains(near), "{message}"),
            None => assert!(!message.contains("did you mean"), "{message}"),
        }
        let record = app.record(&answer.request_id()).await;
        assert_eq!((record.outcome(), record.error()), (("failed", 404), ("caller", "not_found")));
        assert!(record.tries().is_empty() && record.log.provider.is_none());
    }
    assert!(app.calls().await.is_empty(), "no provider was asked");
    let answer = app.chat(&hello("dall-e-3")).await.failed(400);
    assert_eq!(answer.body["error"]["code"], "invalid_model_capability");
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

async fn the_list_shows_what_may_be_used(database: Database) {
    let app = TestApp::start(&database).await;
    let list = answer(app.get("/v1/models")).await.ok();
    assert_eq!(list.body["object"], "list");
    for id in ["gpt-4o-mini", "claude-sonnet-5", "gemini-2.5-flash", "command-a-03-2025"] {
        assert!(ids(&list.body).contains(&id.to_owned()), "{id}");
    }
    for model in list.body["data"].as_array().unwrap() {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_i64() && model["owned_by"].is_string(), "{model}");
    }
    app.own_model("our-model", Some("org_default"), |_| {}).await;
    app.organization("org_other", "other").await;
    app.own_model("their-model", Some("org_other"), |_| {}).await;
    let list = answer(app.get("/v1/models")).await.ok();
    // The first key is a superadmin's, who sees everything.
    assert!(ids(&list.body).contains(&"our-model".to_owned()));
    let (key, _) = app.key(|_| {}).await;
    let list = answer(app.client.get(app.url("/v1/models")).bearer_auth(key)).await.ok();
    assert!(ids(&list.body).contains(&"our-model".to_owned()) && !ids(&list.body).contains(&"their-model".to_owned()));
    let (key, _) = app.key(|key| key.allowed_models = Some(vec!["gpt-4o".into()])).await;
    let list = answer(app.client.get(app.url("/v1/models")).bearer_auth(key)).await.ok();
    assert_eq!(ids(&list.body), ["gpt-4o"]);
}

async fn one_model_by_its_name(database: Database) {
    let app = TestApp::start(&database).await;
    for (path, id, owner) in [
        ("gpt-4o-mini", "gpt-4o-mini", "openai"),
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini", "openai"),
        ("openai%2Fgpt-oss-120b", "openai/gpt-oss-120b", "groq"),
        ("claude-3-5-haiku", "claude-3-5-haiku", "anthropic"),
    ] {
        let model = answer(app.get(&format!("/v1/models/{path}"))).await.ok();
        assert_eq!((&model.body["id"], &model.body["owned_by"]), (&json!(id), &json!(owner)), "{path}");
        assert_eq!(model.body["object"], "model");
    }
    let missing = answer(app.get("/v1/models/gtp-4o")).await.failed(404);
    assert_eq!(missing.body["error"]["code"], "model_not_found");
}

async fn models_of_another_organization_are_unknown(database: Database) {
    let app = TestApp::start(&database).await;
    app.organization("org_other", "other").await;
    app.own_model("their-secret-model", Some("org_other"), |model| model.upstream_model = "gpt-4o-mini".into()).await;
    let alias = AliasRow { alias: "their-secret-alias".into(), model_id: "their-secret-model".into(), created_us: 0 };
    app.db.put_alias(&alias).await.unwrap();
    app.reload().await;
    let (ours, _) = app.key(|_| {}).await;
    let other_user = server::store::users::UserRow {
        user_id: "user_other".into(),
        org_id: "org_other".into(),
        email: "other@example.org".into(),
        ..app.user("like@example.org", app::types::Role::Admin).await
    };
    app.db.insert_user(&other_user, &note("")).await.unwrap();
    let (theirs, _) = app
        .key(|key| {
            (key.user_id, key.project_id) = (Some("user_other".into()), None);
            (key.org_id, key.instance_id) = ("org_other".into(), "other".into());
        })
        .await;
    for name in ["their-secret-model", "their-secret-alias", "their-secret-modle"] {
        let refused = app.chat_as(&ours, name).await.failed(404);
        assert_eq!(refused.body["error"]["code"], "model_not_found");
        let asked = format!("{name:?}");
        let message = refused.body["error"]["message"].as_str().unwrap().replacen(&asked, "", 1);
        assert!(!message.contains("their-secret"), "the names of others are told: {message}");
        let get = app.client.get(app.url(&format!("/v1/models/{name}"))).bearer_auth(&ours);
        answer(get).await.failed(404);
    }
    for name in ["their-secret-model", "their-secret-alias"] {
        let answer = app.chat_as(&theirs, name).await.ok();
        assert_eq!(answer.header("x-de-model"), "their-secret-model");
        let log = app.record(&answer.request_id()).await.log;
        assert_eq!((log.org_id.as_deref(), log.instance_id.as_deref()), (Some("org_other"), Some("other")));
    }
}

async fn a_key_may_be_limited_to_models(database: Database) {
    let app = TestApp::start(&database).await;
    let (key, _) = app.key(|key| key.allowed_models = Some(vec!["gpt-4o-mini".into()])).await;
    app.chat_as(&key, "gpt-4o-mini").await.ok();
    app.chat_as(&key, "openai/gpt-4o-mini").await.ok();
    for name in ["gpt-4o", "openai/gpt-99", "gpt-99"] {
        let refused = app.chat_as(&key, name).await.failed(403);
        assert_eq!(refused.body["error"]["code"], "model_not_allowed", "{name}");
        let record = app.record(&refused.request_id()).await;
        assert_eq!((record.outcome(), record.error()), (("failed", 403), ("caller", "forbidden")));
    }
    // Nor does a rule lead around it.
    app.chat_as(&key, "auto").await.failed(403);
}

async fn inactive_providers_are_not_called(database: Database) {
    let app = TestApp::start(&database).await;
    let mut row = app.db.provider("openai").await.unwrap().unwrap();
    row.is_active = false;
    app.db.update_provider(&row).await.unwrap();
    app.reload().await;
    for name in ["gpt-4o-mini", "openai/gpt-4o-mini", "gpt-99"] {
        app.chat(&hello(name)).await.failed(404);
    }
    let list = answer(app.get("/v1/models")).await.ok();
    assert!(!ids(&list.body).contains(&"gpt-4o-mini".to_owned()));
    assert!(app.calls().await.is_empty());
}
