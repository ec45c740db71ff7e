//! What the queue surfaces of others have in common: a model by its name, its input, and its output in a shape that people
//! know.

use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::{
    clock::rfc3339,
    providers::input::InputError,
    services::{
        identity::Caller,
        router::{Draft, State as Found},
    },
    state::AppState,
    store::jobs::RequestRow,
};

/// A request for a model by any of its names, with the model's input.
pub fn draft(state: &AppState, caller: &Caller, name: &str, mut input: Map<String, Value>) -> Result<Draft, Problem> {
    let model = state.gateway.model(name, caller)?;
    let query = ["prompt", "query", "text", "input"].iter().find_map(|field| match input.get(*field) {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(((*field).to_owned(), text.clone())),
        _ => None,
    });
    let (field, query) = query.ok_or_else(|| InputError::field("prompt", "prompt is required and must be a text"))?;
    input.remove(&field);
    const KINDS: [&str; 4] = ["text", "image", "audio", "video"];
    let task_type = KINDS.into_iter().find(|kind| model.can(kind)).unwrap_or("text");
    Ok(Draft {
        query,
        task_type: Some(task_type.to_owned()),
        provider: Some(model.provider.id.to_string()),
        model: Some(if model.is_listed { model.id.clone() } else { model.upstream.to_string() }),
        input: Map::from_iter([("options".to_owned(), input.into())]),
        ..Draft::default()
    })
}

/// What came out, as models of that kind usually answer.
pub fn output(found: &Found) -> Value {
    let Some(result) = &found.body.result else { return Value::Null };
    let content = result["content"].as_str().unwrap_or_default();
    match result["content_type"].as_str().unwrap_or_default() {
        "image_url" => json!({ "images": [{ "url": content }] }),
        "audio_url" => json!({ "audio": { "url": content } }),
        "video_url" => json!({ "video": { "url": content } }),
        "json" => serde_json::from_str(content).unwrap_or_else(|_| json!({ "output": content })),
        _ => json!({ "output": content }),
    }
}

/// How long it took, from its first start.
pub fn seconds(request: &RequestRow) -> Option<f64> {
    Some((request.completed_us? - request.started_us?) as f64 / 1e6)
}

/// What was done for it: time and sentence.
pub fn logs(found: &Found) -> Vec<(String, String)> {
    let line = |one: &crate::store::jobs::Attempt| {
        let why = one.error_message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        (rfc3339(one.ended_us), format!("try {} at {} {}{why}", one.attempt, one.provider, one.outcome))
    };
    found.attempts.iter().map(line).collect()
}
