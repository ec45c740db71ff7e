use serde::{Deserialize, Serialize};

/// What an API key is to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiKeyDraft {
    /// Where it will be used.
    pub name: String,
    /// The instance it opens; `None`: the one the caller works in.
    pub instance_id: Option<String>,
    /// The person it acts for; without a person and a project it is the caller's own.
    pub user_id: Option<String>,
    /// The project it acts for, in place of a person.
    pub project_id: Option<String>,
    /// Empty: everything its owner may.
    pub scopes: Vec<String>,
    /// `None`: every model.
    pub allowed_models: Option<Vec<String>>,
    /// `None`: it works until it is revoked.
    pub expires_us: Option<i64>,
    /// `None`: no limit of its own.
    pub limit: Option<ApiKeyLimit>,
}

/// A limit of one key; what is `None` does not limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiKeyLimit {
    pub requests_per_minute: Option<i64>,
    pub tokens_per_minute: Option<i64>,
    pub tokens_per_day: Option<i64>,
    pub concurrent_requests: Option<i64>,
    pub budget_day_micro_usd: Option<i64>,
    pub budget_month_micro_usd: Option<i64>,
}

/// A key just made or rotated: the only time its secret is told.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewApiKey {
    pub key_id: String,
    pub name: String,
    pub instance_id: String,
    pub secret: String,
    pub masked: String,
}

impl std::fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewApiKey").field("key_id", &self.key_id).field("masked", &self.masked).finish_non_exhaustive()
    }
}

/// How often a key was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyUse {
    pub key_id: String,
    /// Calls on each of the last days in UTC, today last.
    pub days: Vec<u64>,
}
