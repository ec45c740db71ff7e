use serde::{Deserialize, Serialize};

/// Which entries of the audit log to list. What is empty does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    /// Whose log; `None` is the caller's organization, the empty text the platform's own. Others' are for superadmins.
    pub org_id: Option<String>,
    pub actor_id: Option<String>,
    /// What the action begins with: `api_key.` or `user.signed_in`.
    pub action: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<String>,
    pub since_us: Option<i64>,
    pub until_us: Option<i64>,
    /// `Page::next` of the page before.
    pub after: Option<String>,
    pub limit: u32,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its number in the log of its organization, from 1.
    pub seq: i64,
    pub time_us: i64,
    /// `user`, `api_key` or `system`.
    pub actor_type: String,
    pub actor_id: String,
    pub actor_name: String,
    pub action: String,
    pub target_type: String,
    pub target_id: String,
    pub target_name: String,
    pub instance_id: Option<String>,
    /// `succeeded` or `denied`.
    pub outcome: String,
    /// `{"before", "after"}` of the fields that changed, or whatever explains it.
    pub details: serde_json::Value,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub hash: String,
}

/// Whether a log is as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditProof {
    /// Entries that are as they were written.
    pub entries: i64,
    /// The hash of the last of them.
    pub head: String,
    /// The first entry that is not, and what is wrong with it.
    pub broken: Option<(i64, String)>,
}
