//! A model's judgement of requests whose words say too little.

use std::{sync::Arc, time::Instant};

use serde_json::json;
use server::services::{
    classify::{Classification, TaskType, classify, model},
    gateway::Context,
};

use crate::support::{Database, TestApp, on_both};

on_both!(a_model_judges_what_the_words_do_not_say);

/// Makes a model that answers every request with its own name at the provider.
async fn judge(app: &TestApp, model_id: &str, answer: &str) {
    let body = json!({
        "model_id": model_id, "provider_id": "generic", "display_name": "Judge", "adapter": "mapped",
        "upstream_model": answer, "capabilities": {"text": true}, "status": "active",
        "payload_mapping": {
            "endpoint": "/v1/generate", "method": "POST", "headers": {"x-api-key": "{api_key}"},
            "body": {"model": "{model}", "prompt": "{prompt}"}, "response_mapping": {"text": "$.model"},
        },
    });
    app.ask("/config/model-config", &body).await.ok();
}

async fn judged(app: &TestApp, query: &str) -> Classification {
    let state = &app.app().state;
    let snapshot = state.catalog.snapshot();
    let found = classify(&snapshot.rules, query, None);
    let Some(name) = model::judge(&snapshot, &found) else { return found };
    let context = Context {
        request_id: state.clock.new_id().to_string(),
        caller: Arc::new(state.identity.by_key(&app.api_key, None).unwrap()),
        surface: "test",
        caller_request_id: None,
        ip: None,
        user_agent: None,
        started: Instant::now(),
        started_us: state.clock.now_us(),
        timeout: None,
    };
    model::refine(&state.gateway, &snapshot.rules, name, context, query, found).await
}

async fn a_model_judges_what_the_words_do_not_say(database: Database) {
    let app = TestApp::start(&database).await;
    let provider = json!({
        "id": "generic", "display_name": "Generic", "adapter": "mapped", "base_url": "https://generic.example",
        "credential": {"header": "x-api-key", "prefix": ""},
    });
    app.ask("/config/provider", &provider).await.ok();
    judge(&app, "judge", "video").await;
    judge(&app, "babbler", "bananas").await;
    let rule = json!({"pattern": "bananas", "pattern_type": "ml_label", "task_type": "image", "is_active": false});
    let rule = app.ask("/config/task-classification", &rule).await.ok();
    let unclear = "Something with my holidays";
    assert_eq!(judged(&app, unclear).await.task_type, TaskType::Text);
    assert!(app.calls().await.is_empty(), "off by default");

    app.ask("/config/setting", &json!({"key": "classification", "value": {"model": "judge"}})).await.ok();
    let found = judged(&app, unclear).await;
    assert_eq!((found.task_type, found.confidence), (TaskType::Video, 0.8));
    assert!(found.why.last().unwrap().text.contains("judge"), "{:?}", found.why);
    let asked = app.last_call().await["body"]["prompt"].as_str().unwrap().to_owned();
    assert!(asked.contains("text, image, audio, video, context") && asked.ends_with(unclear), "{asked}");
    let calls = app.calls().await.len();
    assert_eq!(judged(&app, "Draw an illustration").await.task_type, TaskType::Image);
    assert_eq!(app.calls().await.len(), calls, "what the words say clearly costs nothing");

    // An answer that is no label, and a model that does not exist, change nothing.
    for name in ["babbler", "nobody-knows-it"] {
        let path = app.url("/config/setting/classification");
        let change = app.client.put(path).bearer_auth(&app.api_key).json(&json!({"value": {"model": name}}));
        assert_eq!(change.send().await.unwrap().status(), 200);
        let found = judged(&app, unclear).await;
        assert_eq!((found.task_type, found.confidence), (TaskType::Text, 0.5), "{name}");
    }
    let path = app.url(&format!("/config/task-classification/{}", rule.body["data"]["id"].as_str().unwrap()));
    let change = app.client.put(path).bearer_auth(&app.api_key).json(&json!({"is_active": true}));
    assert_eq!(change.send().await.unwrap().status(), 200);
    let path = app.url("/config/setting/classification");
    let change = app.client.put(path).bearer_auth(&app.api_key).json(&json!({"value": {"model": "babbler"}}));
    assert_eq!(change.send().await.unwrap().status(), 200);
    assert_eq!(judged(&app, unclear).await.task_type, TaskType::Image, "a label that people added");
}
