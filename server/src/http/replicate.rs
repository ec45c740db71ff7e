//! Replicate's predictions, for its own clients by base URL: `/replicate/v1/predictions` and
//! `/replicate/v1/models/{owner}/{name}/predictions`.

use std::time::Duration;

use axum::{
    Json,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{intake, problem::Problem, service::Call, work};
use crate::{
    clock::rfc3339,
    providers::input::{self, InputError},
    services::{
        gateway::GatewayError,
        identity::Deed,
        router::{RouterError, State as Found},
    },
    state::AppState,
    store::{Page, jobs::RequestFilter},
};

const PAGE: i64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    version: Option<String>,
    model: Option<String>,
    input: Map<String, Value>,
    webhook: Option<String>,
}

/// Makes a prediction with the model or version that the body names.
pub async fn create(call: Call) -> Response {
    answer(submit(call, None).await)
}

/// Makes a prediction with the model in the path.
pub async fn create_with(Path((owner, name)): Path<(String, String)>, call: Call) -> Response {
    answer(submit(call, Some(format!("{owner}/{name}"))).await)
}

/// One prediction.
pub async fn get(Path(id): Path<String>, call: Call) -> Response {
    let done = async {
        let (state, caller) = (&call.state, call.caller(None).await?);
        let found = state.router.state(&caller, &id, Deed::Jobs).await?;
        Ok(Json(prediction(state, &found)).into_response())
    };
    answer(done.await)
}

/// The predictions of the instance, newest first, a hundred at a time.
pub async fn list(call: Call) -> Response {
    let done = async {
        let (state, caller) = (&call.state, call.caller(None).await?);
        let cursor = call.query("cursor");
        let after = cursor.as_deref().and_then(|cursor| {
            let (time, id) = cursor.split_once('.')?;
            Some((time.parse().ok()?, id.to_owned()))
        });
        let filter = RequestFilter { surface: Some("replicate".to_owned()), ..RequestFilter::default() };
        let listed = state.router.list(&caller, Deed::Jobs, filter, Page { after, limit: PAGE }).await?;
        let results: Vec<Value> = listed
            .rows
            .iter()
            .map(|(request, _)| {
                json!({
                    "id": request.id,
                    "model": request.model,
                    "version": request.model,
                    "status": status(&request.status),
                    "error": request.error_message,
                    "source": "api",
                    "created_at": rfc3339(request.created_us),
                    "started_at": request.started_us.map(rfc3339),
                    "completed_at": request.completed_us.map(rfc3339),
                    "urls": urls(state, &request.id),
                })
            })
            .collect();
        let next =
            listed.next.map(|(time, id)| format!("{}/replicate/v1/predictions?cursor={time}.{id}", state.public_url));
        Ok(Json(json!({ "previous": null, "next": next, "results": results })).into_response())
    };
    answer(done.await)
}

/// Stops a prediction, also one that runs.
pub async fn cancel(Path(id): Path<String>, call: Call) -> Response {
    let done = async {
        let (state, caller) = (&call.state, call.caller(None).await?);
        match state.router.cancel(&caller, &id, true).await {
            // What is over stays as it is.
            Ok(_) | Err(RouterError::Status { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        state.router.wait(&id, Duration::from_secs(1)).await?;
        let found = state.router.state(&caller, &id, Deed::Jobs).await?;
        Ok(Json(prediction(state, &found)).into_response())
    };
    answer(done.await)
}

async fn submit(mut call: Call, named: Option<String>) -> Result<Response, Problem> {
    let caller = call.caller(None).await?;
    let body = call.bytes().await?;
    let (state, headers) = (&call.state, &call.parts.headers);
    let asked: Asked = input::object(&body)?;
    let model = named.or(asked.model).or(asked.version).filter(|name| !name.is_empty());
    let model = model.ok_or_else(|| InputError::field("version", "version is required"))?;
    let draft = match work::draft(state, &caller, &model, asked.input.clone()) {
        // `owner/name:version`: the version is all there is of it here.
        Err(Problem::Gateway(GatewayError::UnknownModel { .. })) if model.contains(':') => {
            let name = model.rsplit_once(':').map_or(&*model, |(name, _)| name);
            work::draft(state, &caller, name, asked.input)?
        }
        draft => draft?,
    };
    let draft = crate::services::router::Draft { callback_url: asked.webhook, ..draft };
    let once = intake::idempotency_key(headers).map(|key| intake::once(key, "replicate", &body)).transpose()?;
    let receipts = state.router.accept(&caller, "replicate", &call.visit(), vec![draft], once).await?;
    let first = receipts.into_iter().next().ok_or(RouterError::MissingQuery)?;
    let mut code = StatusCode::CREATED;
    if let Some(wait) = intake::wait(headers) {
        let request = state.router.wait(&first.request_id, wait).await?;
        if request.completed_us.is_none() {
            code = StatusCode::ACCEPTED;
        }
    }
    let found = state.router.state(&caller, &first.request_id, Deed::Jobs).await?;
    Ok((code, Json(prediction(state, &found))).into_response())
}

fn prediction(state: &AppState, found: &Found) -> Value {
    let request = &found.request;
    let mut input = found.body.input.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    input.insert("prompt".to_owned(), found.body.query.as_str().into());
    let output = found.body.result.as_ref().map(|result| match result["content_type"].as_str() {
        Some("json") => work::output(found),
        Some("text") | None => json!([result["content"]]),
        _ => json!([result["content"]]),
    });
    let logs: Vec<String> = work::logs(found).into_iter().map(|(at, line)| format!("{at} {line}")).collect();
    let error = match request.status.as_str() {
        "failed" => request.error_message.clone(),
        _ => None,
    };
    json!({
        "id": request.id,
        "model": format!("{}/{}", request.provider, request.model),
        "version": request.model,
        "input": input,
        "output": output,
        "error": error,
        "logs": logs.join("\n"),
        "status": status_of(found),
        "source": "api",
        "data_removed": false,
        "created_at": rfc3339(request.created_us),
        "started_at": request.started_us.map(rfc3339),
        "completed_at": request.completed_us.map(rfc3339),
        "metrics": { "predict_time": work::seconds(request) },
        "urls": urls(state, &request.id),
    })
}

fn status_of(found: &Found) -> &'static str {
    // What was not begun when its deadline passed costs nothing.
    if found.request.error_class.as_deref() == Some("deadline") && found.request.started_us.is_none() {
        return "aborted";
    }
    status(&found.request.status)
}

fn status(of_request: &str) -> &'static str {
    match of_request {
        "processing" => "processing",
        "completed" => "succeeded",
        "failed" => "failed",
        "cancelled" => "canceled",
        _ => "starting",
    }
}

fn urls(state: &AppState, id: &str) -> Value {
    let get = format!("{}/replicate/v1/predictions/{id}", state.public_url);
    json!({ "cancel": format!("{get}/cancel"), "get": get })
}

/// Replicate's errors: `{"title", "detail", "status"}`.
fn answer(done: Result<Response, Problem>) -> Response {
    let problem = match done {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    let code = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "title": code.canonical_reason().unwrap_or("Error"),
        "detail": problem.message(),
        "status": code.as_u16(),
    });
    let mut response = (code, Json(body)).into_response();
    if let Some(wait) = problem.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    }
    response
}

/// Unknown paths and methods.
pub async fn unknown() -> Response {
    answer(Err(Problem::NotFound("Not Found".to_owned())))
}
