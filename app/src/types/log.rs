use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A line of the platform's own log. Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub log_id: String,
    pub at_us: i64,
    /// `DEBUG`, `INFO`, `WARN` or `ERROR`.
    pub level: String,
    pub message: String,
    /// The part of the product that speaks.
    pub component: String,
    pub request_id: Option<String>,
    pub instance_id: Option<String>,
    pub user_id: Option<String>,
    pub metadata: Map<String, Value>,
}

/// Which lines a list shows; `after` is a page's cursor. A page that was searched may be short, or empty, and still have a
/// next one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogFilter {
    /// Levels, separated by commas.
    pub level: Option<String>,
    pub component: Option<String>,
    /// Without one: all instances that the caller administers.
    pub instance_id: Option<String>,
    pub request_id: Option<String>,
    /// Part of the message.
    pub q: Option<String>,
    pub from_us: Option<i64>,
    pub until_us: Option<i64>,
    pub after: Option<String>,
    pub limit: u32,
}
