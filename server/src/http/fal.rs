//! fal's queue, for its own clients by base URL: `POST /queue/{owner}/{app}`, then `…/requests/{id}` with `/status` and
//! `/cancel`. The application is a model's name; what is sent is what the model takes, its prompt first of all.

use axum::{
    Json,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    intake,
    problem::Problem,
    service::Call,
    work::{self, output},
};
use crate::{
    services::{
        identity::{Caller, Deed},
        router::{RouterError, State as Found},
    },
    state::AppState,
    store::jobs::Cancelled,
};

/// Hands a request over, or says what there is to say about one.
pub async fn call(Path(rest): Path<String>, call: Call) -> Response {
    let done = async {
        // Who has no key learns nothing about what there is.
        let caller = call.caller(None).await?;
        let method = call.parts.method.clone();
        match (method.as_str(), rest.split_once("/requests/")) {
            ("POST", None) => submit(call, &caller, &rest).await,
            (_, Some((app, about))) => {
                let (id, what) = about.split_once('/').unwrap_or((about, ""));
                match (method.as_str(), what.trim_end_matches('/')) {
                    ("GET", "status") => status(&call, &caller, app, id).await,
                    ("GET", "") => result(&call.state, &caller, id).await,
                    ("PUT" | "POST", "cancel") => cancel(&call.state, &caller, id).await,
                    _ => Err(Problem::NotFound("Not Found".to_owned())),
                }
            }
            _ => Err(Problem::NotFound("Not Found".to_owned())),
        }
    };
    done.await.unwrap_or_else(|problem| refused(&problem))
}

async fn submit(mut call: Call, caller: &Caller, app: &str) -> Result<Response, Problem> {
    let body = call.bytes().await?;
    let state = &call.state;
    let input: Map<String, Value> = crate::providers::input::object(&body)?;
    let mut draft = work::draft(state, caller, app, input)?;
    draft.callback_url = call.query("fal_webhook");
    draft.priority = if call.header("x-fal-queue-priority") == Some("low") { -5 } else { 0 };
    if let Some(seconds) = call.header("x-fal-request-timeout").and_then(|value| value.parse::<f64>().ok()) {
        draft.deadline_us = Some((seconds.clamp(0.001, 1e6) * 1e6) as i64);
    }
    let once = intake::idempotency_key(&call.parts.headers).map(|key| intake::once(key, "fal", &body)).transpose()?;
    let receipts = state.router.accept(caller, "fal", &call.visit(), vec![draft], once).await?;
    let first = receipts.into_iter().next().ok_or(RouterError::MissingQuery)?;
    let mut told = urls(state, app, &first.request_id);
    told["status"] = "IN_QUEUE".into();
    told["queue_position"] = (first.queue_position - 1).into();
    Ok(Json(told).into_response())
}

async fn status(call: &Call, caller: &Caller, app: &str, id: &str) -> Result<Response, Problem> {
    let state = &call.state;
    let found = state.router.state(caller, id, Deed::Jobs).await?;
    let mut told = urls(state, app, id);
    let (code, status) = match found.request.status.as_str() {
        "completed" | "failed" | "cancelled" => (StatusCode::OK, "COMPLETED"),
        "processing" => (StatusCode::ACCEPTED, "IN_PROGRESS"),
        _ => (StatusCode::ACCEPTED, "IN_QUEUE"),
    };
    told["status"] = status.into();
    match status {
        "IN_QUEUE" => {
            let position = found.standing.as_ref().and_then(|standing| standing.queue_position);
            told["queue_position"] = (position.unwrap_or(1) - 1).into();
        }
        "COMPLETED" => {
            told["metrics"] = json!({ "inference_time": work::seconds(&found.request) });
            if let Some(error) = failure(&found) {
                (told["error"], told["error_type"]) = (error.into(), found.request.error_class.clone().into());
            }
        }
        _ => {}
    }
    if call.query("logs").is_some_and(|logs| logs == "1" || logs == "true") {
        told["logs"] = work::logs(&found)
            .into_iter()
            .map(|(at, line)| json!({ "timestamp": at, "level": "INFO", "message": line, "source": "router" }))
            .collect();
    }
    Ok((code, Json(told)).into_response())
}

async fn result(state: &AppState, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let found = state.router.state(caller, id, Deed::Jobs).await?;
    match found.request.status.as_str() {
        "completed" => Ok(Json(output(&found)).into_response()),
        "failed" | "cancelled" => {
            let code = if found.request.error_class.as_deref() == Some("deadline") { 504 } else { 422 };
            Ok(detail(code, &failure(&found).unwrap_or_default()))
        }
        _ => Ok(detail(400, "Request is still in progress")),
    }
}

async fn cancel(state: &AppState, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let told = |code: StatusCode, status: &str| (code, Json(json!({ "status": status }))).into_response();
    Ok(match state.router.cancel(caller, id, true).await {
        Ok(Cancelled::Now | Cancelled::Asked) => told(StatusCode::ACCEPTED, "CANCELLATION_REQUESTED"),
        Ok(Cancelled::TooLate) | Err(RouterError::Status { .. }) => told(StatusCode::BAD_REQUEST, "ALREADY_COMPLETED"),
        Err(RouterError::NotFound) => told(StatusCode::NOT_FOUND, "NOT_FOUND"),
        Err(error) => return Err(error.into()),
    })
}

fn urls(state: &AppState, app: &str, id: &str) -> Value {
    let response_url = format!("{}/queue/{app}/requests/{id}", state.public_url);
    json!({
        "request_id": id,
        "status_url": format!("{response_url}/status"),
        "cancel_url": format!("{response_url}/cancel"),
        "response_url": response_url,
    })
}

fn failure(found: &Found) -> Option<String> {
    match found.request.status.as_str() {
        "failed" => Some(found.request.error_message.clone().unwrap_or_else(|| "the request failed".to_owned())),
        "cancelled" => Some("the request was cancelled".to_owned()),
        _ => None,
    }
}

/// fal's errors: `{"detail": …}`.
fn refused(problem: &Problem) -> Response {
    let mut response = detail(problem.status(), &problem.message());
    if let Some(wait) = problem.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    }
    response
}

fn detail(code: u16, message: &str) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, Json(json!({ "detail": message }))).into_response()
}
