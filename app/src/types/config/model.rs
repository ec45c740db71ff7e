use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A state that a model was in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// 1 is the first that was kept.
    pub version: i64,
    /// Who brought it about.
    pub actor_name: String,
    pub created_us: i64,
    /// The model as the API showed it; only where one version is asked for.
    pub body: Option<Value>,
}

/// A payload mapping to be tried without calling anybody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MappingDraft {
    /// Its base address and headers are used.
    pub provider_id: String,
    /// The model's name at the provider.
    pub upstream_model: String,
    pub payload_mapping: Value,
    /// Values of placeholders by name; with `messages` in OpenAI's shape, what a chat call would offer.
    pub input: Map<String, Value>,
    /// An answer of the provider.
    pub answer: Option<Value>,
}

/// What a draft would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MappingPreview {
    /// (place in the mapping, what is wrong there).
    pub problems: Vec<(String, String)>,
    /// What would be sent; the key is masked.
    pub request: Option<PreviewedRequest>,
    /// Why nothing would be sent, though the mapping itself is good.
    pub request_error: Option<String>,
    /// What of the answer would be read.
    pub output: Option<Value>,
    pub output_error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewedRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// Parameters that the mapping has no place for.
    pub dropped: Vec<String>,
}
