//! Model configurations.

use serde_json::{Value, json};

use super::{data, delete, failure, get, mapping, model, post, put};
use crate::support::{Database, TestApp, on_both};

on_both!(
    a_model_has_the_shape_of_the_contract,
    models_are_checked_in_the_order_of_the_contract,
    models_are_listed_and_filtered,
    a_changed_model_is_checked_again,
    a_broken_mapping_is_not_made_active,
    a_new_provider_comes_with_its_first_model,
    a_model_answers_as_soon_as_it_is_made,
    the_documented_example_of_long_work_can_be_made_and_used,
);

async fn a_model_has_the_shape_of_the_contract(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = model("my-model-2");
    let given = json!({
        "description": "Mine", "pricing": {"input_cost_per_1k": 0.005, "currency": "USD"},
        "rate_limits": {"rpm": 500, "tpm": 30000},
        "prompt_template": {"system_prompt": "s", "user_prompt_wrapper": "{user_prompt}\n\nBe brief.",
            "default_temperature": 0.7, "default_max_tokens": 1000, "stop_sequences": []},
    });
    for (name, value) in given.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = data(post(&app, "/config/model-config", &body).await);
    assert_eq!(made["config_id"], "cfg_openai_my_model_2");
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    for id in ["cfg_openai_my_model_2", "my-model-2"] {
        assert_eq!(data(get(&app, &format!("/config/model-config/{id}")).await), made);
    }
    let again = post(&app, "/config/model-config", &body).await;
    assert_eq!(failure(again, 409), "Model config with model_id \"my-model-2\" already exists");
    let gone = data(delete(&app, "/config/model-config/my-model-2").await);
    assert_eq!(gone, json!({"deleted": true, "config_id": "cfg_openai_my_model_2", "model_id": "my-model-2"}));
    assert_eq!(failure(get(&app, "/config/model-config/my-model-2").await, 404), "Model config not found");
    data(post(&app, "/config/model-config", &body).await);
}

async fn models_are_checked_in_the_order_of_the_contract(database: Database) {
    let app = TestApp::start(&database).await;
    let with = |changes: Value| {
        let mut body = model("gpt-4o");
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let format = "Invalid model_id format. Use lowercase alphanumeric characters and hyphens only.";
    let status = "Invalid status. Must be one of: active, beta, deprecated";
    let parts = "Invalid payload_mapping. Must include: endpoint, method, headers, body, response_mapping";
    let some = "At least one capability must be true";
    for (body, code, error) in [
        (
            json!({}),
            400,
            "Missing required fields: model_id, provider_id, display_name, capabilities, payload_mapping, status",
        ),
        (with(json!({"provider_id": "", "status": null})), 400, "Missing required fields: provider_id, status"),
        (with(json!({"model_id": "GPT_4", "status": "x", "payload_mapping": {}, "capabilities": {}})), 400, format),
        (with(json!({"model_id": "a.b"})), 400, format),
        (with(json!({"status": "x", "payload_mapping": {}, "capabilities": {}})), 400, status),
        (with(json!({"payload_mapping": {"endpoint": "/x"}, "capabilities": {}})), 400, parts),
        (with(json!({"payload_mapping": "no"})), 400, parts),
        (with(json!({"capabilities": {"text": false}})), 400, some),
        (with(json!({"capabilities": {"text": "true"}})), 400, some),
        (with(json!({})), 409, "Model config with model_id \"gpt-4o\" already exists"),
        (
            with(json!({"model_id": "n", "adapter": "teletype"})),
            400,
            "adapter must be one of: openai, anthropic, gemini, cohere, mapped, ideogram, stability, elevenlabs, pexels, shotstack",
        ),
        (with(json!({"model_id": "n", "pricing": {"input": -1}})), 400, "pricing cannot be read"),
        (with(json!({"model_id": "n", "rate_limits": {"rpm": "many"}})), 400, "rpm must be a whole number"),
        (
            with(json!({"model_id": "n", "provider_id": "No Name"})),
            400,
            "provider_id has lower-case letters, digits, hyphens, underscores and dots",
        ),
    ] {
        let told = failure(post(&app, "/config/model-config", &body).await, code);
        assert!(told == error || (error.ends_with("read") && told.starts_with(error)), "{told}");
    }
    // A native wire format needs no mapping.
    let mut native = with(json!({"model_id": "native", "adapter": "openai"}));
    native.as_object_mut().unwrap().remove("payload_mapping");
    assert_eq!(data(post(&app, "/config/model-config", &native).await)["payload_mapping"], json!({}));
}

async fn models_are_listed_and_filtered(database: Database) {
    let app = TestApp::start(&database).await;
    let all = data(get(&app, "/config/model-config").await);
    let configs = all["configs"].as_array().unwrap();
    assert_eq!(all["configs"], all["models"]);
    assert_eq!(all["total"], configs.len());
    let order: Vec<_> = configs
        .iter()
        .map(|model| (model["provider_id"].as_str().unwrap(), model["display_name"].as_str().unwrap()))
        .collect();
    assert!(order.is_sorted() && order.len() > 20);
    for (query, holds) in [
        ("provider_id=anthropic", (|model: &Value| model["provider_id"] == "anthropic") as fn(&Value) -> bool),
        ("status=deprecated", |model| model["status"] == "deprecated"),
        ("type=image", |model| model["capabilities"]["image"] == true),
        ("type=text&provider_id=openai", |model| {
            model["capabilities"]["text"] == true && model["provider_id"] == "openai"
        }),
    ] {
        let found = data(get(&app, &format!("/config/model-config?{query}")).await);
        let wanted: Vec<_> = configs.iter().filter(|model| holds(model)).cloned().collect();
        assert!(!wanted.is_empty(), "{query}");
        assert_eq!(found["configs"], json!(wanted), "{query}");
        assert_eq!(found["total"], wanted.len());
    }
    let none = data(get(&app, "/config/model-config?type=nothing").await);
    assert_eq!(none, json!({"configs": [], "models": [], "total": 0}));
    let page = get(&app, "/config/model-config?limit=3").await.ok();
    assert_eq!(page.body["data"]["total"], configs.len());
    assert_eq!(page.body["data"]["configs"], json!(configs[..3]));
}

async fn a_changed_model_is_checked_again(database: Database) {
    let app = TestApp::start(&database).await;
    data(post(&app, "/config/model-config", &model("mine")).await);
    let path = "/config/model-config/mine";
    for (body, error) in [
        (json!({"status": "gone"}), "Invalid status. Must be one of: active, beta, deprecated"),
        (json!({"capabilities": {}}), "At least one capability must be true"),
        (
            json!({"payload_mapping": {"endpoint": "/"}}),
            "Invalid payload_mapping. Must include: endpoint, method, headers, body, response_mapping",
        ),
        (json!({"model_id": "other"}), "No fields to update"),
        (json!({"model_id": "other", "status": "beta"}), "model_id cannot be changed"),
    ] {
        assert_eq!(failure(put(&app, path, &body).await, 400), error);
    }
    let unknown = put(&app, "/config/model-config/nothing", &json!({"status": "gone"})).await;
    assert_eq!(failure(unknown, 404), "Model config not found");
    let changed =
        data(put(&app, path, &json!({"display_name": "New", "status": "beta", "pricing": {"input": 2}})).await);
    assert_eq!((&changed["display_name"], &changed["status"]), (&json!("New"), &json!("beta")));
    // A seeded model, whose name has a dot.
    assert_eq!(
        data(put(&app, "/config/model-config/gpt-4.1", &json!({"display_name": "N"})).await)["display_name"],
        "N"
    );
}

async fn a_broken_mapping_is_not_made_active(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = model("broken");
    body["payload_mapping"]["response_mapping"] = json!({"text": "no path"});
    body["payload_mapping"]["body"] = json!({"messages": [{"content": "{prompt|shout}"}]});
    let refused = post(&app, "/config/model-config", &body).await.failed(400);
    let fields: Vec<_> =
        refused.body["fields"].as_array().unwrap().iter().map(|field| field["field"].clone()).collect();
    assert_eq!(fields, ["payload_mapping.body.messages[0].content", "payload_mapping.response_mapping.text"]);
    body["status"] = "beta".into();
    data(post(&app, "/config/model-config", &body).await);
    put(&app, "/config/model-config/broken", &json!({"status": "active"})).await.failed(400);
    let mended = json!({"status": "active", "payload_mapping": mapping()});
    assert_eq!(data(put(&app, "/config/model-config/broken", &mended).await)["status"], "active");
}

async fn a_new_provider_comes_with_its_first_model(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = model("their-model");
    body["provider_id"] = "newcomer".into();
    data(post(&app, "/config/model-config", &body).await);
    let provider = data(get(&app, "/config/provider/newcomer").await);
    assert_eq!(provider["base_url"], "https://api.newcomer.com");
    let below = data(get(&app, "/config/provider/newcomer/dependants").await);
    assert_eq!(below["dependants"], json!([{"what": "models", "count": 1, "names": ["A model"]}]));
    data(delete(&app, "/config/provider/newcomer").await);
    assert_eq!(failure(get(&app, "/config/model-config/their-model").await, 404), "Model config not found");
    data(post(&app, "/config/provider/newcomer/restore", &json!({})).await);
    data(get(&app, "/config/model-config/their-model").await);
}

async fn a_model_answers_as_soon_as_it_is_made(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = model("ours");
    body["adapter"] = "openai".into();
    body["upstream_model"] = "gpt-4o-mini".into();
    data(post(&app, "/config/model-config", &body).await);
    let answer = app.chat(&crate::support::hello("ours")).await.ok();
    assert_eq!(answer.header("x-de-model"), "ours");
    data(delete(&app, "/config/model-config/ours").await);
    app.chat(&crate::support::hello("ours")).await.failed(404);
}

async fn the_documented_example_of_long_work_can_be_made_and_used(database: Database) {
    let app = TestApp::start(&database).await;
    let documented = |path: &str| -> Value {
        let (_, behind) = include_str!("../../../../docs/mappings.md").split_once(&format!("POST {path}\n")).unwrap();
        let end = behind.find("\n\n").unwrap_or(behind.len()).min(behind.find("\n```").unwrap());
        serde_json::from_str(&behind[..end]).unwrap()
    };
    data(post(&app, "/config/provider", &documented("/config/provider")).await);
    let model = documented("/config/model-config");
    data(post(&app, "/config/model-config", &model).await);
    let answer = app.chat(&crate::support::hello("generic-clip")).await.ok();
    assert!(answer.content().contains("simulated"), "{}", answer.text);
    let mut broken = model;
    broken["model_id"] = "generic-broken".into();
    broken["payload_mapping"]["lookup"] = json!({"endpoint": "/v1/jobs?client_reference={reference}"});
    broken["payload_mapping"]["poll"]["progress"] = json!("progress");
    let refused = post(&app, "/config/model-config", &broken).await.failed(400);
    let fields: Vec<_> = refused.body["fields"].as_array().unwrap().iter().map(|field| &field["field"]).collect();
    assert_eq!(fields, ["payload_mapping.poll.progress", "payload_mapping.lookup.job_id"]);
}
