//! A request of the configuration service on its way to an answer: who calls, what they sent, what they expect.

use std::sync::Arc;

use app::types::config::Thing;
use axum::{
    Extension, Json,
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::problem::ConfigProblem;
use crate::{
    http::{RequestInfo, auth},
    services::config::{Author, unknown_fields},
    state::AppState,
};

const WARNING: &str = "x-de-warning";

pub struct Call {
    pub state: AppState,
    pub author: Author,
    pub uri: Uri,
    headers: HeaderMap,
    body: Body,
    warnings: Vec<String>,
}

/// Runs a handler; its failure gets the service's shape.
pub async fn answer<F>(call: Call, handler: F) -> Response
where
    F: AsyncFnOnce(Call) -> Result<Response, ConfigProblem>,
{
    let request_id = call.author.request_id.clone();
    handler(call).await.unwrap_or_else(|problem| problem.answer(&request_id))
}

/// Finds out who calls, and turns away who may not.
impl FromRequest<AppState> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let info = Extension::<RequestInfo>::from_request_parts(&mut parts, state).await;
        let Extension(info) = info.map_err(IntoResponse::into_response)?;
        let caller = auth::caller(state, &parts, None).await;
        let caller = caller.map_err(|error| ConfigProblem::from(error).answer(&info.request_id))?;
        let author =
            Author { caller: Arc::new(caller), request_id: info.request_id, ip: info.ip, user_agent: info.user_agent };
        Ok(Self { state: state.clone(), author, uri: parts.uri, headers: parts.headers, body, warnings: Vec::new() })
    }
}

impl Call {
    /// The body as text.
    pub async fn text(&mut self) -> Result<String, ConfigProblem> {
        let body = self.state.read_body(std::mem::take(&mut self.body)).await?;
        Ok(std::str::from_utf8(&body)?.to_owned())
    }

    /// The body, which has to be a JSON object.
    pub async fn object(&mut self) -> Result<Map<String, Value>, ConfigProblem> {
        let body = self.state.read_body(std::mem::take(&mut self.body)).await?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(ConfigProblem::InvalidJson),
        }
    }

    /// The same for a body that may be left out.
    pub async fn object_or_nothing(&mut self) -> Result<Map<String, Value>, ConfigProblem> {
        let body = self.state.read_body(std::mem::take(&mut self.body)).await?;
        match serde_json::from_slice(&body) {
            _ if body.trim_ascii().is_empty() => Ok(Map::new()),
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(ConfigProblem::InvalidJson),
        }
    }

    /// Fields that nothing is known of are named in a header, or refused where the caller prefers strictness.
    pub fn strictness(&mut self, thing: &Thing, body: &Map<String, Value>) -> Result<(), ConfigProblem> {
        let mut unknown = unknown_fields(thing, body);
        if unknown.is_empty() {
            return Ok(());
        }
        let is_strict = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').any(|part| part.trim().replace(' ', "").eq_ignore_ascii_case("handling=strict"))
        });
        unknown.truncate(20);
        if is_strict {
            return Err(ConfigProblem::UnknownFields(unknown));
        }
        self.warn(format!("unknown fields were ignored: {}", unknown.join(", ")));
        Ok(())
    }

    /// A header, unless it is empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
    }

    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Whether the caller has this version already.
    pub fn knows(&self, etag: &str) -> bool {
        self.tags(header::IF_NONE_MATCH).any(|known| known == etag || known == "*")
    }

    pub fn has_expectation(&self) -> bool {
        self.headers.contains_key(header::IF_MATCH)
    }

    /// The version that the caller wants to change; the current one, if it is among those they name.
    pub fn expected(&self, current: &str) -> Option<String> {
        let mut named = self.tags(header::IF_MATCH);
        let first = named.next()?;
        let matches = first == current || named.any(|tag| tag == current);
        Some(if matches { current.to_owned() } else { first.to_owned() })
    }

    fn tags(&self, name: header::HeaderName) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|tag| {
            let tag = tag.trim();
            tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
        })
    }

    pub fn data(&self, data: Value) -> Response {
        let mut response = Json(json!({ "data": data, "request_id": self.author.request_id })).into_response();
        if !self.warnings.is_empty() {
            // Names of fields may be anything; a header takes ASCII.
            let text = self.warnings.join("; ").escape_default().take(500).collect::<String>();
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().insert(WARNING, value);
            }
        }
        response
    }

    /// One thing, with its version.
    pub fn tagged(&self, data: Value, etag: &str) -> Response {
        let mut response = self.data(data);
        tag(&mut response, etag);
        response
    }

    pub fn unchanged(&self, etag: &str) -> Response {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        tag(&mut response, etag);
        response
    }
}

/// Says which version an answer is.
pub fn tag(response: &mut Response, etag: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
}
