//! Calls to our callers' addresses, born in the transaction of what they tell.

use serde::{Deserialize, Serialize};

use super::{rows::insert_rows, sql::Sql};

/// A row of `outbox`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct OutboxRow {
    pub id: String,
    pub org_id: String,
    pub instance_id: String,
    pub request_id: String,
    pub url: String,
    /// JSON, exactly as it is sent and signed.
    pub body: String,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    pub attempts: i64,
    /// Grows with each claim; whoever has an older one changes nothing.
    pub epoch: i64,
    pub next_attempt_us: i64,
    pub lease_until_us: Option<i64>,
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
    pub created_us: i64,
    pub completed_us: Option<i64>,
}

pub(in crate::store) const INSERT_OUTBOX: Sql = insert_rows!("outbox";
    text id, text org_id, text instance_id, text request_id, text url, text body, text state, int attempts, int epoch,
    int next_attempt_us, int lease_until_us, int last_status, text last_error, int created_us, int completed_us);
