//! Queues at a glance: a sample that is taken every few seconds, so that looking costs nothing.

use serde::{Deserialize, Serialize};

use crate::store::{
    Db, StoreError,
    rows::{over_rows, write_rows},
    sql::Sql,
};

/// A row of `queue_stats`: one provider, or one model of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct QueueRow {
    pub id: String,
    pub provider: String,
    pub model: Option<String>,
    pub queued_count: i64,
    pub processing_count: i64,
    pub completed_today: i64,
    pub failed_today: i64,
    pub avg_processing_time_ms: i64,
    /// When the job was due that waits longest.
    pub oldest_waiting_us: Option<i64>,
    pub last_request_us: Option<i64>,
    pub last_completion_us: Option<i64>,
    pub updated_us: i64,
}

/// Live jobs of a queue and model.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LiveRow {
    pub queue: String,
    pub model: String,
    pub state: String,
    pub count: i64,
    pub oldest_us: Option<i64>,
    pub newest_us: Option<i64>,
}

/// Jobs of a queue and model that ended.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EndedRow {
    pub provider: String,
    pub model: String,
    pub status: String,
    pub count: i64,
    pub mean_ms: Option<i64>,
    pub last_us: Option<i64>,
}

const LIVE: &str =
    "SELECT queue, model, state, COUNT(*) AS count, MIN(created_us) AS oldest_us, MAX(created_us) AS newest_us
    FROM jobs GROUP BY queue, model, state";
const ENDED: &str = "SELECT provider, model, status, COUNT(*) AS count,
        CAST(AVG((completed_us - started_us) / 1000) AS BIGINT) AS mean_ms, MAX(completed_us) AS last_us
    FROM requests WHERE completed_us >= $1 GROUP BY provider, model, status";
const KEEP: Sql = over_rows!(
    "INSERT INTO queue_stats (id, provider, model, queued_count, processing_count, completed_today, failed_today,
        avg_processing_time_ms, oldest_waiting_us, last_request_us, last_completion_us, updated_us)
     SELECT x.value ->> 'id', x.value ->> 'provider', x.value ->> 'model', CAST(x.value ->> 'queued_count' AS BIGINT),
        CAST(x.value ->> 'processing_count' AS BIGINT), CAST(x.value ->> 'completed_today' AS BIGINT),
        CAST(x.value ->> 'failed_today' AS BIGINT), CAST(x.value ->> 'avg_processing_time_ms' AS BIGINT),
        CAST(x.value ->> 'oldest_waiting_us' AS BIGINT), CAST(x.value ->> 'last_request_us' AS BIGINT),
        CAST(x.value ->> 'last_completion_us' AS BIGINT), CAST(x.value ->> 'updated_us' AS BIGINT)
     FROM",
    "WHERE 1 = 1 ON CONFLICT (provider, COALESCE(model, '')) DO UPDATE SET queued_count = excluded.queued_count,
        processing_count = excluded.processing_count, completed_today = excluded.completed_today,
        failed_today = excluded.failed_today, avg_processing_time_ms = excluded.avg_processing_time_ms,
        oldest_waiting_us = excluded.oldest_waiting_us,
        last_request_us = COALESCE(excluded.last_request_us, queue_stats.last_request_us),
        last_completion_us = COALESCE(excluded.last_completion_us, queue_stats.last_completion_us),
        updated_us = excluded.updated_us"
);
const STATS: &str = "SELECT id, provider, model, queued_count, processing_count, completed_today, failed_today,
        avg_processing_time_ms, oldest_waiting_us, last_request_us, last_completion_us, updated_us
    FROM queue_stats ORDER BY provider, model LIMIT 10000";
const TENANT_WAITING: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs WHERE tenant = $1 LIMIT $2) live";

impl Db {
    /// Live jobs by queue, model and state.
    pub async fn live_jobs(&self) -> Result<Vec<LiveRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(LIVE).fetch_all(c).await)?)
    }

    /// What ended since some time, by provider, model and status.
    pub async fn ended_since(&self, since_us: i64) -> Result<Vec<EndedRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ENDED).bind(since_us).fetch_all(c).await)?)
    }

    /// Keeps a sample.
    pub async fn keep_queue_stats(&self, rows: &[QueueRow]) -> Result<(), StoreError> {
        tx!(self, |t| {
            write_rows!(self, t, KEEP, rows);
        });
        Ok(())
    }

    /// The last sample of every queue.
    pub async fn queue_stats(&self) -> Result<Vec<QueueRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(STATS).fetch_all(c).await)?)
    }

    /// Live jobs of a tenant; counts no further than `most`.
    pub async fn tenant_jobs(&self, tenant: &str, most: i64) -> Result<i64, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(TENANT_WAITING).bind(tenant).bind(most).fetch_one(c).await)?)
    }
}
