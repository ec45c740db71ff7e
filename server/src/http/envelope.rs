//! What every answer of the API has: a request id, CORS, and an answer to `OPTIONS`.

use std::{net::SocketAddr, time::Instant};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use crate::{state::AppState, telemetry};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is known of a request before it is read.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Ours, a UUIDv7.
    pub request_id: String,
    /// The caller's own `x-request-id`.
    pub caller_request_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub started: Instant,
    pub started_us: i64,
}

impl RequestInfo {
    pub fn new(state: &AppState, request: &Request) -> Self {
        let headers = request.headers();
        let text = |name: &HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(|text| text.chars().take(300).collect::<String>())
        };
        let forwarded = state.settings.server.trust_forwarded_for.then(|| forwarded_for(headers)).flatten();
        Self {
            request_id: state.clock.new_id().to_string(),
            caller_request_id: text(&REQUEST_ID),
            ip: forwarded
                .or_else(|| request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_string())),
            user_agent: text(&header::USER_AGENT),
            started: Instant::now(),
            started_us: state.clock.now_us(),
        }
    }
}

/// The last address in `X-Forwarded-For`: the one that our own proxy has seen.
fn forwarded_for(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("x-forwarded-for")?.to_str().ok()?;
    value.rsplit(',').next()?.trim().parse::<std::net::IpAddr>().ok().map(|ip| ip.to_string())
}

/// The layer around the whole API.
pub async fn envelope(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let info = RequestInfo::new(&state, &request);
    let (request_id, started) = (info.request_id.clone(), info.started);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let span = telemetry::request_span(&request_id);
    let mut response = if request.method() == Method::OPTIONS {
        preflight(request.uri().path())
    } else {
        request.extensions_mut().insert(info);
        next.run(request).instrument(span.clone()).await
    };
    span.in_scope(|| tell(&method, uri.path(), response.status(), started));
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    response
}

/// A line per answer, for who wants to see them all; an answer that is our fault always has one.
fn tell(method: &Method, path: &str, status: StatusCode, started: Instant) {
    let status = status.as_u16();
    if status >= 500 {
        tracing::warn!(%method, path, status, duration_ms = started.elapsed().as_secs_f64() * 1e3, "answered");
    } else {
        tracing::debug!(%method, path, status, duration_ms = started.elapsed().as_secs_f64() * 1e3, "answered");
    }
}

fn preflight(path: &str) -> Response {
    let changes = path == "/config" || path.starts_with("/config/");
    let methods = if changes { "GET, POST, PUT, DELETE, OPTIONS" } else { "GET, POST, OPTIONS" };
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Content-Type, Authorization, X-API-Key, X-Goog-Api-Key, X-Instance-ID, X-Request-ID, Idempotency-Key, \
             OpenAI-Organization, OpenAI-Project, OpenAI-Beta, Anthropic-Version, Anthropic-Beta, X-DE-Source, \
             X-DE-Timeout-Ms, If-Match, If-None-Match, Prefer, X-Stainless-Arch, X-Stainless-Lang, X-Stainless-OS, X-Stainless-Package-Version, \
             X-Stainless-Retry-Count, X-Stainless-Runtime, X-Stainless-Runtime-Version, X-Stainless-Timeout",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::OK, headers).into_response()
}
