//! Provider keys and developer credentials.

use serde_json::{Value, json};

use super::{data, delete, failure, get, post};
use crate::support::{Database, TestApp, answer, hello, on_both};

on_both!(
    a_providers_key_goes_in_and_never_comes_out,
    keys_are_checked,
    a_key_is_tried_with_a_real_call,
    developer_credentials_are_told_to_admins,
);

const SECRET: &str = "sk-proj-very-secret-key-1234";

async fn a_providers_key_goes_in_and_never_comes_out(database: Database) {
    let app = TestApp::start(&database).await;
    let status = "/config/provider-key/development/openai";
    let absent = json!({"instance_id": "development", "provider": "openai", "configured": false, "updated_at": ""});
    assert_eq!(data(get(&app, status).await), absent);
    let body = json!({"instance_id": "development", "provider": "OpenAI", "api_key": SECRET});
    let set = post(&app, "/config/provider-key", &body).await;
    assert!(!set.text.contains(SECRET));
    let set = data(set);
    assert_eq!((&set["provider"], &set["configured"]), (&json!("openai"), &json!(true)));
    assert_eq!(data(get(&app, status).await), set);
    let listed = get(&app, "/config/provider-key/development").await;
    assert!(!listed.text.contains(SECRET));
    let expected = json!([{"provider": "openai", "configured": true, "updated_at": set["updated_at"]}]);
    assert_eq!(data(listed), json!({"instance_id": "development", "providers": expected}));
    let row = app.db.credentials_of_instance("development").await.unwrap().remove(0);
    assert!(!row.sealed.reveal().contains(SECRET));
    assert_eq!(row.masked, "sk-****1234");
    assert!(!app.audit_details("provider_key.set").await.contains("very-secret"));
    // In force: the snapshot opens it.
    let snapshot = app.app().state.catalog.snapshot();
    assert_eq!(snapshot.credentials["development"]["openai"].reveal(), SECRET);
    let resolved = data(get(&app, "/config/instance/development").await);
    assert_eq!(resolved["resolved"]["credentials"], json!([{"provider": "openai", "source": "instance"}]));

    // The other name of a provider is the same provider.
    let gemini = json!({"instance_id": "development", "provider": "gemini", "api_key": SECRET});
    assert_eq!(data(post(&app, "/config/provider-key", &gemini).await)["provider"], "gemini");
    assert_eq!(data(get(&app, "/config/provider-key/development/google").await)["configured"], true);

    let gone = json!({"deleted": true, "instance_id": "development", "provider": "openai"});
    assert_eq!(data(delete(&app, status).await), gone);
    assert_eq!(data(get(&app, status).await), absent);
    assert_eq!(failure(delete(&app, status).await, 404), "Provider key not found");
}

async fn keys_are_checked(database: Database) {
    let app = TestApp::start(&database).await;
    let set = |body: Value| {
        let app = &app;
        async move { post(app, "/config/provider-key", &body).await }
    };
    assert_eq!(failure(set(json!({})).await, 400), "Missing required fields: instance_id, provider, api_key");
    let unknown = set(json!({"instance_id": "nowhere", "provider": "Nobody", "api_key": "k"})).await;
    assert!(failure(unknown, 400).starts_with("Unsupported provider: nobody. Supported: anthropic, "));
    let nowhere = set(json!({"instance_id": "nowhere", "provider": "openai", "api_key": "k"})).await;
    assert_eq!(failure(nowhere, 404), "Instance not found");
    set(json!({"instance_id": "development", "provider": "openai", "api_key": "two words"})).await.failed(400);
    let (key, _) = app.key(|key| key.scopes = vec!["read".into()]).await;
    let body = json!({"instance_id": "development", "provider": "openai", "api_key": "k"});
    let refused = app.client.post(app.url("/config/provider-key")).bearer_auth(&key).json(&body);
    failure(answer(refused).await, 403);
}

async fn a_key_is_tried_with_a_real_call(database: Database) {
    let app = TestApp::start(&database).await;
    let tried = post(&app, "/config/provider-key/development/openai/test", &json!({})).await.ok();
    let test = &tried.body["data"];
    assert_eq!((&test["ok"], &test["simulated"], &test["error"]), (&json!(true), &json!(true), &Value::Null));
    let record = app.record(&tried.request_id()).await;
    assert_eq!(record.log.surface, "config.test");
    assert_eq!(record.log.model_used.as_deref(), test["model"].as_str());
    assert_eq!(record.log.instance_id.as_deref(), Some("development"));
    // A model that costs less answers from now on.
    let cheaper = json!({"model_id": "nearly-free", "provider_id": "openai", "display_name": "x", "adapter": "openai",
        "upstream_model": "gpt-4o-mini", "capabilities": {"text": true}, "pricing": {"input": 0.0001, "output": 0.0001},
        "status": "active"});
    data(post(&app, "/config/model-config", &cheaper).await);
    let tried = data(post(&app, "/config/provider-key/development/openai/test", &json!({})).await);
    assert_eq!(tried["model"], "nearly-free");

    // A provider of its own that refuses the key.
    let provider = json!({"id": "strict", "display_name": "x", "adapter": "openai",
        "base_url": format!("{}/nothing/here", app.simulator()),
        "credential": {"header": "authorization", "prefix": "Bearer "}});
    data(post(&app, "/config/provider", &provider).await);
    let none = post(&app, "/config/provider-key/development/strict/test", &json!({})).await;
    assert_eq!(failure(none, 409), "There is no text model of strict to try the key with");
    let model = json!({"model_id": "strict-1", "provider_id": "strict", "display_name": "x", "adapter": "openai",
        "capabilities": {"text": true}, "status": "active"});
    data(post(&app, "/config/model-config", &model).await);
    let key = json!({"instance_id": "development", "provider": "strict", "api_key": SECRET});
    data(post(&app, "/config/provider-key", &key).await);
    let failed = post(&app, "/config/provider-key/development/strict/test", &json!({})).await;
    assert!(!failed.text.contains(SECRET));
    let failed = data(failed);
    assert_eq!((&failed["ok"], &failed["simulated"]), (&json!(false), &json!(false)));
    assert!(!failed["error"].as_str().unwrap().is_empty());
    // The catalogue's other models are as they were.
    app.chat(&hello("gpt-4o-mini")).await.ok();
}

async fn developer_credentials_are_told_to_admins(database: Database) {
    let app = TestApp::start(&database).await;
    let kinds = json!(["cloudflare_api_token", "cloudflare_account_id", "github_token"]);
    assert_eq!(data(get(&app, "/config/dev-credentials").await), json!({"credentials": [], "supported_types": kinds}));
    let missing = post(&app, "/config/dev-credentials", &json!({})).await;
    assert_eq!(failure(missing, 400), "Missing required fields: credential_type, value");
    let wrong = post(&app, "/config/dev-credentials", &json!({"credential_type": "x", "value": "y"})).await;
    assert!(failure(wrong, 400).starts_with("Unsupported credential type: x"));
    let body = json!({"credential_type": "github_token", "value": SECRET});
    let stored = data(post(&app, "/config/dev-credentials", &body).await);
    assert_eq!((&stored["credential_type"], &stored["stored"]), (&json!("github_token"), &json!(true)));
    let listed = get(&app, "/config/dev-credentials").await;
    assert!(!listed.text.contains(SECRET));
    assert_eq!(data(listed)["credentials"][0]["updated_at"], stored["updated_at"]);
    let path = "/config/dev-credentials/github_token";
    let told = data(get(&app, path).await);
    assert_eq!(told, json!({"credential_type": "github_token", "value": SECRET, "updated_at": stored["updated_at"]}));
    assert_eq!(app.audit("dev_credential.revealed").await.len(), 1);
    let unknown = get(&app, "/config/dev-credentials/cloudflare_api_token").await;
    assert_eq!(failure(unknown, 404), "Credential not found: cloudflare_api_token");
    let (key, _) = app.key(|_| {}).await;
    let plain = app.client.get(app.url(path)).bearer_auth(&key);
    failure(answer(plain).await, 403);
    assert_eq!(data(delete(&app, path).await), json!({"deleted": true, "credential_type": "github_token"}));
    assert_eq!(failure(delete(&app, path).await, 404), "Credential not found: github_token");
}
