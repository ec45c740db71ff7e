//! Where a request goes: what its caller says, or what the rules make of it, and which kind of job that is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::RouterError;
use crate::services::{
    catalog::{Model, Snapshot},
    classify::{self, Ask, TaskType},
    gateway::resolve,
    identity::Caller,
};

/// What the caller said; it is always kept.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub task_type: Option<&'a str>,
    pub provider: Option<&'a str>,
    pub model: Option<&'a str>,
}

pub struct Decision {
    pub task_type: String,
    pub subtask: Option<String>,
    /// As the caller or the rule names it.
    pub provider: String,
    /// The provider's own id, by which its queue is called.
    pub queue: String,
    pub model: String,
    pub kind: &'static str,
    /// How it came about, for whoever wonders.
    pub explanation: Value,
}

/// Classifies and routes a query. `fraction` in 0..1 is the dice between equal rules.
pub fn decide(
    snapshot: &Snapshot,
    query: &str,
    asked: Asked<'_>,
    caller: &Caller,
    fraction: f64,
) -> Result<Decision, RouterError> {
    let explicit = asked.task_type.and_then(TaskType::parse);
    let found = classify::classify(&snapshot.rules, query, explicit);
    let ask = Ask { provider: asked.provider, model: asked.model, ..Ask::new(found.task_type, found.subtask) };
    let route = classify::route(snapshot, caller, &ask, fraction)
        .map_err(|error| RouterError::Invalid { field: "model", message: error.to_string() })?;
    let known = snapshot.provider(&route.provider);
    let queue = known.map_or_else(|| route.provider.clone(), |provider| provider.id.to_string());
    let model = resolve::model(snapshot, &format!("{queue}/{}", route.model), caller).ok();
    let reasons: Vec<Value> = found
        .why
        .iter()
        .map(|reason| json!({ "points": reason.points, "text": reason.text, "rule": reason.rule }))
        .collect();
    let alternatives: Vec<Value> =
        route.alternatives.iter().map(|other| json!({ "provider": other.provider, "model": other.model })).collect();
    Ok(Decision {
        kind: kind_of(model.as_ref(), found.task_type),
        task_type: found.task_type.to_string(),
        subtask: found.subtask.map(str::to_owned),
        queue,
        explanation: json!({
            "confidence": found.confidence,
            "reasons": reasons,
            "route": route.why,
            "alternatives": alternatives,
        }),
        provider: route.provider,
        model: route.model,
    })
}

/// Over there where the model's mapping says how, here where there is an adapter for it, else whoever delivers the result.
fn kind_of(model: Option<&Arc<Model>>, task_type: TaskType) -> &'static str {
    match model {
        Some(model) if model.mapping.as_ref().is_some_and(|mapping| mapping.get("poll").is_some()) => "remote",
        Some(model) if model.codec.is_some() && model.can("text") && task_type.capability() == "text" => "text",
        _ => "external",
    }
}
