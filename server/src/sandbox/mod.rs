//! The simulator: the providers' real wire formats over real HTTP, with faults on demand.
//!
//! It answers where no credential is configured, serves the tests as an upstream that misbehaves on request, and is the
//! upstream of load tests in its bare mode. `docs/simulator.md` tells how to use it.

mod answer;
mod anthropic;
mod bare;
mod calls;
mod cohere;
mod dialect;
mod dice;
mod exchange;
mod faults;
mod gemini;
mod generic;
mod jobs;
mod memory;
mod openai;
mod schema;
mod serve;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub use serve::serve;

/// How a sandbox behaves when a request says nothing else.
#[derive(Debug, Clone, Default)]
pub struct SandboxConfig {
    /// Silence before the first byte of an answer.
    pub first_byte: Duration,
    /// Time per token of an answer.
    pub per_token: Duration,
    /// Answer OpenAI chats with fixed bodies as fast as possible, without records, checks or faults: for load tests.
    pub bare: bool,
}

/// The providers and the path prefix of each one's base URL.
const BASE_PATHS: &[(&str, &str)] = &[
    ("openai", "/openai/v1"),
    ("anthropic", anthropic::BASE),
    ("gemini", gemini::BASE),
    ("google", gemini::BASE),
    ("cohere", cohere::BASE),
    ("generic", generic::BASE),
    ("mistral", "/mistral/v1"),
    ("groq", "/groq/openai/v1"),
    ("deepseek", "/deepseek"),
    ("openrouter", "/openrouter/api/v1"),
    ("xai", "/xai/v1"),
];

/// Path prefix of a provider's base URL on the sandbox's listener, e.g. `base_path("openai") == Some("/openai/v1")`;
/// `None` when the sandbox has no such provider.
pub fn base_path(provider: &str) -> Option<&'static str> {
    BASE_PATHS.iter().find(|(name, _)| *name == provider).map(|(_, path)| *path)
}

/// All providers, each under its own base path, with the record of calls and a health check.
pub fn router(config: SandboxConfig) -> Router {
    let bare = config.bare;
    let sim = Arc::new(Sim::new(config));
    let mut router = Router::new()
        .nest(anthropic::BASE, anthropic::routes())
        .nest(gemini::BASE, gemini::routes())
        .nest(cohere::BASE, cohere::routes())
        .nest(generic::BASE, generic::routes())
        .route("/health", get(async || Json(json!({"status": "ok", "simulated": true}))))
        .route("/_sim/calls", get(list_calls).delete(clear_calls))
        .route("/_sim/jobs", get(jobs::seen).delete(jobs::forget));
    for (flavour, path) in openai::FLAVOURS {
        router = router.nest(path, openai::routes(flavour, bare && *path == bare::BASE));
    }
    if bare {
        router = router.route(bare::PATH, post(bare::handle));
    }
    router.with_state(sim).layer(axum::middleware::map_response(mark))
}

/// Everything a running sandbox shares between its calls.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) config: SandboxConfig,
    pub(crate) calls: Arc<calls::Calls>,
    pub(crate) prompts: memory::Prompts,
    pub(crate) flaky: memory::Flaky,
    pub(crate) jobs: jobs::Jobs,
    requests: AtomicU64,
    /// The current minute since 1970, and the requests answered in it.
    minute: Mutex<(u64, u32)>,
}

impl Sim {
    fn new(config: SandboxConfig) -> Self {
        Self {
            config,
            calls: Arc::default(),
            prompts: memory::Prompts::default(),
            flaky: memory::Flaky::default(),
            jobs: jobs::Jobs::default(),
            requests: AtomicU64::new(0),
            minute: Mutex::default(),
        }
    }

    /// A new id, unique within this sandbox.
    pub(crate) fn request_id(&self) -> String {
        format!("req_sim_{:012}", self.requests.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Counts one more request and tells how many this minute has seen.
    pub(crate) fn requests_this_minute(&self) -> u32 {
        let now = calls::now_ms() / 60_000;
        let mut minute = self.minute.lock();
        if minute.0 != now {
            *minute = (now, 0);
        }
        minute.1 = minute.1.saturating_add(1);
        minute.1
    }
}

async fn list_calls(State(sim): State<Arc<Sim>>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    Json(json!(sim.calls.last(limit)))
}

async fn clear_calls(State(sim): State<Arc<Sim>>) -> Json<Value> {
    sim.calls.clear();
    Json(json!({"cleared": true}))
}

async fn mark(mut response: Response) -> Response {
    response.headers_mut().insert("x-simulated", HeaderValue::from_static("true"));
    response
}
