//! The audit log: who changed what, append-only, each entry's hash covering the one before it.

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Db, StoreError};

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

impl Actor {
    /// The server itself, or whoever commands it from its machine.
    pub fn system(name: &str) -> Self {
        Self { kind: "system", id: String::new(), name: name.to_owned(), ip: None, user_agent: None, request_id: None }
    }
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

impl AuditEntry {
    /// The entry as the row with this number.
    pub(super) fn row(&self, seq: i64, before: &str) -> AuditRow {
        let (target_type, target_id, target_name) = self.target.clone();
        let mut row = AuditRow {
            org_id: self.org_id.clone(),
            seq,
            time_us: self.time_us,
            actor_type: self.actor.kind.to_owned(),
            actor_id: self.actor.id.clone(),
            actor_name: self.actor.name.clone(),
            action: self.action.clone(),
            target_type,
            target_id,
            target_name,
            instance_id: self.instance_id.clone(),
            outcome: self.outcome.to_owned(),
            details: self.details.to_string(),
            ip: self.actor.ip.clone(),
            user_agent: self.actor.user_agent.clone(),
            request_id: self.actor.request_id.clone(),
            hash: String::new(),
        };
        row.hash = row.digest(before);
        row
    }
}

/// A row of `audit_log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct AuditRow {
    pub org_id: String,
    pub seq: i64,
    pub time_us: i64,
    pub actor_type: String,
    pub actor_id: String,
    pub actor_name: String,
    pub action: String,
    pub target_type: String,
    pub target_id: String,
    pub target_name: String,
    pub instance_id: Option<String>,
    pub outcome: String,
    /// JSON, as it was hashed.
    pub details: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub hash: String,
}

impl AuditRow {
    /// SHA-256 in hex over the hash before and every other column.
    fn digest(&self, before: &str) -> String {
        let columns = json!([
            before,
            self.org_id,
            self.seq,
            self.time_us,
            self.actor_type,
            self.actor_id,
            self.actor_name,
            self.action,
            self.target_type,
            self.target_id,
            self.target_name,
            self.instance_id,
            self.outcome,
            self.details,
            self.ip,
            self.user_agent,
            self.request_id,
        ]);
        Sha256::digest(columns.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Which entries to list; empty fields do not narrow.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Whose chain; empty is the platform's.
    pub org_id: String,
    pub actor_id: Option<String>,
    /// What the action begins with: `api_key.` or `user.signed_in`.
    pub action: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<String>,
    pub since_us: Option<i64>,
    pub until_us: Option<i64>,
    /// Only what is older than the entry with this number.
    pub before: Option<i64>,
    pub limit: i64,
}

/// What a walk along a chain has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheck {
    pub org_id: String,
    /// Entries that are as they were written.
    pub entries: i64,
    /// The hash of the last of them. Noted elsewhere, it later proves that nobody wrote the chain anew.
    pub head: String,
    /// The first entry that is not, and what is wrong with it.
    pub broken: Option<(i64, &'static str)>,
}

/// Adds an entry inside a transaction: what it tells is written with it or not at all.
macro_rules! audit {
    ($t:expr, $entry:expr) => {{
        let entry: &$crate::store::audit::AuditEntry = $entry;
        let head = sqlx::query($crate::store::audit::OPEN_CHAIN).bind(&entry.org_id);
        head.execute(&mut *$t).await?;
        let (seq, before): (i64, String) =
            sqlx::query_as($crate::store::audit::NEXT).bind(&entry.org_id).fetch_one(&mut *$t).await?;
        let row = entry.row(seq, &before);
        bind!(sqlx::query($crate::store::audit::INSERT), row;
              org_id, seq, time_us, actor_type, actor_id, actor_name, action, target_type, target_id, target_name,
              instance_id, outcome, details, ip, user_agent, request_id, hash)
            .execute(&mut *$t)
            .await?;
        sqlx::query($crate::store::audit::CLOSE).bind(&row.org_id).bind(&row.hash).execute(&mut *$t).await?;
    }};
}
pub(super) use audit;

macro_rules! columns {
    () => {
        "org_id, seq, time_us, actor_type, actor_id, actor_name, action, target_type, target_id, target_name,
         instance_id, outcome, details, ip, user_agent, request_id, hash"
    };
}

pub(super) const OPEN_CHAIN: &str =
    "INSERT INTO audit_heads (org_id, seq, hash) VALUES ($1, 0, '') ON CONFLICT (org_id) DO NOTHING";
/// The row lock holds until the transaction ends: entries of one chain wait for each other.
pub(super) const NEXT: &str = "UPDATE audit_heads SET seq = seq + 1 WHERE org_id = $1 RETURNING seq, hash";
pub(super) const INSERT: &str = concat!(
    "INSERT INTO audit_log (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
);
pub(super) const CLOSE: &str = "UPDATE audit_heads SET hash = $2 WHERE org_id = $1";

/// `substr` and not LIKE: a prefix may hold `_` and `%`, and LIKE knows case on one of the databases only.
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM audit_log
      WHERE org_id = $1 AND ($2 IS NULL OR actor_id = $2) AND ($3 IS NULL OR substr(action, 1, length($3)) = $3)
        AND ($4 IS NULL OR target_type = $4) AND ($5 IS NULL OR target_id = $5)
        AND ($6 IS NULL OR time_us >= $6) AND ($7 IS NULL OR time_us < $7) AND ($8 IS NULL OR seq < $8)
      ORDER BY seq DESC LIMIT $9"
);
const WALK: &str =
    concat!("SELECT ", columns!(), " FROM audit_log WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3");
const HEAD: &str = "SELECT seq, hash FROM audit_heads WHERE org_id = $1";
const CHAINS: &str = "SELECT org_id FROM audit_heads UNION SELECT org_id FROM audit_log ORDER BY 1";
/// Entries of a chain that are read at once.
const PAGE: i64 = 500;

impl Db {
    /// Adds an entry by itself, for what changes no other row (a refused sign-in).
    pub async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        tx!(self, |t| {
            audit!(t, entry);
        });
        Ok(())
    }

    /// Entries of one chain, newest first.
    pub async fn list_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        Ok(db!(self, |c| bind!(sqlx::query_as(LIST), filter;
            org_id, actor_id, action, target_type, target_id, since_us, until_us, before, limit)
        .fetch_all(c)
        .await)?)
    }

    /// The organizations that have a chain; the platform's own is the empty text.
    pub async fn audit_chains(&self) -> Result<Vec<String>, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(CHAINS).fetch_all(c).await)?)
    }

    /// Walks a chain from its first entry to the head it had when the walk began.
    pub async fn verify_audit(&self, org_id: &str) -> Result<AuditCheck, StoreError> {
        let head: Option<(i64, String)> = db!(self, |c| sqlx::query_as(HEAD).bind(org_id).fetch_optional(c).await)?;
        let mut check = AuditCheck { org_id: org_id.to_owned(), entries: 0, head: String::new(), broken: None };
        let last = head.as_ref().map_or(i64::MAX, |(seq, _)| *seq);
        while check.broken.is_none() && check.entries < last {
            let rows: Vec<AuditRow> = db!(self, |c| sqlx::query_as(WALK)
                .bind(org_id)
                .bind(check.entries)
                .bind(PAGE.min(last - check.entries))
                .fetch_all(c)
                .await)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let next = check.entries + 1;
                if row.seq != next {
                    check.broken = Some((next, "the entry is missing"));
                } else if row.hash != row.digest(&check.head) {
                    check.broken = Some((next, "the entry, or the one before it, was changed"));
                } else {
                    (check.entries, check.head) = (next, row.hash);
                    continue;
                }
                break;
            }
        }
        if check.broken.is_none() {
            check.broken = match head {
                None if check.entries > 0 => Some((check.entries, "the end of the chain is not known")),
                Some((seq, _)) if seq > check.entries => Some((check.entries + 1, "the entry is missing")),
                Some((seq, hash)) if hash != check.head => Some((seq, "the entry is not the one the chain ended with")),
                _ => None,
            };
        }
        Ok(check)
    }
}
