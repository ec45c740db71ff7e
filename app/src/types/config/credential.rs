use serde::{Deserialize, Serialize};

/// Whether an instance can call a provider with a key of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialState {
    pub provider: String,
    pub provider_name: String,
    pub source: CredentialSource,
    /// The stored key's first three and last four characters.
    pub masked: Option<String>,
    /// When the stored key was entered.
    pub updated_us: Option<i64>,
    /// Environment variables that are looked into when none is stored.
    pub variables: Vec<String>,
}

/// Where a provider's key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialSource {
    /// Stored for the instance; wins over the others.
    Instance,
    /// The server's environment or settings.
    Environment,
    /// The provider wants none.
    NotNeeded,
    Missing,
}

/// How a call with a credential went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialTest {
    pub ok: bool,
    pub provider: String,
    /// The model that was asked.
    pub model: String,
    /// The simulator answered: nothing was learned about a real key.
    pub simulated: bool,
    pub latency_ms: u64,
    pub cost_micro_usd: i64,
    /// What went wrong, in the provider's or our words.
    pub error: Option<String>,
    /// The call in the history.
    pub request_id: String,
}
