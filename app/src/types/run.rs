use serde::{Deserialize, Serialize};

/// A recorded call, as a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    pub request_id: String,
    pub at_us: i64,
    /// Where it came in: `openai.chat`, `text.generate`, `console`, …
    pub surface: String,
    pub instance_id: String,
    pub model_asked: String,
    pub model_used: Option<String>,
    pub provider: Option<String>,
    /// `completed`, `failed` or `cancelled`.
    pub status: String,
    pub http_status: u16,
    pub streamed: bool,
    pub simulated: bool,
    pub input_tokens: u64,
    pub cached_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    pub cost_micro_usd: i64,
    pub latency_us: i64,
    pub first_token_us: Option<i64>,
    /// `caller`, `gateway` or `provider`.
    pub error_source: Option<String>,
    pub error_message: Option<String>,
}

/// One try at one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub provider: String,
    pub model: String,
    /// Offset from the start of the request, and how long it took.
    pub started_us: i64,
    pub duration_us: i64,
    /// `ok` or the class of the failure.
    pub outcome: String,
    pub status: Option<u16>,
    pub message: Option<String>,
}

/// A recorded call with everything that was kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    pub summary: RunSummary,
    pub attempts: Vec<Attempt>,
    pub overhead_us: i64,
    pub finish_reason: Option<String>,
    /// Absent when the instance does not keep contents, or when they were deleted by age.
    pub request_body: Option<String>,
    pub response_body: Option<String>,
    pub truncated: bool,
}

/// Which runs a list shows; what is `None` does not filter. `after` is a page's cursor. A page that was searched may be
/// short, or empty, and still have a next one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFilter {
    pub surface: Option<String>,
    /// Only the caller's own.
    pub mine: bool,
    /// `completed`, `failed` or `cancelled`.
    pub status: Option<String>,
    /// The model that was asked for or the one that answered.
    pub model: Option<String>,
    pub provider: Option<String>,
    pub error_class: Option<String>,
    pub project_id: Option<String>,
    pub user_id: Option<String>,
    pub key_id: Option<String>,
    pub from_us: Option<i64>,
    pub until_us: Option<i64>,
    pub after: Option<String>,
    pub limit: u32,
}
