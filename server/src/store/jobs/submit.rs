//! Taking work in: the request, what was said, its job and its events, together or not at all.

use serde_json::Value;

use super::{BodyRow, JobRow, RequestRow};
use crate::store::{
    Db, StoreError,
    events::{NewEvent, events},
    rows::{insert_rows, write_rows},
    sql::Sql,
};

/// A request as it is taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    pub request: RequestRow,
    pub body: BodyRow,
    pub job: JobRow,
    pub events: Vec<NewEvent>,
}

/// A row of `idempotency_keys`: an answer that is given again to the same call.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Idempotency {
    /// The caller and the route.
    pub scope: String,
    pub key: String,
    pub body_hash: String,
    pub status: i64,
    pub answer: Value,
    pub created_us: i64,
}

const INSERT_REQUESTS: Sql = insert_rows!("requests";
    text id, text org_id, text instance_id, text project_id, text key_id, text user_id, text app_id, text batch_id,
    text surface, text kind, text task_type, text subtask, text provider, text model, text status, text title,
    int priority, json tags, int epoch, int retry_count, int max_retries, text error_message, text error_class,
    text callback_url, int run_at_us, int deadline_us, int created_us, int queued_us, int started_us, int completed_us);
const INSERT_BODIES: Sql = insert_rows!("request_bodies";
    text request_id, text query, json input, json metadata, json result);
pub(in crate::store) const INSERT_JOBS: Sql = insert_rows!("jobs";
    text id, text request_id, text org_id, text user_id, text kind, text queue, text tenant, text model, text state, int priority,
    int rank_us, int run_at_us, int deadline_us, int attempt, int max_attempts, int epoch, text worker_id,
    int lease_until_us, int claimed_us, int cancel_us, text reason, text unique_key, text remote_id, json remote,
    json payload, int created_us);
const ONCE: &str = "INSERT INTO idempotency_keys (scope, key, body_hash, status, answer, created_us)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, key) DO NOTHING";
const ANSWERED: &str =
    "SELECT scope, key, body_hash, status, answer, created_us FROM idempotency_keys WHERE scope = $1 AND key = $2";
const FORGET_ANSWERS: &str = "DELETE FROM idempotency_keys WHERE (scope, key) IN
    (SELECT scope, key FROM idempotency_keys WHERE created_us < $1 ORDER BY created_us LIMIT $2)";

impl Db {
    /// Takes requests in, all or none. When `once` names a key that was used before, nothing is written and the answer of
    /// then comes back. A unique key that a live job has is a `Conflict` of `jobs`.
    pub async fn submit(
        &self,
        submissions: &[Submission],
        once: Option<&Idempotency>,
    ) -> Result<Option<Idempotency>, StoreError> {
        let requests: Vec<&RequestRow> = submissions.iter().map(|new| &new.request).collect();
        let bodies: Vec<&BodyRow> = submissions.iter().map(|new| &new.body).collect();
        let jobs: Vec<&JobRow> = submissions.iter().map(|new| &new.job).collect();
        let events: Vec<&NewEvent> = submissions.iter().flat_map(|new| &new.events).collect();
        tx!(self, |t| {
            if let Some(once) = once {
                let insert = bind!(sqlx::query(ONCE), once; scope, key, body_hash, status, answer, created_us);
                if insert.execute(&mut *t).await?.rows_affected() == 0 {
                    let before = bind!(sqlx::query_as(ANSWERED), once; scope, key).fetch_one(&mut *t).await?;
                    return Ok(Some(before));
                }
            }
            write_rows!(self, t, INSERT_REQUESTS, requests);
            write_rows!(self, t, INSERT_BODIES, bodies);
            write_rows!(self, t, INSERT_JOBS, jobs);
            events!(self, t, events);
        });
        Ok(None)
    }

    /// The answer that a key was given before.
    pub async fn answered(&self, scope: &str, key: &str) -> Result<Option<Idempotency>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ANSWERED).bind(scope).bind(key).fetch_optional(c).await)?)
    }

    /// Adds jobs that are nobody's request.
    pub async fn enqueue(&self, jobs: &[JobRow]) -> Result<(), StoreError> {
        tx!(self, |t| {
            write_rows!(self, t, INSERT_JOBS, jobs);
        });
        Ok(())
    }

    /// Forgets answers that were given before `before_us`, at most `limit` of them; how many.
    pub async fn forget_answers(&self, before_us: i64, limit: i64) -> Result<u64, StoreError> {
        let forget = db_write!(self, |c| {
            sqlx::query(FORGET_ANSWERS).bind(before_us).bind(limit).execute(c).await.map(|done| done.rows_affected())
        });
        Ok(forget?)
    }
}
