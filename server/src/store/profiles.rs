//! What is expected of results.

use serde_json::Value;

/// A row of `quality_profiles`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ProfileRow {
    pub id: String,
    /// `None`: for all.
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub task_type: Option<String>,
    pub name: String,
    pub approve_from: f64,
    pub reject_below: f64,
    pub json_schema: Option<Value>,
    /// `fail`, `retry` or `review`.
    pub on_reject: String,
    pub auto_approve: bool,
    pub is_active: bool,
    pub created_us: i64,
    pub updated_us: i64,
}

pub(super) const ALL_LIVE: &str =
    "SELECT id, org_id, instance_id, task_type, name, approve_from, reject_below, json_schema,
        on_reject, auto_approve, is_active, created_us, updated_us
    FROM quality_profiles WHERE deleted_us IS NULL";
