//! The route table of the public API. `openapi` describes what is listed here.

use axum::{
    Router,
    http::Method,
    middleware,
    routing::{any, get},
};
use tower_http::compression::CompressionLayer;

use super::{config, delivery, envelope, fal, intake, openai, openapi, ops, replicate, table::Table, text};
use crate::state::AppState;

/// Everything but the pages.
pub fn api(state: &AppState) -> Router<AppState> {
    Router::new()
        .merge(openai_surface().router())
        .route("/v1", any(openai::unknown))
        .route("/v1/", any(openai::unknown))
        .route("/v1/{*rest}", any(openai::unknown))
        .nest("/text", text_service().router().fallback(text::unknown))
        .route("/text/", any(text::unknown))
        .nest("/intake", intake_service().router().fallback(text::unknown))
        .route("/intake/", any(text::unknown))
        .merge(queue_surfaces().router())
        .route("/replicate/v1/{*rest}", any(replicate::unknown))
        .nest("/delivery", delivery_service().router().fallback(text::unknown))
        .route("/delivery/", any(text::unknown))
        .nest("/config", config::table().router().fallback(config::unknown))
        .route("/config/", get(config::health))
        .merge(operations().router())
        .merge(reference().router().layer(CompressionLayer::new()))
        .layer(middleware::from_fn_with_state(state.clone(), envelope::envelope))
}

/// What OpenAI's SDKs call.
fn openai_surface() -> Table {
    Table::new(openai::wrong_method)
        .post("/v1/chat/completions", openai::chat)
        .get("/v1/models", openai::models)
        .get("/v1/models/{*id}", openai::model)
}

/// The text service, by the paths below its own address.
fn text_service() -> Table {
    Table::new(text::unknown)
        .post("/generate", text::generate)
        .post("/generate/stream", text::generate_stream)
        .get("/health", text::health)
}

/// Work that is done later.
fn intake_service() -> Table {
    Table::new(text::unknown)
        .post("/intake", intake::intake)
        .get("/status", intake::status)
        .get("/stream", intake::stream)
        .post("/cancel", intake::cancel)
        .get("/state", intake::state)
        .get("/health", intake::health)
}

/// What the clients of fal and Replicate call.
fn queue_surfaces() -> Table {
    Table::new(replicate::unknown)
        .post("/queue/{*app}", fal::call)
        .get("/queue/{*app}", fal::call)
        .put("/queue/{*app}", fal::call)
        .post("/replicate/v1/predictions", replicate::create)
        .get("/replicate/v1/predictions", replicate::list)
        .get("/replicate/v1/predictions/{id}", replicate::get)
        .post("/replicate/v1/predictions/{id}/cancel", replicate::cancel)
        .post("/replicate/v1/models/{owner}/{name}/predictions", replicate::create_with)
}

/// Results, and what becomes of them.
fn delivery_service() -> Table {
    Table::new(text::unknown)
        .post("/deliver", delivery::deliver)
        .post("/webhook", delivery::webhook)
        .get("/deliverable", delivery::deliverable)
        .post("/approve", delivery::approve)
        .post("/reject", delivery::reject)
        .get("/pending", delivery::pending)
        .post("/claim", delivery::claim)
        .post("/release", delivery::release)
        .get("/callbacks", delivery::callbacks)
        .post("/callbacks/{id}/replay", delivery::replay)
        .get("/health", delivery::health)
}

/// Needs no key.
fn operations() -> Table {
    Table::default().get("/health", ops::live).get("/health/live", ops::live).get("/health/ready", ops::ready)
}

/// The API's description. Needs no key.
fn reference() -> Table {
    Table::default().get("/openapi.json", openapi::json).get("/docs", openapi::docs)
}

/// Method and path of every route above.
pub fn listed() -> Vec<(Method, String)> {
    let surfaces = [
        ("", openai_surface()),
        ("/text", text_service()),
        ("/intake", intake_service()),
        ("", queue_surfaces()),
        ("/delivery", delivery_service()),
        ("/config", config::table()),
        ("", operations()),
        ("", reference()),
    ];
    surfaces
        .iter()
        .flat_map(|(prefix, table)| {
            table
                .listed()
                .map(move |(method, path)| (method.clone(), format!("{prefix}{}", path.trim_end_matches('/'))))
        })
        .collect()
}
