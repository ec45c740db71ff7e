//! What is expected of results, by task type and instance.

use serde_json::Value;

/// What becomes of a result that is not good enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnReject {
    /// The request fails.
    #[default]
    Fail,
    /// It is tried once more, as long as the request has retries left.
    Retry,
    /// A person decides.
    Review,
}

/// The expectations that hold for a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// From this score on a result without any issue is good.
    pub approve_at: f64,
    /// Below it a result is bad.
    pub reject_below: f64,
    /// What JSON results have to look like.
    pub schema: Option<Value>,
    /// A model that is asked for its opinion.
    pub judge_model: Option<String>,
    pub on_reject: OnReject,
    /// Off: a person looks at everything that is not bad.
    pub auto_approve: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            approve_at: 0.8,
            reject_below: 0.3,
            schema: None,
            judge_model: None,
            on_reject: OnReject::Fail,
            auto_approve: true,
        }
    }
}
