use serde::{Deserialize, Serialize};

/// A request to be classified and routed without being carried out. What is left empty is found by the rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoutingDraft {
    pub query: String,
    pub task_type: Option<String>,
    pub provider: Option<String>,
    pub model: Option<String>,
}

/// What a request is, who would do it, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoutingPreview {
    pub task_type: String,
    pub subtask: Option<String>,
    /// From 0 to 1.
    pub confidence: f64,
    /// What speaks for the type, and for others.
    pub reasons: Vec<RoutingReason>,
    /// `None` when nobody does such work.
    pub provider: Option<String>,
    pub model: Option<String>,
    /// Others that may do it when that one cannot, best first.
    pub alternatives: Vec<RoutingChoice>,
    /// Why it goes there, or why it goes nowhere.
    pub why: String,
}

/// One thing that speaks for a type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoutingReason {
    pub task_type: String,
    pub points: f64,
    /// Id of the task classification, where it was one.
    pub rule: Option<String>,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingChoice {
    pub provider: String,
    pub model: String,
}
