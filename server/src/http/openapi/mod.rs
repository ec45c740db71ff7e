//! The API's description: an OpenAPI 3.1 document at `/openapi.json`, and the same as pages for people at `/docs`.
//!
//! The route table says what is served; here stands what each route means. To add one: describe it in the file of its
//! surface. A test names routes without a description and descriptions without a route. The tables of error codes are
//! made by the code that writes errors.

mod build;
mod chat;
mod config;
mod delivery;
mod errors;
mod events;
mod fields;
mod intake;
mod keys;
mod logs;
mod models;
mod ops;
mod page;
mod queues;
mod shared;
mod system;
#[cfg(test)]
mod tests;
mod text;

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};

use self::build::{Operation, Schema};

use super::routes;
use crate::state::AppState;

/// Tag of what OpenAI's SDKs call.
const OPENAI: &str = "OpenAI-compatible";
/// Tag of the text service.
const TEXT: &str = "Text service";
/// Tag of work that is done later.
const INTAKE: &str = "Intake";
/// Tag of the queues that clients of others know.
const QUEUES: &str = "Queues of others";
/// Tag of what administrators ask.
const PLATFORM: &str = "Platform";
/// Tag of the configuration service.
const CONFIG: &str = "Configuration";
/// Tag of health and reference.
const OPERATIONS: &str = "Operations";

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
static JSON: LazyLock<Bytes> = LazyLock::new(|| DOCUMENT.to_string().into());

/// The document, for pages.
pub fn description() -> &'static Value {
    &DOCUMENT
}

/// `GET /openapi.json`.
pub async fn json() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], JSON.clone()).into_response()
}

/// `GET /docs`: the document as a page.
pub async fn docs(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let page = page::page(&DOCUMENT, &state.public_url, page::theme(cookies));
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("cookie"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if let Ok(policy) = HeaderValue::from_str(&page::POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn described() -> Vec<Operation> {
    [
        chat::operations(),
        models::operations(),
        text::operations(),
        intake::operations(),
        queues::operations(),
        config::operations(),
        delivery::operations(),
        events::operations(),
        keys::operations(),
        logs::operations(),
        system::operations(),
        ops::operations(),
    ]
    .concat()
}

fn owned(schemas: Vec<(&'static str, Schema)>) -> Vec<(String, Schema)> {
    schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn schemas() -> Vec<(String, Schema)> {
    [
        owned(chat::schemas()),
        owned(models::schemas()),
        owned(text::schemas()),
        owned(intake::schemas()),
        owned(queues::schemas()),
        config::schemas(),
        owned(delivery::schemas()),
        owned(events::schemas()),
        owned(keys::schemas()),
        owned(logs::schemas()),
        owned(system::schemas()),
        owned(ops::schemas()),
        owned(errors::schemas()),
    ]
    .concat()
}

fn document() -> Value {
    let described = described();
    let mut paths = json!({});
    for (method, path) in routes::listed() {
        // The path pattern of axum for a rest with slashes in it is an ordinary parameter to everyone else.
        let path = path.replace("{*", "{");
        if let Some(operation) = described.iter().find(|known| known.method == method && known.path == path) {
            paths[path][method.as_str().to_lowercase()] = operation.clone().into_value();
        }
    }
    let schemas: serde_json::Map<String, Value> =
        schemas().into_iter().map(|(name, schema)| (name, schema.into())).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Distributed Electrons",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "One self-hosted service in front of every AI provider.",
            "description": shared::DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The server that this document came from." }],
        "security": shared::security(),
        "tags": [
            { "name": OPENAI, "description": shared::OPENAI, "x-error-codes": errors::openai_table() },
            { "name": TEXT, "description": shared::TEXT, "x-error-codes": errors::service_table() },
            { "name": INTAKE, "description": shared::INTAKE },
            { "name": QUEUES, "description": shared::QUEUES },
            { "name": delivery::DELIVERY, "description": delivery::DESCRIPTION },
            { "name": CONFIG, "description": config::DESCRIPTION },
            { "name": PLATFORM, "description": shared::PLATFORM },
            { "name": OPERATIONS, "description": shared::OPERATIONS },
        ],
        "paths": paths,
        "components": {
            "securitySchemes": shared::security_schemes(),
            "parameters": shared::parameters(),
            "headers": shared::headers(),
            "schemas": schemas,
        },
    })
}
