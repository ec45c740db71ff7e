//! What keeps jobs from starting although there is room: a queue, a tenant or a model that is closed.

use serde::{Deserialize, Serialize};

use super::Lane;
use crate::store::{Db, StoreError, found};

/// A row of `queue_gates`. What it does not name, it closes all of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct GateRow {
    pub id: String,
    pub queue: Option<String>,
    pub tenant: Option<String>,
    pub model: Option<String>,
    /// `pause` or `drain` by a person, `limit` or `breaker` by the router.
    pub kind: String,
    pub reason: String,
    /// When it opens by itself.
    pub until_us: Option<i64>,
    pub actor_name: String,
    pub created_us: i64,
}

impl GateRow {
    /// Whether it closes a lane of a queue.
    pub fn closes(&self, queue: &str, lane: &Lane) -> bool {
        let is = |named: &Option<String>, is: &str| named.as_deref().is_none_or(|named| named == is);
        is(&self.queue, queue) && is(&self.tenant, &lane.tenant) && is(&self.model, &lane.model)
    }
}

const CLOSED: &str = "SELECT id, queue, tenant, model, kind, reason, until_us, actor_name, created_us FROM queue_gates
    WHERE until_us IS NULL OR until_us > $1 ORDER BY created_us, id LIMIT 10000";
const CLOSE: &str = "INSERT INTO queue_gates (id, queue, tenant, model, kind, reason, until_us, actor_name, created_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (COALESCE(queue, ''), COALESCE(tenant, ''), COALESCE(model, ''), kind) DO UPDATE
    SET reason = excluded.reason, until_us = excluded.until_us, actor_name = excluded.actor_name";
const OPEN: &str = "DELETE FROM queue_gates WHERE id = $1";
const OPEN_EXPIRED: &str = "DELETE FROM queue_gates WHERE until_us <= $1";

impl Db {
    /// The gates that are closed now.
    pub async fn gates(&self, now_us: i64) -> Result<Vec<GateRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(CLOSED).bind(now_us).fetch_all(c).await)?)
    }

    /// Closes a gate; one that is closed for the same gets the new reason and time.
    pub async fn close_gate(&self, gate: &GateRow) -> Result<(), StoreError> {
        let close = db_write!(self, |c| {
            let query = bind!(sqlx::query(CLOSE), gate; id, queue, tenant, model, kind, reason, until_us, actor_name, created_us);
            query.execute(c).await.map(drop)
        });
        Ok(close?)
    }

    /// Opens a gate.
    pub async fn open_gate(&self, id: &str) -> Result<(), StoreError> {
        found(db_write!(self, |c| sqlx::query(OPEN).bind(id).execute(c).await.map(|done| done.rows_affected()))?)
    }

    /// Forgets gates that have opened by themselves.
    pub async fn forget_gates(&self, now_us: i64) -> Result<u64, StoreError> {
        let forget = db_write!(self, |c| {
            sqlx::query(OPEN_EXPIRED).bind(now_us).execute(c).await.map(|done| done.rows_affected())
        });
        Ok(forget?)
    }
}
