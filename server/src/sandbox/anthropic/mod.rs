//! Anthropic's messages, token counts and models.

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
use super::exchange::{self, ChatTarget, Reply, query};
use super::stream::Event;

/// Anthropic's manners.
pub(crate) struct Anthropic;

/// Base path of the provider.
pub(crate) const BASE: &str = "/anthropic";

const MODELS: &[&str] = &[
    "claude-fable-5-1",
    "claude-opus-5-5",
    "claude-opus-5",
    "claude-opus-4-5",
    "claude-sonnet-5-5",
    "claude-sonnet-5",
    "claude-sonnet-4-5",
    "claude-haiku-5-5",
    "claude-haiku-4-5",
];

/// The routes below the base path.
pub(crate) fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count))
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
        .fallback(async |State(sim): State<Arc<Sim>>, request: Request| {
            exchange::fixed(sim, &Anthropic, request, Err(Failure::status(404))).await
        })
}

async fn messages(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    exchange::chat(sim, &Anthropic, request, ChatTarget::default()).await
}

async fn count(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    exchange::task(sim, &Anthropic, request, |exchange| {
        let body = exchange.json()?;
        exchange.begin(&body, body.get("model").and_then(Value::as_str))?;
        Ok(Reply::json(json!({"input_tokens": read::read(&body, true)?.input_tokens()})))
    })
    .await
}

async fn models(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    let asked = request.uri().query().unwrap_or_default();
    let limit = query(asked, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(20_usize);
    let place = |name: &str| query(asked, name).and_then(|id| MODELS.iter().position(|model| *model == id));
    let start = place("after_id").map_or(0, |place| place + 1);
    let end = place("before_id").unwrap_or(MODELS.len()).max(start);
    let page = &MODELS[start..end.min(start + limit)];
    let listed = json!({
        "data": page.iter().map(|id| model_card(id)).collect::<Vec<_>>(),
        "has_more": start + page.len() < end, "first_id": page.first(), "last_id": page.last(),
    });
    let reply = if (1..=1000).contains(&limit) {
        Ok(listed)
    } else {
        Err(Failure::invalid("limit: Input should be between 1 and 1000"))
    };
    exchange::fixed(sim, &Anthropic, request, reply).await
}

async fn model(State(sim): State<Arc<Sim>>, Path(id): Path<String>, request: Request) -> Response {
    let known = MODELS.contains(&id.as_str());
    let missing = || Failure::invalid(format!("model: {id}")).with_status(404);
    exchange::fixed(sim, &Anthropic, request, known.then(|| model_card(&id)).ok_or_else(missing)).await
}

fn model_card(id: &str) -> Value {
    json!({
        "type": "model", "id": id, "display_name": format!("{id} (simulated)"), "created_at": "2026-01-15T00:00:00Z",
        "max_input_tokens": 200_000, "max_tokens": 64_000, "lifecycle": "active",
    })
}

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn authorize(&self, headers: &HeaderMap, _query: &str) -> Result<(), Failure> {
        let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).or_else(|| bearer(headers));
        check_key(key, 401, 401)?;
        match headers.get("anthropic-version").map(|version| version.as_bytes()) {
            None => Err(Failure::invalid("anthropic-version: header is required")),
            Some(b"2023-06-01" | b"2023-01-01") => Ok(()),
            Some(other) => {
                let other = String::from_utf8_lossy(other);
                Err(Failure::invalid(format!("anthropic-version: \"{other}\" is not a valid version")))
            }
        }
    }

    fn failure(&self, failure: &Failure, request_id: &str) -> Value {
        let (kind, usual) = words(failure);
        json!({"type": "error", "error": {"type": kind, "message": failure.words(usual)}, "request_id": request_id})
    }

    fn head(&self, facts: &Facts, headers: &mut HeaderMap) {
        let (requests, tokens) = facts.remaining();
        let reset = reset_time(facts.now_ms, facts.retry_after().unwrap_or(1));
        put(headers, "request-id", facts.request_id);
        put(headers, "anthropic-organization-id", "org-simulated");
        put(headers, "anthropic-ratelimit-requests-limit", Facts::REQUESTS);
        put(headers, "anthropic-ratelimit-requests-remaining", requests);
        put(headers, "anthropic-ratelimit-requests-reset", &reset);
        put(headers, "anthropic-ratelimit-tokens-limit", Facts::TOKENS);
        put(headers, "anthropic-ratelimit-tokens-remaining", tokens);
        put(headers, "anthropic-ratelimit-tokens-reset", &reset);
        put(headers, "anthropic-ratelimit-input-tokens-limit", Facts::TOKENS);
        put(headers, "anthropic-ratelimit-input-tokens-remaining", tokens);
        put(headers, "anthropic-ratelimit-input-tokens-reset", &reset);
        put(headers, "anthropic-ratelimit-output-tokens-limit", Facts::TOKENS);
        put(headers, "anthropic-ratelimit-output-tokens-remaining", tokens);
        put(headers, "anthropic-ratelimit-output-tokens-reset", &reset);
        if let Some(seconds) = facts.retry_after() {
            put(headers, "retry-after", seconds);
        }
    }
}

impl Chat for Anthropic {
    fn read(&self, body: &Value, _model: Option<&str>) -> Result<Ask, Failure> {
        read::read(body, false)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, _meta: &Meta) -> Value {
        write::whole(ask, answer)
    }

    fn events(&self, ask: &Ask, answer: &Answer, _meta: &Meta) -> Vec<Event> {
        write::events(ask, answer)
    }

    fn stream_failure(&self, meta: &Meta) -> Event {
        let body = self.failure(&Failure::status(529), &meta.request_id);
        Event { name: Some("error"), data: body.to_string(), ..Event::default() }
    }

    fn stream_oddity(&self, _ask: &Ask, _meta: &Meta) -> Option<Event> {
        // Readers must pass over event types they do not know.
        let data = json!({"type": "simulated_oddity"}).to_string();
        Some(Event { name: Some("simulated_oddity"), data, ..Event::default() })
    }
}

fn reset_time(now_ms: u64, seconds: u32) -> String {
    let whole = i64::try_from(now_ms / 1000).unwrap_or(0) + i64::from(seconds);
    jiff::Timestamp::from_second(whole).map(|time| time.to_string()).unwrap_or_default()
}

/// Type and usual words of a failure.
fn words(failure: &Failure) -> (&'static str, &'static str) {
    match (failure.reason, failure.status) {
        (Reason::NoKey, _) => ("authentication_error", "x-api-key header is required"),
        (_, 401) => ("authentication_error", "invalid x-api-key"),
        // A monthly cap: no waiting time comes with it.
        (Reason::Quota, _) => (
            "rate_limit_error",
            "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
        ),
        (_, 402) => ("billing_error", "Your credit balance is too low to access the Anthropic API."),
        (_, 403) => ("permission_error", "Your API key does not have permission to use the specified resource."),
        (_, 404) => ("not_found_error", "Not found"),
        (_, 409) => ("conflict_error", "The resource was changed by another request."),
        (_, 413) => ("request_too_large", "Request exceeds the maximum size"),
        (_, 408 | 504) => ("timeout_error", "Request timed out"),
        (_, 429) => ("rate_limit_error", "This request would exceed your organization's rate limit."),
        (_, 529) => ("overloaded_error", "Overloaded"),
        (_, 500..) => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The request is invalid."),
    }
}
