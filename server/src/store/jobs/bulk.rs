//! Operations on all requests that a filter matches, done in batches by whichever server has time.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{Db, Page, StoreError, found};

/// A row of `bulk_operations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct BulkRow {
    pub id: String,
    pub org_id: String,
    pub instance_id: String,
    /// `cancel`, `redrive` or `purge`.
    pub kind: String,
    /// A [`super::RequestFilter`].
    pub filter: Value,
    /// `running`, `completed` or `cancelled`.
    pub state: String,
    /// `created_us:id` of the last request it looked at.
    pub cursor: Option<String>,
    pub done: i64,
    /// Looked at and left as they were.
    pub skipped: i64,
    pub actor_name: String,
    pub created_us: i64,
    pub updated_us: i64,
    pub completed_us: Option<i64>,
}

const INSERT: &str = "INSERT INTO bulk_operations (id, org_id, instance_id, kind, filter, state, cursor, done, skipped,
    actor_name, created_us, updated_us, completed_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
// Guarded by the cursor: two servers that do the same batch count it once.
const ADVANCE: &str =
    "UPDATE bulk_operations SET cursor = $2, done = done + $3, skipped = skipped + $4, updated_us = $5,
        state = $6, completed_us = $7
    WHERE id = $1 AND state = 'running' AND COALESCE(cursor, '') = COALESCE($8, '')";
const OPEN: &str = "SELECT * FROM bulk_operations WHERE state = 'running' ORDER BY created_us, id LIMIT 100";
const ONE: &str = "SELECT * FROM bulk_operations WHERE id = $1";
const STOP: &str = "UPDATE bulk_operations SET state = 'cancelled', completed_us = $2, updated_us = $2
    WHERE id = $1 AND state = 'running'";
const LIST: &str = "SELECT * FROM bulk_operations WHERE instance_id = $1
    AND ($2 IS NULL OR (created_us, id) < ($2, $3)) ORDER BY created_us DESC, id DESC LIMIT $4";
const PURGE: [&str; 5] = [
    "DELETE FROM request_bodies WHERE request_id IN (SELECT id FROM requests WHERE id = $1 AND completed_us IS NOT NULL)",
    "DELETE FROM deliverables WHERE request_id IN (SELECT id FROM requests WHERE id = $1 AND completed_us IS NOT NULL)",
    "DELETE FROM job_attempts WHERE request_id IN (SELECT id FROM requests WHERE id = $1 AND completed_us IS NOT NULL)",
    "DELETE FROM outbox_attempts WHERE outbox_id IN (SELECT outbox.id FROM outbox JOIN requests ON requests.id = request_id
        WHERE requests.id = $1 AND requests.completed_us IS NOT NULL AND outbox.state <> 'pending')",
    "DELETE FROM outbox WHERE state <> 'pending' AND request_id IN
        (SELECT id FROM requests WHERE id = $1 AND completed_us IS NOT NULL)",
];
const DELETE: &str = "DELETE FROM requests WHERE id = $1 AND completed_us IS NOT NULL";
const OLD: &str = "SELECT id FROM requests WHERE completed_us < $1 ORDER BY completed_us, id LIMIT $2";

impl Db {
    pub async fn insert_bulk(&self, row: &BulkRow) -> Result<(), StoreError> {
        let insert = db_write!(self, |c| {
            let query = bind!(sqlx::query(INSERT), row; id, org_id, instance_id, kind, filter, state, cursor, done, skipped,
                actor_name, created_us, updated_us, completed_us);
            query.execute(c).await.map(drop)
        });
        Ok(insert?)
    }

    pub async fn bulk(&self, id: &str) -> Result<Option<BulkRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ONE).bind(id).fetch_optional(c).await)?)
    }

    /// Operations that are not done.
    pub async fn open_bulk(&self) -> Result<Vec<BulkRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OPEN).fetch_all(c).await)?)
    }

    /// Operations of an instance, newest first.
    pub async fn list_bulk(&self, instance_id: &str, page: &Page) -> Result<Vec<BulkRow>, StoreError> {
        let rows = db!(self, |c| {
            let query = sqlx::query_as(LIST).bind(instance_id).bind(page.time()).bind(page.id()).bind(page.limit);
            query.fetch_all(c).await
        });
        Ok(rows?)
    }

    /// Notes that an operation went on from `before` to `row.cursor`, with `done` and `skipped` of this batch.
    pub async fn advance_bulk(&self, row: &BulkRow, before: Option<&str>) -> Result<bool, StoreError> {
        let advanced = db_write!(self, |c| {
            let query = bind!(sqlx::query(ADVANCE), row; id, cursor, done, skipped, updated_us, state, completed_us);
            query.bind(before).execute(c).await.map(|done| done.rows_affected() == 1)
        });
        Ok(advanced?)
    }

    /// Stops an operation where it is.
    pub async fn stop_bulk(&self, id: &str, now_us: i64) -> Result<(), StoreError> {
        found(db_write!(self, |c| sqlx::query(STOP).bind(id).bind(now_us).execute(c).await.map(|d| d.rows_affected()))?)
    }

    /// Deletes requests that are over, with all that belongs to them; how many.
    pub async fn purge_requests(&self, ids: &[&str]) -> Result<u64, StoreError> {
        Ok(tx!(self, |t| {
            let mut gone = 0;
            for id in ids {
                for sql in PURGE {
                    sqlx::query(sql).bind(id).execute(&mut *t).await?;
                }
                gone += sqlx::query(DELETE).bind(id).execute(&mut *t).await?.rows_affected();
            }
            gone
        }))
    }

    /// Deletes requests that ended before `before_us`, oldest first; how many.
    pub async fn delete_old_work(&self, before_us: i64, limit: i64) -> Result<u64, StoreError> {
        let old: Vec<String> = db!(self, |c| sqlx::query_scalar(OLD).bind(before_us).bind(limit).fetch_all(c).await)?;
        let ids: Vec<&str> = old.iter().map(String::as_str).collect();
        self.purge_requests(&ids).await
    }
}
