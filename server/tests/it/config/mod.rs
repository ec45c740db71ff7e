//! The configuration service, route group by route group.

mod history;
mod lists;
mod models;
mod people;
mod permissions;
mod rules;
mod secrets;
mod tenants;
mod transfer;
mod writes;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, answer};

/// The organization that a first start makes.
pub use server::services::catalog::seed::ORGANIZATION;

/// A request with the first administrator's key.
pub fn request(app: &TestApp, method: Method, path: &str) -> RequestBuilder {
    app.client.request(method, app.url(path)).bearer_auth(&app.api_key)
}

pub async fn get(app: &TestApp, path: &str) -> Answer {
    answer(request(app, Method::GET, path)).await
}

pub async fn post(app: &TestApp, path: &str, body: &Value) -> Answer {
    answer(request(app, Method::POST, path).json(body)).await
}

pub async fn put(app: &TestApp, path: &str, body: &Value) -> Answer {
    answer(request(app, Method::PUT, path).json(body)).await
}

pub async fn delete(app: &TestApp, path: &str) -> Answer {
    answer(request(app, Method::DELETE, path)).await
}

/// The `data` of an answer that is 200, whose envelope is whole.
#[track_caller]
pub fn data(answer: Answer) -> Value {
    let answer = answer.ok();
    assert_eq!(answer.body["request_id"], answer.request_id());
    assert_eq!(answer.body.as_object().unwrap().len(), 2, "{}", answer.text);
    answer.body["data"].clone()
}

/// The message of a failure, whose envelope is whole.
#[track_caller]
pub fn failure(answer: Answer, status: u16) -> String {
    let answer = answer.failed(status);
    assert_eq!(answer.body["request_id"], answer.request_id());
    assert_eq!(answer.body["status"], status);
    assert!(answer.body["error_code"].is_null());
    answer.body["error"].as_str().unwrap().to_owned()
}

/// An instance of the first organization.
pub async fn instance(app: &TestApp, name: &str) -> Value {
    data(post(app, "/config/instance", &json!({"org_id": ORGANIZATION, "name": name})).await)
}

/// A mapping that can be used.
pub fn mapping() -> Value {
    json!({"endpoint": "/v1/write", "method": "POST", "headers": {"Authorization": "Bearer {api_key}"},
        "body": {"prompt": "{prompt}"}, "response_mapping": {"text": "$.text"}})
}

/// What makes a model.
pub fn model(model_id: &str) -> Value {
    json!({"model_id": model_id, "provider_id": "openai", "display_name": "A model", "capabilities": {"text": true},
        "payload_mapping": mapping(), "status": "active"})
}
