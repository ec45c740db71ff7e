//! Cohere's chat, second version, and its models.

mod read;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Sim;
use super::answer::{Answer, Ask};
use super::dialect::{Chat, Dialect, Facts, Failure, Meta, Reason, bearer, check_key, put};
use super::exchange::{self, ChatTarget};
use super::stream::Event;

/// Cohere's manners.
pub(crate) struct Cohere;

/// Base path of the provider.
pub(crate) const BASE: &str = "/cohere";

const MODELS: &[&str] = &["command-a-03-2025", "command-r-08-2024", "command-r-plus-08-2024", "command-r7b-12-2024"];

/// The routes below the base path.
pub(crate) fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/v2/chat", post(chat))
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
        .fallback(async |State(sim): State<Arc<Sim>>, request: Request| {
            exchange::fixed(sim, &Cohere, request, Err(Failure::status(404))).await
        })
}

async fn chat(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    exchange::chat(sim, &Cohere, request, ChatTarget::default()).await
}

async fn models(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    let listed = json!({"models": MODELS.iter().map(|id| model_card(id)).collect::<Vec<_>>()});
    exchange::fixed(sim, &Cohere, request, Ok(listed)).await
}

async fn model(State(sim): State<Arc<Sim>>, Path(id): Path<String>, request: Request) -> Response {
    let known = MODELS.contains(&id.as_str());
    let missing = || Failure::invalid(format!("model '{id}' not found")).with_status(404);
    exchange::fixed(sim, &Cohere, request, known.then(|| model_card(&id)).ok_or_else(missing)).await
}

fn model_card(id: &str) -> Value {
    json!({"name": id, "endpoints": ["chat"], "finetuned": false, "context_length": 128_000, "is_deprecated": false})
}

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn authorize(&self, headers: &HeaderMap, _query: &str) -> Result<(), Failure> {
        check_key(bearer(headers), 401, 401)
    }

    fn failure(&self, failure: &Failure, request_id: &str) -> Value {
        json!({"id": request_id, "message": failure.words(usual_words(failure))})
    }

    fn head(&self, facts: &Facts, headers: &mut HeaderMap) {
        put(headers, "x-debug-trace-id", facts.request_id);
        put(headers, "x-trial-endpoint-call-limit", Facts::REQUESTS);
        put(headers, "x-trial-endpoint-call-remaining", facts.remaining().0);
        if let Some(seconds) = facts.retry_after() {
            put(headers, "retry-after", seconds);
        }
    }
}

impl Chat for Cohere {
    fn read(&self, body: &Value, _model: Option<&str>) -> Result<Ask, Failure> {
        read::read(body)
    }

    fn whole(&self, _ask: &Ask, answer: &Answer, _meta: &Meta) -> Value {
        write::whole(answer)
    }

    fn events(&self, _ask: &Ask, answer: &Answer, _meta: &Meta) -> Vec<Event> {
        write::events(answer)
    }

    fn stream_failure(&self, meta: &Meta) -> Event {
        let delta =
            json!({"finish_reason": "ERROR", "error": "internal server error, the simulator was asked to break"});
        let data = json!({"type": "message-end", "id": meta.request_id, "delta": delta}).to_string();
        Event { name: Some("message-end"), data, ..Event::default() }
    }

    fn stream_oddity(&self, _ask: &Ask, _meta: &Meta) -> Option<Event> {
        let data = json!({"type": "debug", "prompt": "simulated"}).to_string();
        Some(Event { name: Some("debug"), data, ..Event::default() })
    }
}

fn usual_words(failure: &Failure) -> &'static str {
    match (failure.reason, failure.status) {
        (Reason::NoKey, _) => "no api key supplied",
        (_, 401) => "invalid api token",
        (Reason::Quota, _) => {
            "You are using a Trial key, which is limited to 1000 API calls / month. You can continue to use the Trial key for free or upgrade to a Production key."
        }
        (_, 402) => "please add or update your payment method",
        (_, 403) => "this API key is not allowed to use this endpoint",
        (_, 404) => "resource not found",
        (_, 408 | 504) => "the request timed out",
        (_, 413) => "request body too large",
        (_, 422) => "the request could not be processed",
        (_, 429) => "You have exceeded the rate limit. Please wait and try again later.",
        (_, 502 | 503 | 529) => "the service is currently unavailable, please try again later",
        (_, 500..) => "internal server error, this has been reported to our developers",
        _ => "invalid request",
    }
}
