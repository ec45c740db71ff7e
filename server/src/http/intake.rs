//! The intake service: `POST /intake/intake`, `GET /intake/status`, `POST /intake/cancel`, `GET /intake/state`,
//! `GET /intake/health`. What it answers with 202 is done, whatever happens.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    auth, event_stream,
    problem::Problem,
    service::{Call, answer},
};
use crate::{
    clock::rfc3339,
    providers::input::{self, InputError},
    services::{
        identity::{Caller, Deed},
        router::{Draft, Once, Receipt, RouterError},
    },
    state::AppState,
    store::jobs::{Cancelled, RequestRow},
};

/// Most requests in one call.
const MOST: usize = 10_000;
/// Longest wait that `Prefer: wait=n` may ask for, in seconds.
const LONGEST_WAIT: u64 = 60;

/// A request as the intake takes it. Unknown fields are ignored, as the service always has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    query: Option<String>,
    app_id: Option<String>,
    instance_id: Option<String>,
    project_id: Option<String>,
    task_type: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    priority: i64,
    callback_url: Option<String>,
    metadata: Option<Map<String, Value>>,
    options: Option<Map<String, Value>>,
    tags: Vec<String>,
    delay_ms: Option<u32>,
    deadline_ms: Option<u32>,
    max_retries: Option<i64>,
    unique_key: Option<String>,
}

/// Takes work in: one request, or a list of them.
pub async fn intake(call: Call) -> Response {
    answer(call, "INTAKE_ERROR", async move |mut call| {
        let first = call.caller(Some("default")).await?;
        let body = call.bytes().await?;
        let (asked, is_batch) = read(&body)?;
        let caller = caller(&call, first, asked.first().and_then(|asked| asked.instance_id.as_deref())).await?;
        let app = call.header("x-app-id");
        let drafts = asked.into_iter().map(|asked| asked.draft(app)).collect();
        let once = idempotency_key(&call.parts.headers).map(|key| once(key, "intake", &body)).transpose()?;
        let receipts = call.state.router.accept(&caller, "intake", &call.visit(), drafts, once).await?;
        if is_batch {
            let requests: Vec<Value> = receipts.iter().map(receipt).collect();
            let body = json!({ "success": true, "count": requests.len(), "requests": requests });
            return Ok((StatusCode::ACCEPTED, Json(body)).into_response());
        }
        let Some(first) = receipts.into_iter().next() else { return Err(RouterError::MissingQuery.into()) };
        if let Some(wait) = wait(&call.parts.headers) {
            let request = call.state.router.wait(&first.request_id, wait).await?;
            if is_over(&request) {
                return status_of(&call.state, &caller, request).await;
            }
        }
        Ok((StatusCode::ACCEPTED, Json(receipt(&first))).into_response())
    })
    .await
}

/// Where a request stands.
pub async fn status(call: Call) -> Response {
    answer(call, "INTAKE_ERROR", async move |call| {
        let caller = call.caller(None).await?;
        let id = request_id(&call)?;
        let mut request = call.state.router.find(&caller, &id, Deed::Jobs).await?;
        if let Some(wait) = wait(&call.parts.headers).filter(|_| !is_over(&request)) {
            request = call.state.router.wait(&id, wait).await?;
        }
        status_of(&call.state, &caller, request).await
    })
    .await
}

/// The life of one request as it goes on: its events from the beginning, or from the one that `Last-Event-ID` names, to its
/// end.
pub async fn stream(call: Call) -> Response {
    answer(call, "INTAKE_ERROR", async move |call| {
        let caller = call.caller(None).await?;
        let request = call.state.router.find(&caller, &request_id(&call)?, Deed::Jobs).await?;
        let after = match call.header("last-event-id") {
            None => 0,
            Some(seen) => seen.parse().map_err(|_| {
                InputError::field("Last-Event-ID", "Last-Event-ID must be the id of an event of this stream")
            })?,
        };
        let (events, place) = call.state.events.life_of(&request.id, after).await?;
        Ok(event_stream::respond(events, place, call.state.settings.gateway.keep_alive))
    })
    .await
}

/// Cancels a request that nobody works on yet.
pub async fn cancel(call: Call) -> Response {
    answer(call, "INTAKE_ERROR", async move |mut call| {
        let caller = call.caller(None).await?;
        let body: Map<String, Value> = call.object().await?;
        let id = body.get("request_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or(RouterError::MissingParam("request_id"))?;
        match call.state.router.cancel(&caller, id, false).await? {
            Cancelled::Now | Cancelled::Asked | Cancelled::TooLate => {
                Ok(Json(json!({ "success": true, "request_id": id, "status": "cancelled" })).into_response())
            }
        }
    })
    .await
}

/// The queues at a glance, for those who administer the instance.
pub async fn state(call: Call) -> Response {
    answer(call, "INTAKE_ERROR", async move |call| {
        let caller = call.caller(None).await?;
        Ok(Json(call.state.router.overview(&caller).await?).into_response())
    })
    .await
}

/// Liveness under the service's own name.
pub async fn health(State(state): State<AppState>) -> Json<Value> {
    Json(json!({ "status": "healthy", "service": "intake", "timestamp": rfc3339(state.clock.now_us()) }))
}

/// One object, or a list of objects.
fn read(body: &[u8]) -> Result<(Vec<Asked>, bool), Problem> {
    if body.trim_ascii_start().first() != Some(&b'[') {
        return Ok((vec![input::object(body)?], false));
    }
    let items: Vec<Value> = serde_json::from_slice(body).map_err(|error| InputError::Syntax(error.to_string()))?;
    if items.is_empty() || items.len() > MOST {
        return Err(InputError::field("", format!("a list has 1 to {MOST} requests")).into());
    }
    let mut asked = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        let one = serde_json::from_value(item);
        asked.push(one.map_err(|error| InputError::field(format!("[{place}]"), format!("[{place}]: {error}")))?);
    }
    Ok((asked, true))
}

/// Whoever calls, in the instance that the body names.
async fn caller(call: &Call, first: Caller, named: Option<&str>) -> Result<Caller, Problem> {
    match named.filter(|name| !name.trim().is_empty()) {
        None if auth::instance_header(&call.parts.headers).is_none() => Ok(first),
        named => call.caller(named).await,
    }
}

impl Asked {
    fn draft(self, app: Option<&str>) -> Draft {
        let named = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let micros = |millis: u32| i64::from(millis) * 1_000;
        Draft {
            query: self.query.unwrap_or_default(),
            app_id: named(self.app_id).or_else(|| app.map(str::to_owned)),
            task_type: named(self.task_type),
            provider: named(self.provider),
            model: named(self.model),
            priority: self.priority,
            callback_url: named(self.callback_url),
            metadata: self.metadata.map_or(Value::Null, Value::Object),
            input: self
                .options
                .map(|options| Map::from_iter([("options".to_owned(), options.into())]))
                .unwrap_or_default(),
            tags: self.tags,
            delay_us: self.delay_ms.map(micros),
            deadline_us: self.deadline_ms.map(micros),
            max_retries: self.max_retries,
            unique_key: named(self.unique_key),
            project_id: named(self.project_id),
        }
    }
}

/// What the caller is told of accepted work.
pub fn receipt(receipt: &Receipt) -> Value {
    json!({
        "success": true,
        "request_id": receipt.request_id,
        "status": receipt.status,
        "queue_position": receipt.queue_position,
        "estimated_wait_ms": receipt.estimated_wait_ms,
        "measured_wait_ms": receipt.measured_wait_ms,
        "task_type": receipt.task_type,
        "provider": receipt.provider,
        "model": receipt.model,
    })
}

async fn status_of(state: &AppState, caller: &Caller, request: RequestRow) -> Result<Response, Problem> {
    let found = state.router.state(caller, &request.id, Deed::Jobs).await?;
    let request = &found.request;
    let time = |us: Option<i64>| us.map(rfc3339);
    let mut body = json!({
        "success": true,
        "request_id": request.id,
        "app_id": request.app_id,
        "status": request.status,
        "task_type": request.task_type,
        "subtask": request.subtask,
        "provider": request.provider,
        "model": request.model,
        "priority": request.priority,
        "retry_count": request.retry_count,
        "error_message": request.error_message,
        "error_class": request.error_class,
        "created_at": rfc3339(request.created_us),
        "queued_at": time(request.queued_us),
        "started_at": time(request.started_us),
        "completed_at": time(request.completed_us),
        "result": found.body.result,
    });
    if let Some(standing) = &found.standing {
        body["reason"] = standing.reason.clone().into();
        if request.status == "queued" {
            body["queue_position"] = standing.queue_position.into();
            body["estimated_wait_ms"] = standing.estimated_wait_ms.into();
            body["measured_wait_ms"] = standing.measured_wait_ms.into();
        }
    }
    Ok(Json(body).into_response())
}

fn is_over(request: &RequestRow) -> bool {
    matches!(request.status.as_str(), "completed" | "failed" | "cancelled")
}

fn request_id(call: &Call) -> Result<String, RouterError> {
    call.query("request_id").ok_or(RouterError::MissingParam("request_id"))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// The header of that name.
pub fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    header(headers, "idempotency-key")
}

/// The caller's name for this very call.
pub fn once(key: &str, route: &'static str, body: &[u8]) -> Result<Once, Problem> {
    if key.len() > 255 {
        return Err(InputError::field("Idempotency-Key", "Idempotency-Key is at most 255 characters long").into());
    }
    Ok(Once::new(key.to_owned(), route, body))
}

/// `Prefer: wait=n` (RFC 7240): how long the caller would like to wait for the end.
pub fn wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    let wait = preferences.find_map(|one| {
        let one = one.trim();
        if one == "wait" { Some(LONGEST_WAIT) } else { one.strip_prefix("wait=")?.trim().parse::<u64>().ok() }
    })?;
    Some(Duration::from_secs(wait.min(LONGEST_WAIT)))
}
