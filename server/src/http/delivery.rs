//! The delivery service: results from outside, what became of them, and the decisions of reviewers.
//! `POST /delivery/deliver`, `POST /delivery/webhook`, `GET /delivery/deliverable`, `POST /delivery/{approve,reject}`, and the
//! review desk: `GET /delivery/pending`, `POST /delivery/{claim,release}`; and what callers' addresses were told:
//! `GET /delivery/callbacks`, `POST /delivery/callbacks/{id}/replay`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    auth,
    problem::Problem,
    service::{Call, answer},
};
use crate::{
    clock::rfc3339,
    providers::input::InputError,
    services::{
        delivery::{Again, Delivered, DeliveryError, Edit, Output, Report, Told, Verdict, read_webhook},
        identity::{Caller, Deed, may},
    },
    state::AppState,
    store::{
        Page,
        deliverables::{DeliverableRow, PendingRow},
        jobs::RequestRow,
        outbox::{CallAttempt, OutboxRow},
    },
};

const CONTENT_TYPES: [&str; 5] = ["text", "image_url", "audio_url", "video_url", "json"];
const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 500;
/// Minutes that an item is a reviewer's where they do not say.
const CLAIM_MINUTES: i64 = 15;

/// Liveness under the service's own name.
pub async fn health(State(state): State<AppState>) -> Json<Value> {
    Json(json!({ "status": "healthy", "service": "delivery", "timestamp": rfc3339(state.clock.now_us()) }))
}

/// Takes the result of a request.
pub async fn deliver(call: Call) -> Response {
    answer(call, "DELIVERY_ERROR", async move |mut call| {
        let who = Who::of(&call).await?;
        let body = call.object().await?;
        let id = id_of(&body, "request_id")?;
        let success = body.get("success").and_then(Value::as_bool).ok_or(DeliveryError::MissingField("success"))?;
        let content_type = body.get("content_type").and_then(Value::as_str).unwrap_or("text").to_owned();
        if success && !CONTENT_TYPES.contains(&content_type.as_str()) {
            let message = format!("content_type must be one of {}", CONTENT_TYPES.join(", "));
            return Err(DeliveryError::Invalid { field: "content_type", message }.into());
        }
        let content = content(body.get("content"));
        let said = body.get("error").map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned));
        let report = |request: &RequestRow| {
            if !success {
                let message = said.clone().filter(|said| said != "null" && !said.trim().is_empty());
                return Report::Failed {
                    message: message.unwrap_or_else(|| "Unknown error".to_owned()),
                    class: "reported".to_owned(),
                };
            }
            let text = |name: &str, absent: &str| body.get(name).and_then(Value::as_str).unwrap_or(absent).to_owned();
            Report::Done(Output {
                content_type: content_type.clone(),
                content: content.clone(),
                raw: body.get("raw_response").filter(|raw| !raw.is_null()).cloned(),
                provider: text("provider", &request.provider),
                model: text("model", &request.model),
                usage: body.get("usage").filter(|usage| !usage.is_null()).cloned(),
            })
        };
        let done = call.state.delivery.deliver(who.told(), &id, report).await?;
        call.state.router.wake();
        Ok(delivered(&done))
    })
    .await
}

/// Takes what a provider tells of a request, in the provider's own words.
pub async fn webhook(call: Call) -> Response {
    answer(call, "WEBHOOK_ERROR", async move |mut call| {
        let bytes = call.bytes().await?;
        let who = Who::of_webhook(&call, &bytes).await?;
        let body: Value = serde_json::from_slice(&bytes).map_err(|error| InputError::Syntax(error.to_string()))?;
        let named = provider(&call);
        let read = read_webhook(named.as_deref().unwrap_or_default(), &body);
        // The address of a request names it; what is in the body may be the provider's own name for it.
        let id = call.query("request_id").or_else(|| read.ids.first().cloned());
        let id = id.ok_or(DeliveryError::MissingRequestId)?;
        if let Some(request_id) = call.state.delivery.hint(who.told(), &id, &body).await? {
            call.state.router.wake();
            let body = json!({ "success": true, "request_id": request_id, "status": "processing" });
            return Ok(Json(body).into_response());
        }
        let report = |request: &RequestRow| {
            let read = match &named {
                Some(_) => read.clone(),
                None => read_webhook(&request.provider, &body),
            };
            match read.error {
                Some(message) => Report::Failed { message, class: "provider".to_owned() },
                None => Report::Done(Output {
                    content_type: read.content_type,
                    content: read.content,
                    raw: Some(body.clone()),
                    provider: request.provider.clone(),
                    model: request.model.clone(),
                    usage: body.get("usage").filter(|usage| !usage.is_null()).cloned(),
                }),
            }
        };
        let done = call.state.delivery.deliver(who.told(), &id, report).await?;
        call.state.router.wake();
        Ok(delivered(&done))
    })
    .await
}

/// One deliverable.
pub async fn deliverable(call: Call) -> Response {
    answer(call, "DB_ERROR", async move |call| {
        let caller = call.caller(None).await?;
        may(&caller, Deed::Read, caller.place()).map_err(DeliveryError::Denied)?;
        let id = call.query("id").ok_or(DeliveryError::MissingParam("id"))?;
        let row = call.state.delivery.deliverable(&caller, &id).await?;
        Ok(Json(json!({ "success": true, "deliverable": shown(&row) })).into_response())
    })
    .await
}

/// A person finds a result good.
pub async fn approve(call: Call) -> Response {
    answer(call, "APPROVE_ERROR", async move |mut call| {
        let caller = call.caller(None).await?;
        let body = call.object().await?;
        let id = id_of(&body, "deliverable_id")?;
        let edit =
            Edit { content: body.get("content").filter(|given| !given.is_null()).map(|given| content(Some(given))) };
        let done = call.state.delivery.approve(&caller, &id, edit).await?;
        call.state.router.wake();
        let row = &done.deliverable;
        let body = json!({ "success": true, "deliverable_id": row.id, "status": row.status });
        Ok(Json(body).into_response())
    })
    .await
}

/// A person finds a result bad.
pub async fn reject(call: Call) -> Response {
    answer(call, "REJECT_ERROR", async move |mut call| {
        let caller = call.caller(None).await?;
        let body = call.object().await?;
        let id = id_of(&body, "deliverable_id")?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let again = body.get("retry") == Some(&Value::Bool(true));
        let again = again.then(|| Again { model: text("model").map(str::to_owned) });
        let reason = text("reason").unwrap_or("Manually rejected");
        let done = call.state.delivery.reject(&caller, &id, reason, again).await?;
        call.state.router.wake();
        let row = &done.deliverable;
        let body = json!({
            "success": true, "deliverable_id": row.id, "status": row.status, "request_status": done.request_status,
        });
        Ok(Json(body).into_response())
    })
    .await
}

/// What waits for a person, oldest first.
pub async fn pending(call: Call) -> Response {
    answer(call, "DB_ERROR", async move |call| {
        let caller = call.caller(call.query("instance_id").as_deref()).await?;
        let limit =
            match call.query("limit") {
                None => DEFAULT_PAGE,
                Some(limit) => limit.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)).ok_or_else(|| {
                    InputError::field("limit", format!("limit must be a number from 1 to {MAX_PAGE}"))
                })?,
            };
        let mut page = Page::first(limit);
        if let Some(after) = call.query("after") {
            let read = after.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
            page.after = Some(read.ok_or_else(|| InputError::field("after", "after must be the \"next\" of a page"))?);
        }
        let rows = call.state.delivery.pending(&caller, &page).await?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
        let last = rows.last().filter(|_| is_full);
        let next = last.map(|row| format!("{}.{}", row.deliverable.created_us, row.deliverable.id));
        let items: Vec<Value> = rows.iter().map(waiting).collect();
        let mut response = Json(json!({ "success": true, "deliverables": items, "next": next })).into_response();
        let link = next.map(|next| format!("</delivery/pending?limit={limit}&after={next}>; rel=\"next\""));
        if let Some(Ok(link)) = link.map(|link| HeaderValue::from_str(&link)) {
            response.headers_mut().insert(header::LINK, link);
        }
        Ok(response)
    })
    .await
}

/// Gives an item to the caller for some minutes.
pub async fn claim(call: Call) -> Response {
    answer(call, "DB_ERROR", async move |mut call| {
        let caller = call.caller(None).await?;
        let body = call.object().await?;
        let id = id_of(&body, "deliverable_id")?;
        let minutes = match body.get("minutes") {
            None | Some(Value::Null) => CLAIM_MINUTES,
            Some(minutes) => minutes.as_i64().unwrap_or(0),
        };
        let row = call.state.delivery.claim(&caller, &id, minutes).await?;
        let body = json!({
            "success": true, "deliverable_id": row.id, "status": row.status, "claimed_by": row.claimed_by,
            "claimed_until": row.claimed_until_us.map(rfc3339),
        });
        Ok(Json(body).into_response())
    })
    .await
}

/// Gives an item back.
pub async fn release(call: Call) -> Response {
    answer(call, "DB_ERROR", async move |mut call| {
        let caller = call.caller(None).await?;
        let body = call.object().await?;
        let id = id_of(&body, "deliverable_id")?;
        call.state.delivery.release(&caller, &id).await?;
        Ok(Json(json!({ "success": true, "deliverable_id": id, "claimed_by": null })).into_response())
    })
    .await
}

/// What a request's address was told, with every attempt.
pub async fn callbacks(call: Call) -> Response {
    answer(call, "DB_ERROR", async move |call| {
        let caller = call.caller(None).await?;
        may(&caller, Deed::Read, caller.place()).map_err(DeliveryError::Denied)?;
        let id = call.query("request_id").ok_or(DeliveryError::MissingParam("request_id"))?;
        let calls = call.state.delivery.callbacks(&caller, &id).await?;
        let calls: Vec<Value> = calls
            .iter()
            .map(|(row, attempts)| {
                let mut call = callback(row);
                call["attempts"] = attempts.iter().map(attempt).collect();
                call
            })
            .collect();
        Ok(Json(json!({ "success": true, "callbacks": calls })).into_response())
    })
    .await
}

/// Makes a call once more.
pub async fn replay(id: Result<Path<String>, PathRejection>, call: Call) -> Response {
    answer(call, "DELIVERY_ERROR", async move |call| {
        let caller = call.caller(None).await?;
        may(&caller, Deed::Jobs, caller.place()).map_err(DeliveryError::Denied)?;
        let Path(id) = id.map_err(|_| DeliveryError::NotFound("Callback"))?;
        let row = call.state.delivery.replay(&caller, &id).await?;
        let mut body = callback(&row);
        body["success"] = true.into();
        Ok(Json(body).into_response())
    })
    .await
}

fn callback(row: &OutboxRow) -> Value {
    json!({
        "id": row.id,
        "request_id": row.request_id,
        "url": row.url,
        "state": row.state,
        "next_attempt_at": (row.state == "pending").then(|| rfc3339(row.next_attempt_us)),
        "last_status": row.last_status,
        "last_error": row.last_error,
        "created_at": rfc3339(row.created_us),
        "completed_at": row.completed_us.map(rfc3339),
    })
}

fn attempt(made: &CallAttempt) -> Value {
    json!({
        "attempt": made.attempt,
        "started_at": rfc3339(made.started_us),
        "duration_ms": made.duration_us / 1_000,
        "http_status": made.http_status,
        "error": made.error,
        "answer": made.answer,
    })
}

/// A required id in a body; numbers are ids elsewhere.
pub fn id_of(body: &Map<String, Value>, name: &'static str) -> Result<String, DeliveryError> {
    match body.get(name) {
        Some(Value::String(id)) if !id.trim().is_empty() => Ok(id.clone()),
        Some(Value::Number(id)) => Ok(id.to_string()),
        _ => Err(DeliveryError::MissingField(name)),
    }
}

/// `X-Provider`, else `?provider=`.
fn provider(call: &Call) -> Option<String> {
    call.header("x-provider").map(str::to_owned).or_else(|| call.query("provider")).map(|name| name.to_lowercase())
}

/// Who brings a result.
enum Who {
    Caller(Box<Caller>),
    Token(String),
    Provider(String),
}

impl Who {
    async fn of(call: &Call) -> Result<Self, Problem> {
        match call.query("token") {
            // A key counts more than what the address brings with it.
            Some(token) if auth::api_key(&call.parts.headers, &call.parts.uri).is_none() => Ok(Self::Token(token)),
            _ => Ok(Self::Caller(Box::new(call.caller(None).await?))),
        }
    }

    /// A provider may also show its own secret.
    async fn of_webhook(call: &Call, body: &[u8]) -> Result<Self, Problem> {
        if let Some(provider) = provider(call)
            && let Some(fits) = call.state.delivery.is_signed(&provider, &call.parts.headers, body)
        {
            return if fits { Ok(Self::Provider(provider)) } else { Err(DeliveryError::Signature.into()) };
        }
        Self::of(call).await
    }

    fn told(&self) -> Told<'_> {
        match self {
            Self::Caller(caller) => Told::Caller(caller),
            Self::Token(token) => Told::Token(token),
            Self::Provider(provider) => Told::Provider(provider),
        }
    }
}

/// Content as text: JSON may come as it is.
fn content(given: Option<&Value>) -> String {
    match given {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn delivered(done: &Delivered) -> Response {
    let mut body = json!({
        "success": true,
        "deliverable_id": done.deliverable_id,
        "status": done.verdict.as_str(),
        "request_id": done.request_id,
    });
    if done.verdict != Verdict::Failed {
        body["quality_score"] = done.score.into();
    }
    if done.retry {
        body["retry"] = true.into();
    }
    Json(body).into_response()
}

fn shown(row: &DeliverableRow) -> Value {
    json!({
        "id": row.id,
        "request_id": row.request_id,
        "content_type": row.content_type,
        "content": row.content,
        "quality_score": row.quality_score,
        "quality_metadata": row.quality_metadata,
        "status": row.status,
        "final_output": row.final_output,
        "provider_response": row.provider_response,
        "post_processing_status": row.post_processing_status,
        "claimed_by": row.claimed_by,
        "claimed_until": row.claimed_until_us.map(rfc3339),
        "reviewed_by": row.reviewed_by,
        "reviewed_at": row.reviewed_us.map(rfc3339),
        "review_reason": row.review_reason,
        "delivered_at": row.delivered_us.map(rfc3339),
        "created_at": rfc3339(row.created_us),
        "updated_at": rfc3339(row.updated_us),
    })
}

fn waiting(row: &PendingRow) -> Value {
    let mut item = shown(&row.deliverable);
    item["request"] = json!({
        "request_id": row.deliverable.request_id,
        "query": row.query,
        "app_id": row.app_id,
        "task_type": row.task_type,
        "provider": row.provider,
        "model": row.model,
        "created_at": rfc3339(row.requested_us),
    });
    item
}
