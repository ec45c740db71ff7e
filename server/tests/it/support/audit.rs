//! What the audit log says.

use serde_json::Value;

use super::{TestApp, database::raw};

/// An entry, as far as the scenarios look at it.
#[derive(Debug)]
pub struct Audited {
    pub action: String,
    pub details: Value,
    pub org_id: String,
    pub instance_id: Option<String>,
    pub actor_type: String,
    pub target_type: String,
    pub request_id: Option<String>,
}

type Row = (String, String, String, Option<String>, String, String, Option<String>);

const ENTRIES: &str = "SELECT action, details, org_id, instance_id, actor_type, target_type, request_id FROM audit_log
    WHERE target_id = $1 OR action = $1 ORDER BY time_us, seq";

impl TestApp {
    /// The entries about a thing, or of an action, oldest first.
    pub async fn audit(&self, what: &str) -> Vec<Audited> {
        let rows: Vec<Row> = raw!(&self.raw, |pool| sqlx::query_as(ENTRIES).bind(what).fetch_all(pool).await.unwrap());
        rows.into_iter()
            .map(|(action, details, org_id, instance_id, actor_type, target_type, request_id)| Audited {
                action,
                details: serde_json::from_str(&details).unwrap(),
                org_id,
                instance_id,
                actor_type,
                target_type,
                request_id,
            })
            .collect()
    }

    /// The details of all entries of an action, as text.
    pub async fn audit_details(&self, action: &str) -> String {
        let entries = self.audit(action).await;
        assert!(!entries.is_empty(), "no {action} in the audit log");
        entries.iter().map(|entry| entry.details.to_string()).collect()
    }
}
