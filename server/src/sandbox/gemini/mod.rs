//! Google's Gemini: generateContent, its stream, token counts and models.

mod read;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::{any, get};
use serde_json::{Value, json};

use super::Sim;
use super::answer::{Answer, Ask};
use super::dialect::{Chat, Dialect, Facts, Failure, Meta, Reason, bearer, check_key, put};
use super::exchange::{self, ChatTarget, Reply, query};
use super::stream::{Event, Framing};

/// Gemini's manners.
pub(crate) struct Gemini;

/// Base path of the provider.
pub(crate) const BASE: &str = "/gemini/v1beta";

const MODELS: &[&str] = &[
    "gemini-4-argon",
    "gemini-3.8-flash",
    "gemini-3.5-flash",
    "gemini-3.1-pro-preview",
    "gemini-3.1-flash-lite",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
];

/// The routes below the base path.
pub(crate) fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/models", get(models))
        .route("/models/{*target}", any(model))
        .fallback(async |State(sim): State<Arc<Sim>>, request: Request| unknown(sim, request).await)
}

async fn unknown(sim: Arc<Sim>, request: Request) -> Response {
    exchange::fixed(sim, &Gemini, request, Err(Failure::status(404))).await
}

async fn models(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    let asked = request.uri().query().unwrap_or_default();
    let size = query(asked, "pageSize").and_then(|size| size.parse().ok()).filter(|size| *size > 0).unwrap_or(50_usize);
    // The token is simply the place where the next page starts.
    let start = query(asked, "pageToken").and_then(|token| token.parse().ok()).unwrap_or(0).min(MODELS.len());
    let end = (start + size).min(MODELS.len());
    let mut listed = json!({"models": MODELS[start..end].iter().map(|id| model_card(id)).collect::<Vec<_>>()});
    if end < MODELS.len() {
        listed["nextPageToken"] = json!(end.to_string());
    }
    exchange::fixed(sim, &Gemini, request, Ok(listed)).await
}

async fn model(State(sim): State<Arc<Sim>>, Path(target): Path<String>, request: Request) -> Response {
    if request.method() == Method::GET {
        let missing = || Failure::invalid(format!("Model not found: models/{target}")).with_status(404);
        let known = MODELS.contains(&target.as_str());
        let reply = known.then(|| model_card(&target)).ok_or_else(missing);
        return exchange::fixed(sim, &Gemini, request, reply).await;
    }
    let Some((model, method)) = target.rsplit_once(':') else { return unknown(sim, request).await };
    let sse = query(request.uri().query().unwrap_or_default(), "alt") == Some("sse");
    let stream = match method {
        "generateContent" => None,
        "streamGenerateContent" if sse => Some(Framing::Sse),
        "streamGenerateContent" => Some(Framing::JsonArray),
        "countTokens" => return count(sim, request, model).await,
        _ => return unknown(sim, request).await,
    };
    exchange::chat(sim, &Gemini, request, ChatTarget { model: Some(model.to_owned()), stream }).await
}

async fn count(sim: Arc<Sim>, request: Request, model: &str) -> Response {
    exchange::task(sim, &Gemini, request, |exchange| {
        let body = exchange.json()?;
        exchange.begin(&body, Some(model))?;
        let ask = read::read(model, body.get("generateContentRequest").unwrap_or(&body))?;
        let tokens = ask.input_tokens();
        Ok(Reply::json(
            json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}),
        ))
    })
    .await
}

fn model_card(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"), "version": "001", "displayName": format!("{id} (simulated)"),
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    })
}

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn authorize(&self, headers: &HeaderMap, asked: &str) -> Result<(), Failure> {
        let header = headers.get("x-goog-api-key").and_then(|key| key.to_str().ok());
        check_key(header.or_else(|| query(asked, "key")).or_else(|| bearer(headers)), 403, 400)
    }

    fn failure(&self, failure: &Failure, _request_id: &str) -> Value {
        let (status, usual) = words(failure);
        let mut error = json!({"code": failure.status, "message": failure.words(usual), "status": status});
        let quota = |id: &str| {
            json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests", "quotaId": id}],
            })
        };
        if failure.reason == Reason::BadKey {
            error["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"},
            }]);
        } else if failure.reason == Reason::Quota {
            error["details"] = json!([quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")]);
        } else if failure.status == 429 {
            let mut details = vec![quota("GenerateRequestsPerMinutePerProjectPerModel")];
            if let Some(seconds) = failure.retry_after {
                let delay = format!("{seconds}s");
                details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}));
            }
            error["details"] = Value::Array(details);
        }
        json!({"error": error})
    }

    fn head(&self, facts: &Facts, headers: &mut HeaderMap) {
        put(headers, "x-request-id", facts.request_id);
        put(headers, "x-gemini-service-tier", "standard");
        put(headers, "server-timing", "gfet4t7; dur=1");
    }
}

impl Chat for Gemini {
    fn read(&self, body: &Value, model: Option<&str>) -> Result<Ask, Failure> {
        read::read(model.unwrap_or_default(), body)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, _meta: &Meta) -> Value {
        write::whole(ask, answer)
    }

    fn events(&self, ask: &Ask, answer: &Answer, _meta: &Meta) -> Vec<Event> {
        write::events(ask, answer)
    }

    fn stream_failure(&self, meta: &Meta) -> Event {
        Event { data: self.failure(&Failure::status(503), &meta.request_id).to_string(), ..Event::default() }
    }

    fn stream_oddity(&self, ask: &Ask, _meta: &Meta) -> Option<Event> {
        let data = json!({"modelVersion": ask.model, "responseId": "sim-odd"}).to_string();
        Some(Event { data, ..Event::default() })
    }
}

/// Status word and usual message of a failure.
fn words(failure: &Failure) -> (&'static str, &'static str) {
    match (failure.reason, failure.status) {
        (Reason::NoKey, _) => (
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
        ),
        (Reason::BadKey, _) => ("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        (Reason::Quota, _) => (
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details. limit: 0",
        ),
        (_, 401) => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        (_, 402) => ("RESOURCE_EXHAUSTED", "Your prepaid credit is used up."),
        (_, 403) => ("PERMISSION_DENIED", "The caller does not have permission"),
        (_, 404) => ("NOT_FOUND", "Requested entity was not found."),
        (_, 408 | 504) => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        (_, 409) => ("ABORTED", "The operation was aborted."),
        (_, 429) => ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        (_, 502 | 503 | 529) => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        (_, 500..) => ("INTERNAL", "An internal error has occurred."),
        _ => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    }
}
