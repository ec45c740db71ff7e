//! Health, for load balancers and people. Needs no key.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{clock::rfc3339, state::AppState};

/// The process runs.
pub async fn live(State(state): State<AppState>) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "service": "distributed-electrons",
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": rfc3339(state.clock.now_us()),
    }))
}

/// The process can do its work: its database answers.
pub async fn ready(State(state): State<AppState>) -> Response {
    let database = state.db.ping().await;
    let status = if database.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": if database.is_ok() { "ready" } else { "not ready" },
        "checks": { "database": { "kind": state.db.kind().as_str(), "ok": database.is_ok() } },
        "configuration_version": state.catalog.snapshot().version,
        "timestamp": rfc3339(state.clock.now_us()),
    });
    (status, Json(body)).into_response()
}
