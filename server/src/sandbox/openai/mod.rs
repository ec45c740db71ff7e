//! OpenAI chat completions and models, and the hosts that speak the same format with an accent.

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

/// A host with OpenAI's wire format, and what sets it apart.
#[derive(Debug)]
pub(crate) struct Flavour {
    name: &'static str,
    errors: Errors,
    usage: UsagePlace,
    /// Where reasoning is shown; OpenAI itself only counts it.
    reasoning: Option<&'static str>,
    /// Refuses arguments it does not know.
    strict: bool,
    models: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errors {
    /// `{"error": {message, type, param, code}}`
    Nested,
    /// `{"object": "error", message, type, param, code}`
    Flat,
    /// `{"error": {code: <status>, message, metadata}}`
    Numeric,
}

/// Where a stream tells its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UsagePlace {
    /// In a chunk of its own when `include_usage` asks for it.
    OnRequest,
    /// Always in the chunk with the finish reason.
    LastChoice,
    /// In `x_groq.usage` of the chunk with the finish reason, and on request in a chunk of its own.
    XGroq,
}

/// The flavours and their base paths.
pub(crate) static FLAVOURS: &[(Flavour, &str)] = &[
    (
        Flavour {
            name: "openai",
            errors: Errors::Nested,
            usage: UsagePlace::OnRequest,
            reasoning: None,
            strict: true,
            models: &[
                "gpt-6-astra",
                "gpt-6.1-sol",
                "gpt-6.1-terra",
                "gpt-6-luna",
                "gpt-5.6",
                "gpt-5.5",
                "gpt-5.4",
                "gpt-5.4-mini",
                "gpt-5.4-nano",
                "gpt-5.2",
                "gpt-5",
                "gpt-5-mini",
                "gpt-5-nano",
                "gpt-4.1",
                "gpt-4.1-mini",
                "gpt-4.1-nano",
                "gpt-4o",
                "gpt-4o-mini",
                "o3",
                "o4-mini",
            ],
        },
        "/openai/v1",
    ),
    (
        Flavour {
            name: "mistral",
            errors: Errors::Flat,
            usage: UsagePlace::LastChoice,
            reasoning: None,
            strict: false,
            models: &["mistral-large-latest", "mistral-medium-latest", "mistral-small-latest", "codestral-latest"],
        },
        "/mistral/v1",
    ),
    (
        Flavour {
            name: "groq",
            errors: Errors::Nested,
            usage: UsagePlace::XGroq,
            reasoning: Some("reasoning"),
            strict: false,
            models: &["openai/gpt-oss-120b", "openai/gpt-oss-20b"],
        },
        "/groq/openai/v1",
    ),
    (
        Flavour {
            name: "deepseek",
            errors: Errors::Nested,
            usage: UsagePlace::OnRequest,
            reasoning: Some("reasoning_content"),
            strict: false,
            models: &["deepseek-v4-pro", "deepseek-v4-flash", "deepseek-chat", "deepseek-reasoner"],
        },
        "/deepseek",
    ),
    (
        Flavour {
            name: "openrouter",
            errors: Errors::Numeric,
            usage: UsagePlace::OnRequest,
            reasoning: Some("reasoning"),
            strict: false,
            models: &["openai/gpt-4o-mini", "anthropic/claude-sonnet-5", "google/gemini-2.5-flash"],
        },
        "/openrouter/api/v1",
    ),
    (
        Flavour {
            name: "xai",
            errors: Errors::Nested,
            usage: UsagePlace::OnRequest,
            reasoning: Some("reasoning_content"),
            strict: false,
            models: &["grok-4.7"],
        },
        "/xai/v1",
    ),
];

/// The routes of one flavour, below its base path; `bare` leaves its chats to the bare mode.
pub(crate) fn routes(flavour: &'static Flavour, bare: bool) -> Router<Arc<Sim>> {
    let chat = post(async move |State(sim): State<Arc<Sim>>, request: Request| {
        exchange::chat(sim, flavour, request, ChatTarget::default()).await
    });
    let list = get(async move |State(sim): State<Arc<Sim>>, request: Request| models(sim, flavour, request).await);
    let one = get(async move |State(sim): State<Arc<Sim>>, Path(id): Path<String>, request: Request| {
        model(sim, flavour, id, request).await
    });
    let router = Router::new().route("/models", list).route("/models/{*id}", one);
    let router = if bare { router } else { router.route("/chat/completions", chat) };
    router.fallback(async move |State(sim): State<Arc<Sim>>, request: Request| unknown(sim, flavour, request).await)
}

async fn models(sim: Arc<Sim>, flavour: &'static Flavour, request: Request) -> Response {
    let data: Vec<Value> = flavour.models.iter().map(|id| model_card(flavour, id)).collect();
    exchange::fixed(sim, flavour, request, Ok(json!({"object": "list", "data": data}))).await
}

async fn model(sim: Arc<Sim>, flavour: &'static Flavour, id: String, request: Request) -> Response {
    let reply = if flavour.models.contains(&id.as_str()) {
        Ok(model_card(flavour, &id))
    } else {
        Err(Failure::status(404).param("model").code("model_not_found"))
    };
    exchange::fixed(sim, flavour, request, reply).await
}

async fn unknown(sim: Arc<Sim>, flavour: &'static Flavour, request: Request) -> Response {
    let message = format!("Invalid URL ({} {})", request.method(), request.uri().path());
    exchange::fixed(sim, flavour, request, Err(Failure::invalid(message).with_status(404))).await
}

fn model_card(flavour: &Flavour, id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_763_600_000, "owned_by": flavour.name})
}

impl Dialect for Flavour {
    fn name(&self) -> &'static str {
        self.name
    }

    fn authorize(&self, headers: &HeaderMap, _query: &str) -> Result<(), Failure> {
        check_key(bearer(headers), 401, 401)
    }

    fn failure(&self, failure: &Failure, _request_id: &str) -> Value {
        let (kind, code, usual) = words(failure);
        let code = failure.code.or(if failure.message.is_empty() { code } else { None });
        let message = failure.words(usual);
        match self.errors {
            Errors::Nested => {
                json!({"error": {"message": message, "type": kind, "param": failure.param, "code": code}})
            }
            Errors::Flat if failure.status == 422 => {
                json!({"detail": [{"type": "invalid", "loc": ["body", failure.param], "msg": message}]})
            }
            Errors::Flat => {
                json!({"object": "error", "message": message, "type": kind, "param": failure.param, "code": code})
            }
            Errors::Numeric => {
                json!({"error": {"code": failure.status, "message": message, "metadata": {"simulated": true}}})
            }
        }
    }

    fn head(&self, facts: &Facts, headers: &mut HeaderMap) {
        let (requests, tokens) = facts.remaining();
        put(headers, "x-request-id", facts.request_id);
        if self.name == "openai" {
            put(headers, "openai-organization", "org-simulated");
            put(headers, "openai-processing-ms", 1);
            put(headers, "openai-version", "2020-10-01");
        }
        if self.name == "openrouter" {
            put(headers, "x-generation-id", facts.request_id);
        }
        put(headers, "x-ratelimit-limit-requests", Facts::REQUESTS);
        put(headers, "x-ratelimit-remaining-requests", requests);
        put(headers, "x-ratelimit-limit-tokens", Facts::TOKENS);
        put(headers, "x-ratelimit-remaining-tokens", tokens);
        let reset = facts.retry_after().map_or_else(|| "6ms".to_owned(), |seconds| format!("{seconds}s"));
        put(headers, "x-ratelimit-reset-requests", &reset);
        put(headers, "x-ratelimit-reset-tokens", &reset);
        if let Some(seconds) = facts.retry_after() {
            put(headers, "retry-after", seconds);
            if self.name == "openai" {
                put(headers, "retry-after-ms", u64::from(seconds) * 1000);
            }
        }
    }
}

impl Chat for Flavour {
    fn read(&self, body: &Value, _model: Option<&str>) -> Result<Ask, Failure> {
        read::read(self, body)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, meta: &Meta) -> Value {
        write::whole(self, ask, answer, meta)
    }

    fn events(&self, ask: &Ask, answer: &Answer, meta: &Meta) -> Vec<Event> {
        write::events(self, ask, answer, meta)
    }

    fn stream_failure(&self, meta: &Meta) -> Event {
        let mut body = self.failure(&Failure::status(500), &meta.request_id);
        if self.errors == Errors::Numeric {
            body["choices"] = json!([{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]);
        }
        Event { data: body.to_string(), ..Event::default() }
    }

    fn stream_oddity(&self, ask: &Ask, meta: &Meta) -> Option<Event> {
        Some(write::chunk_event(ask, "odd", meta, &json!([]), None))
    }
}

/// Type, code and usual words of a failure.
fn words(failure: &Failure) -> (&'static str, Option<&'static str>, &'static str) {
    match (failure.reason, failure.status) {
        (Reason::NoKey, _) => (
            "invalid_request_error",
            None,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        ),
        (Reason::BadKey, _) | (_, 401) => {
            ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided: inva***lid.")
        }
        (Reason::Quota, _) => (
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        (_, 402) => ("insufficient_quota", Some("credit_balance_exhausted"), "Insufficient balance."),
        (_, 403) => (
            "request_forbidden",
            Some("unsupported_country_region_territory"),
            "Country, region, or territory not supported.",
        ),
        (_, 404) => (
            "invalid_request_error",
            Some("model_not_found"),
            "The model does not exist or you do not have access to it.",
        ),
        (_, 408) => ("timeout_error", None, "The request timed out before it was complete."),
        (_, 409) => ("conflict_error", None, "The resource was updated by another request."),
        (_, 413) => ("invalid_request_error", None, "The request body is too large."),
        (_, 422) => ("invalid_request_error", None, "The request was well formed, but could not be processed."),
        (_, 429) => ("requests", Some("rate_limit_exceeded"), "Rate limit reached for requests. Please slow down."),
        (_, 500) => ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
        (_, 502) => ("server_error", None, "Bad gateway."),
        (_, 503) => (
            "service_unavailable_error",
            Some("server_is_overloaded"),
            "The engine is currently overloaded, please try again later.",
        ),
        (_, 504) => ("server_error", None, "The upstream request timed out."),
        (_, 529) => ("service_unavailable_error", Some("slow_down"), "The service is overloaded, slow down."),
        _ => ("invalid_request_error", None, "The request is invalid."),
    }
}
