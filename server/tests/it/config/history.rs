//! Versions and copies of models, and mappings that are tried.

use serde_json::{Value, json};

use super::{data, failure, get, mapping, model, post, put};
use crate::support::{Database, TestApp, on_both};

on_both!(
    a_model_can_become_what_it_was,
    the_state_before_the_first_change_is_kept,
    a_model_is_copied,
    a_mapping_is_tried_without_calling_anybody,
);

async fn a_model_can_become_what_it_was(database: Database) {
    let app = TestApp::start(&database).await;
    let path = "/config/model-config/mine";
    data(post(&app, "/config/model-config", &model("mine")).await);
    data(put(&app, path, &json!({"display_name": "Two", "pricing": {"input": 2}})).await);
    data(put(&app, path, &json!({"display_name": "Three"})).await);
    let versions = data(get(&app, &format!("{path}/versions")).await);
    let numbers: Vec<_> =
        versions.as_array().unwrap().iter().map(|version| version["version"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(versions[0]["actor_name"], "First key");
    let second = data(get(&app, &format!("{path}/versions/2")).await);
    assert_eq!((&second["model"]["display_name"], &second["model"]["pricing"]), (&json!("Two"), &json!({"input": 2})));
    for unknown in ["9", "x"] {
        assert_eq!(failure(get(&app, &format!("{path}/versions/{unknown}")).await, 404), "Version not found");
    }
    let restored = data(post(&app, &format!("{path}/versions/1/restore"), &json!({})).await);
    assert_eq!((&restored["display_name"], &restored["pricing"]), (&json!("A model"), &json!({})));
    assert_eq!(data(get(&app, &format!("{path}/versions")).await)[0]["version"], 4);
}

async fn the_state_before_the_first_change_is_kept(database: Database) {
    let app = TestApp::start(&database).await;
    let path = "/config/model-config/gpt-4o";
    let before = data(get(&app, path).await);
    assert_eq!(data(get(&app, &format!("{path}/versions")).await), json!([]));
    data(put(&app, path, &json!({"display_name": "Changed"})).await);
    let first = data(get(&app, &format!("{path}/versions/1")).await);
    assert_eq!(first["model"], before);
    let back = data(post(&app, &format!("{path}/versions/1/restore"), &json!({})).await);
    assert_eq!(back["display_name"], before["display_name"]);
}

async fn a_model_is_copied(database: Database) {
    let app = TestApp::start(&database).await;
    let path = "/config/model-config/gpt-4o-mini/duplicate";
    assert_eq!(failure(post(&app, path, &json!({})).await, 400), "Missing required fields: model_id");
    let copy = data(post(&app, path, &json!({"model_id": "our-mini"})).await);
    let model = data(get(&app, "/config/model-config/gpt-4o-mini").await);
    for name in ["provider_id", "capabilities", "pricing", "adapter", "upstream_model", "parameters"] {
        assert_eq!(copy[name], model[name], "{name}");
    }
    assert_eq!(copy["display_name"], format!("{} (copy)", model["display_name"].as_str().unwrap()));
    app.chat(&crate::support::hello("our-mini")).await.ok();
    let again = post(&app, path, &json!({"model_id": "our-mini"})).await;
    assert_eq!(failure(again, 409), "Model config with model_id \"our-mini\" already exists");
}

async fn a_mapping_is_tried_without_calling_anybody(database: Database) {
    let app = TestApp::start(&database).await;
    let preview = |body: Value| {
        let app = &app;
        async move { data(post(app, "/config/mapping-preview", &body).await) }
    };
    let draft = json!({"provider_id": "openai", "upstream_model": "m", "payload_mapping": mapping(),
        "input": {"prompt": "Hello", "size": "1:1"}, "answer": {"text": "Hi"}});
    let found = preview(draft).await;
    assert_eq!(found["problems"], json!([]));
    let request = &found["request"];
    assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!("https://api.openai.com/v1/write")));
    assert_eq!(request["body"], json!({"prompt": "Hello"}));
    let headers = request["headers"].to_string();
    assert!(headers.contains("Bearer ****"), "{headers}");
    assert_eq!(found["output"], json!({"text": "Hi"}));

    let chat = json!({"provider_id": "newcomer", "payload_mapping": mapping(),
        "input": {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}], "temperature": 0.5},
        "answer": {"error": "no"}});
    let found = preview(chat).await;
    assert_eq!(found["request"]["url"], "https://api.newcomer.com/v1/write");
    assert_eq!(found["request"]["body"], json!({"prompt": "S\n\nU"}));
    assert_eq!(found["request"]["dropped"], json!(["temperature"]));

    let mut broken = mapping();
    broken["body"] = json!({"a": ["{b|shout}"]});
    let found = preview(json!({"payload_mapping": broken})).await;
    assert_eq!(found["problems"][0]["path"], "body.a[0]");
    assert!(app.calls().await.is_empty(), "nobody was called");
}
