//! The route table of the public API.

use axum::{
    Router, middleware,
    routing::{any, get, post},
};

use super::{envelope, openai, ops, text};
use crate::state::AppState;

/// Everything but the pages.
pub fn api(state: &AppState) -> Router<AppState> {
    Router::new()
        .merge(openai_surface())
        .nest("/text", text_service())
        .route("/health", get(ops::live))
        .route("/health/live", get(ops::live))
        .route("/health/ready", get(ops::ready))
        .layer(middleware::from_fn_with_state(state.clone(), envelope::envelope))
}

/// What OpenAI's SDKs call.
fn openai_surface() -> Router<AppState> {
    Router::new()
        .route("/v1/chat/completions", post(openai::chat).fallback(openai::wrong_method))
        .route("/v1/models", get(openai::models).fallback(openai::wrong_method))
        .route("/v1/models/{*id}", get(openai::model).fallback(openai::wrong_method))
        .route("/v1", any(openai::unknown))
        .route("/v1/{*rest}", any(openai::unknown))
}

/// The text service.
fn text_service() -> Router<AppState> {
    Router::new()
        .route("/generate", post(text::generate).fallback(text::unknown))
        .route("/generate/stream", post(text::generate_stream).fallback(text::unknown))
        .route("/health", get(text::health).fallback(text::unknown))
        .fallback(text::unknown)
}
