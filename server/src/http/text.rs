//! The text service: `POST /text/generate`, `POST /text/generate/stream`, `GET /text/health`.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use serde_json::{Map, Value, json};

use super::{RequestInfo, auth, facts, intake, problem::Problem, sse};
use crate::{
    clock::rfc3339,
    providers::{
        ChatChunk, ChatInput,
        input::{self, InputError},
    },
    services::{
        gateway::{Context, Facts, GatewayError, Reply},
        identity::{Caller, Visit},
        router::{Draft, Receipt, RouterError},
        text::{self, TextRequest},
    },
    state::{AppState, timeout},
};

/// Answers with the whole text.
pub async fn generate(
    State(state): State<AppState>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Response {
    let (request_id, now_us) = (info.request_id.clone(), info.started_us);
    let done = async {
        let (context, input) = match prepare(&state, info, request, false).await? {
            Prepared::Now(context, input) => (context, input),
            Prepared::Later(receipt) => return Ok(accepted(&receipt)),
        };
        let started = context.started;
        match state.gateway.chat(context, input).await? {
            Reply::Whole { completion, facts } => {
                let text = completion.choices.into_iter().next().and_then(|choice| choice.content).unwrap_or_default();
                let body = json!({
                    "success": true,
                    "text": text,
                    "metadata": metadata(&facts, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)),
                    "request_id": request_id,
                    "timestamp": rfc3339(state.clock.now_us()),
                });
                let mut response = Json(body).into_response();
                facts::add_headers(response.headers_mut(), &facts, true);
                facts::add_service_limits(response.headers_mut(), &facts.standing, now_us, 1);
                Ok(response)
            }
            Reply::Stream(_) => Err(Problem::Unreadable("a stream was not asked for".to_owned())),
        }
    };
    done.await.unwrap_or_else(|problem: Problem| problem.service(&request_id, now_us))
}

/// Answers with the text as it is made: `data: {"text", "done", "request_id"}`.
pub async fn generate_stream(
    State(state): State<AppState>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Response {
    let (request_id, now_us) = (info.request_id.clone(), info.started_us);
    let version = request.version();
    let done = async {
        let Prepared::Now(context, input) = prepare(&state, info, request, true).await? else {
            return Err(InputError::field("async", "a stream is answered at once; leave async out").into());
        };
        match state.gateway.chat(context, input).await? {
            Reply::Stream(stream) => {
                let frames = TextFrames { request_id: request_id.clone() };
                let standing = stream.facts().standing;
                let mut response = sse::respond(stream, frames, state.settings.gateway.keep_alive).await?;
                facts::add_service_limits(response.headers_mut(), &standing, now_us, 1);
                if version < Version::HTTP_2 {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
                }
                Ok(response)
            }
            Reply::Whole { .. } => Err(Problem::Unreadable("a stream was asked for".to_owned())),
        }
    };
    done.await.unwrap_or_else(|problem: Problem| stream_problem(&problem, &request_id, now_us))
}

/// Failures before the first byte have the same codes as buffered ones, but for the general one.
fn stream_problem(problem: &Problem, request_id: &str, now_us: i64) -> Response {
    problem.service_with(request_id, now_us, stream_code)
}

/// The code of a failed stream for the code of a failed buffered answer.
pub fn stream_code(code: &'static str) -> &'static str {
    if code == "GENERATION_ERROR" { "STREAMING_ERROR" } else { code }
}

/// Liveness under the service's own name.
pub async fn health(State(state): State<AppState>) -> Json<Value> {
    Json(json!({ "status": "healthy", "service": "text-gen", "timestamp": rfc3339(state.clock.now_us()) }))
}

pub async fn unknown(State(state): State<AppState>, Extension(info): Extension<RequestInfo>) -> Response {
    Problem::NotFound("Not Found".to_owned()).service(&info.request_id, state.clock.now_us())
}

/// A call that is made now, or work that was taken in.
enum Prepared {
    Now(Context, ChatInput),
    Later(Receipt),
}

/// The receipt of work that is done later, as the intake gives it.
fn accepted(receipt: &Receipt) -> Response {
    (StatusCode::ACCEPTED, Json(intake::receipt(receipt))).into_response()
}

/// Hands the same request to the router.
async fn later(
    state: &AppState,
    caller: &Caller,
    info: &RequestInfo,
    request: TextRequest,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Receipt, Problem> {
    let prompt = request.prompt.clone().filter(|prompt| !prompt.trim().is_empty());
    let query = prompt.ok_or_else(|| InputError::field("prompt", "Prompt is required"))?;
    let model = text::name(&state.gateway, caller, request.model_id.clone(), request.model.clone());
    let model = model.filter(|name| name != "auto").map(|name| state.gateway.model(&name, caller)).transpose()?;
    let draft = Draft {
        query,
        task_type: Some("text".to_owned()),
        provider: model.as_ref().map(|model| model.provider.id.to_string()),
        model: model.map(|model| if model.is_listed { model.id.clone() } else { model.upstream.to_string() }),
        project_id: caller.project_id.clone(),
        input: Map::from_iter([("options".to_owned(), json!(request.options))]),
        ..Draft::default()
    };
    let once = intake::idempotency_key(headers).map(|key| intake::once(key, "text", body)).transpose()?;
    let visit = Visit { ip: info.ip.clone(), user_agent: info.user_agent.clone(), request_id: None };
    let receipts = state.router.accept(caller, "text", &visit, vec![draft], once).await?;
    receipts.into_iter().next().ok_or_else(|| RouterError::MissingQuery.into())
}

async fn prepare(state: &AppState, info: RequestInfo, request: Request, stream: bool) -> Result<Prepared, Problem> {
    let (parts, body) = request.into_parts();
    // Who has no key learns nothing about the body.
    let caller = auth::caller(state, &parts, Some("default")).await?;
    let body = state.read_body(body).await?;
    let surface = if stream { "text.stream" } else { "text.generate" };
    let mut request: TextRequest = match input::object(&body) {
        Ok(request) => request,
        Err(error) => {
            let context = state.context(info, Arc::new(caller), surface);
            return Err(state.gateway.refuse(context, None, error.into()).await.into());
        }
    };
    let named = request.instance_id.take().filter(|name| !name.trim().is_empty());
    let mut caller = if named.is_some() || auth::instance_header(&parts.headers).is_some() {
        auth::caller(state, &parts, named.as_deref()).await?
    } else {
        caller
    };
    if let Some(project) = request.project_id.take() {
        let snapshot = state.catalog.snapshot();
        if snapshot.projects.get(&project).is_some_and(|instance| *instance == caller.instance.id) {
            caller.project_id = Some(project);
        }
    }
    if request.is_async && !stream {
        return later(state, &caller, &info, request, &parts.headers, &body).await.map(Prepared::Later);
    }
    let model = request.model_id.clone().or_else(|| request.model.clone());
    let read =
        text::prepare(&state.gateway, &caller, request, stream).and_then(|input| Ok((input, timeout(&parts.headers)?)));
    let mut context = state.context(info, Arc::new(caller), surface);
    match read {
        Ok((input, timeout)) => {
            context.timeout = timeout;
            Ok(Prepared::Now(context, input))
        }
        Err(error) => Err(state.gateway.refuse(context, model, error).await.into()),
    }
}

fn metadata(facts: &Facts, generation_time_ms: u64) -> Value {
    json!({
        "provider": facts.provider,
        "model": facts.model,
        "tokens_used": facts.usage.input + facts.usage.output,
        "input_tokens": facts.usage.input,
        "output_tokens": facts.usage.output,
        "cost_usd": facts::usd(facts.cost_micro_usd),
        "simulated": facts.simulated,
        "generation_time_ms": generation_time_ms,
    })
}

struct TextFrames {
    request_id: String,
}

impl TextFrames {
    fn event(&self, body: &Value, out: &mut BytesMut) {
        let mut body = body.clone();
        body["request_id"] = self.request_id.as_str().into();
        sse::data(body.to_string().as_bytes(), out);
    }
}

impl sse::Frames for TextFrames {
    fn chunks(&mut self, chunks: Vec<ChatChunk>, out: &mut BytesMut) {
        let texts = chunks.into_iter().filter(|chunk| chunk.index == 0).filter_map(|chunk| chunk.content);
        for text in texts.filter(|text| !text.is_empty()) {
            self.event(&json!({ "text": text, "done": false }), out);
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.event(&json!({ "text": "", "done": true }), out);
    }

    fn error(&mut self, error: &GatewayError, out: &mut BytesMut) {
        self.event(&json!({ "error": "Stream error", "done": true, "reason": error.to_string() }), out);
    }
}
