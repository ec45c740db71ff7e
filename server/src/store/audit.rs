//! The audit log: who changed what, append-only, each entry's hash covering the one before it.

use super::{Db, StoreError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `user`, `api_key` or `system`.
    pub kind: &'static str,
    pub id: String,
    /// As people knew them then.
    pub name: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

/// What was done. Nothing secret belongs in it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Whose chain it joins; empty is the platform's.
    pub org_id: String,
    pub time_us: i64,
    pub actor: Actor,
    /// `instance.updated`, `api_key.created`, `user.signed_in`, …
    pub action: String,
    /// What it was done to: `instance`, its id, and the name people know it by.
    pub target: (String, String, String),
    pub instance_id: Option<String>,
    /// `succeeded` or `denied`.
    pub outcome: &'static str,
    /// `{"before", "after"}` of the fields that changed, or whatever explains it.
    pub details: Value,
}

/// Adds an entry inside a transaction: what it tells is written with it or not at all.
macro_rules! audit {
    ($t:expr, $entry:expr) => {{
        let entry: &$crate::store::audit::AuditEntry = $entry;
        let head = sqlx::query($crate::store::audit::OPEN_CHAIN).bind(&entry.org_id);
        head.execute(&mut *$t).await?;
        let (seq, before): (i64, String) =
            sqlx::query_as($crate::store::audit::NEXT).bind(&entry.org_id).fetch_one(&mut *$t).await?;
        let details = entry.details.to_string();
        let hash = $crate::store::audit::hash(&before, seq, entry, &details);
        sqlx::query($crate::store::audit::INSERT)
            .bind(&entry.org_id)
            .bind(seq)
            .bind(entry.time_us)
            .bind(entry.actor.kind)
            .bind(&entry.actor.id)
            .bind(&entry.actor.name)
            .bind(&entry.action)
            .bind(&entry.target.0)
            .bind(&entry.target.1)
            .bind(&entry.target.2)
            .bind(&entry.instance_id)
            .bind(entry.outcome)
            .bind(&details)
            .bind(&entry.actor.ip)
            .bind(&entry.actor.user_agent)
            .bind(&entry.actor.request_id)
            .bind(&hash)
            .execute(&mut *$t)
            .await?;
        sqlx::query($crate::store::audit::CLOSE).bind(&entry.org_id).bind(&hash).execute(&mut *$t).await?;
    }};
}
pub(super) use audit;

pub(super) const OPEN_CHAIN: &str =
    "INSERT INTO audit_heads (org_id, seq, hash) VALUES ($1, 0, '') ON CONFLICT (org_id) DO NOTHING";
/// The row lock holds until the transaction ends: entries of one chain wait for each other.
pub(super) const NEXT: &str = "UPDATE audit_heads SET seq = seq + 1 WHERE org_id = $1 RETURNING seq, hash";
pub(super) const INSERT: &str = "INSERT INTO audit_log (org_id, seq, time_us, actor_type, actor_id, actor_name, action,
        target_type, target_id, target_name, instance_id, outcome, details, ip, user_agent, request_id, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
pub(super) const CLOSE: &str = "UPDATE audit_heads SET hash = $2 WHERE org_id = $1";

impl Db {
    /// Adds an entry by itself, for what changes no other row (a refused sign-in).
    pub async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        tx!(self, |t| {
            audit!(t, entry);
        });
        Ok(())
    }
}

/// SHA-256 in hex over the hash before and every column of the entry.
pub(super) fn hash(before: &str, seq: i64, entry: &AuditEntry, details: &str) -> String {
    let columns = json!([
        before,
        entry.org_id,
        seq,
        entry.time_us,
        entry.actor.kind,
        entry.actor.id,
        entry.actor.name,
        entry.action,
        entry.target.0,
        entry.target.1,
        entry.target.2,
        entry.instance_id,
        entry.outcome,
        details,
        entry.actor.ip,
        entry.actor.user_agent,
        entry.actor.request_id,
    ]);
    Sha256::digest(columns.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}
