//! An API of nobody in particular, for models that are described by a payload mapping: a plain call, a stream
//! and jobs.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Sim;
use super::answer::{Answer, Ask, Usage};
use super::dialect::{Chat, Dialect, Facts, Failure, Meta, Reason, check_key, put};
use super::exchange::{self, ChatTarget};
use super::stream::{Event, Framing};
use super::{jobs, tokens};

/// Base path of the provider.
pub(crate) const BASE: &str = "/generic";
/// The generic API's manners.
pub(crate) struct Generic;

/// The routes below the base path.
pub(crate) fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/v1/generate", post(generate))
        .route("/v1/stream", post(stream))
        .route("/v1/jobs", post(jobs::submit).get(jobs::list))
        .route("/v1/jobs/{id}", get(jobs::poll).delete(jobs::cancel))
        .fallback(async |State(sim): State<Arc<Sim>>, request: Request| {
            exchange::fixed(sim, &Generic, request, Err(Failure::status(404))).await
        })
}

async fn generate(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    exchange::chat(sim, &Generic, request, ChatTarget::default()).await
}

async fn stream(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    exchange::chat(sim, &Generic, request, ChatTarget { model: None, stream: Some(Framing::Sse) }).await
}

impl Dialect for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn authorize(&self, headers: &HeaderMap, _query: &str) -> Result<(), Failure> {
        check_key(headers.get("x-api-key").and_then(|key| key.to_str().ok()), 401, 401)
    }

    fn failure(&self, failure: &Failure, request_id: &str) -> Value {
        let (code, usual) = words(failure);
        json!({"error": {"message": failure.words(usual), "code": code, "field": failure.param}, "request_id": request_id})
    }

    fn head(&self, facts: &Facts, headers: &mut HeaderMap) {
        put(headers, "x-request-id", facts.request_id);
        put(headers, "x-ratelimit-limit", Facts::REQUESTS);
        put(headers, "x-ratelimit-remaining", facts.remaining().0);
        if let Some(seconds) = facts.retry_after() {
            put(headers, "retry-after", seconds);
        }
    }
}

impl Chat for Generic {
    fn read(&self, body: &Value, _model: Option<&str>) -> Result<Ask, Failure> {
        let prompt = match body.get("prompt") {
            Some(Value::String(prompt)) if !prompt.trim().is_empty() => prompt,
            _ => return Err(Failure::invalid("prompt is required").param("prompt")),
        };
        let mut ask = Ask::default();
        ask.turn("user");
        ask.read(prompt);
        ask.prompt.clone_from(prompt);
        ask.max_tokens = match body.get("max_tokens").filter(|limit| !limit.is_null()) {
            None => None,
            Some(limit) => match limit.as_u64().and_then(|limit| u32::try_from(limit).ok()) {
                Some(limit) if limit > 0 => Some(limit),
                _ => return Err(Failure::invalid("max_tokens must be a positive integer").param("max_tokens")),
            },
        };
        ask.seed = body.get("seed").and_then(Value::as_i64).unwrap_or(0);
        Ok(ask)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, meta: &Meta) -> Value {
        let mut body = json!({"id": meta.request_id, "model": ask.model, "simulated": true});
        if let Some(choice) = answer.choices.first() {
            body["result"] = json!({"text": choice.text});
        }
        if let Some(told) = &answer.usage {
            body["usage"] = usage(told);
        }
        body
    }

    fn events(&self, _ask: &Ask, answer: &Answer, _meta: &Meta) -> Vec<Event> {
        let pieces = answer.choices.iter().flat_map(|choice| tokens::pieces(&choice.text));
        let mut events: Vec<Event> = pieces
            .map(|piece| Event { data: json!({"delta": piece}).to_string(), tokens: 1, ..Event::default() })
            .collect();
        let mut ending = json!({"done": true});
        if let Some(told) = &answer.usage {
            ending["usage"] = usage(told);
        }
        events.push(Event { data: ending.to_string(), usage: true, ..Event::default() });
        events
    }

    fn stream_failure(&self, meta: &Meta) -> Event {
        Event { data: self.failure(&Failure::status(500), &meta.request_id).to_string(), ..Event::default() }
    }

    fn stream_oddity(&self, _ask: &Ask, _meta: &Meta) -> Option<Event> {
        Some(Event { data: json!({}).to_string(), ..Event::default() })
    }
}

pub(crate) fn usage(told: &Usage) -> Value {
    json!({"input_tokens": told.input, "output_tokens": told.output, "total_tokens": told.total()})
}

fn words(failure: &Failure) -> (&'static str, &'static str) {
    match (failure.reason, failure.status) {
        (Reason::NoKey | Reason::BadKey, _) | (_, 401) => ("unauthorized", "The API key is missing or wrong."),
        (Reason::Quota, _) | (_, 402) => ("quota_exceeded", "The account has no credit left."),
        (_, 403) => ("forbidden", "This key may not do that."),
        (_, 404) => ("not_found", "There is nothing here."),
        (_, 408 | 504) => ("timeout", "The request took too long."),
        (_, 409) => ("conflict", "Something else changed this first."),
        (_, 413) => ("too_large", "The request is too large."),
        (_, 429) => ("rate_limited", "Too many requests."),
        (_, 502 | 503 | 529) => ("unavailable", "The service is overloaded."),
        (_, 500..) => ("internal", "Something broke."),
        _ => ("invalid_request", "The request is invalid."),
    }
}
