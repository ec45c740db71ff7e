use serde::{Deserialize, Serialize};

use super::RunSummary;

/// What the home page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Where callers reach this server, for snippets: `http://127.0.0.1:3000`.
    pub base_url: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    pub started_us: i64,
    pub now_us: i64,
    /// The last 24 hours of the chosen instance.
    pub totals: Totals,
    pub providers: Vec<ProviderCard>,
    pub text_models: u32,
    /// A text model that would answer now, for snippets.
    pub sample_model: Option<String>,
    pub checklist: Checklist,
    pub recent: Vec<RunSummary>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub requests: u64,
    pub failed: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_micro_usd: i64,
    /// Mean latency of completed calls.
    pub mean_latency_us: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderCard {
    pub id: String,
    pub name: String,
    pub state: ProviderState,
    pub models: u32,
    /// Environment variable that gives it a credential (`OPENAI_API_KEY`).
    pub credential_env: Option<String>,
}

/// What would answer a call to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderState {
    /// A configured credential.
    Credential,
    /// A server that needs no credential (Ollama and the like).
    Local,
    /// The built-in simulator.
    Simulated,
    /// Nothing: a call fails with a clear error.
    Missing,
}

/// How far a new installation has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checklist {
    pub has_credential: bool,
    pub has_api_key: bool,
    pub has_console_run: bool,
    /// The first call by an API key, whoever made it.
    pub has_api_run: bool,
    pub dismissed: bool,
}
