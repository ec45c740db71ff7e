//! Ending work before its time, and taking it up again.

use serde::Serialize;

use super::{JobRow, submit::INSERT_JOBS};
use crate::store::{
    Db, StoreError,
    events::{NewEvent, events},
    rows::{over_rows, write_rows},
    sql::Sql,
};

/// What became of a wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled.
    Now,
    /// Somebody works on it and is told to stop.
    Asked,
    /// It is over, or somebody works on it and is not to be disturbed.
    TooLate,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

// Whatever nobody works on.
const TAKE_OUT: Sql = over_rows!(
    "DELETE FROM jobs WHERE state IN ('scheduled', 'waiting', 'held') AND id IN (SELECT x.value ->> 'id' FROM",
    ") RETURNING id"
);
// Remote work is asked for at once, by whom it is then stopped.
const ASK: Sql = over_rows!(
    "UPDATE jobs SET cancel_us = $2, run_at_us = CASE WHEN state = 'remote' THEN $2 ELSE run_at_us END
     WHERE state IN ('running', 'remote') AND id IN (SELECT x.value ->> 'id' FROM",
    ") RETURNING id"
);
const CANCEL: Sql = over_rows!(
    "UPDATE requests SET status = 'cancelled', completed_us = $2
     WHERE status IN ('pending', 'queued', 'processing', 'failed') AND id IN (SELECT x.value ->> 'id' FROM",
    ") RETURNING id"
);
const FORGET_FAILED: &str = "UPDATE requests SET status = 'cancelled', completed_us = $2
    WHERE status = 'failed' AND id = $1";
const REDRIVE: &str =
    "UPDATE requests SET status = 'queued', queued_us = $2, completed_us = NULL, error_message = NULL,
        error_class = NULL, retry_count = 0, deadline_us = NULL, provider = $3, model = $4, kind = $5
    WHERE id = $1 AND status IN ('failed', 'cancelled') AND epoch = $6";
const DROP_DELIVERABLES: &str =
    "UPDATE deliverables SET status = 'rejected', updated_us = $2 WHERE request_id = $1 AND status = 'pending_review'";

impl Db {
    /// Cancels requests that nobody works on, and asks for the end of the others if `is_forced`. `event` tells of a
    /// cancelled one. Answers the ids that are cancelled, and those whose workers were asked.
    pub async fn cancel_requests(
        &self,
        ids: &[&str],
        now_us: i64,
        is_forced: bool,
        event: &(dyn Fn(&str) -> Option<NewEvent> + Sync),
    ) -> Result<(Vec<String>, Vec<String>), StoreError> {
        if ids.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
        Ok(tx!(self, |t| {
            let taken: Vec<String> =
                sqlx::query_scalar(TAKE_OUT.of(self)).bind(sqlx::types::Json(&ids)).fetch_all(&mut *t).await?;
            let out: Vec<Id<'_>> = taken.iter().map(|id| Id { id }).collect();
            let mut cancelled: Vec<String> = Vec::new();
            if !out.is_empty() {
                let query = sqlx::query_scalar(CANCEL.of(self)).bind(sqlx::types::Json(&out)).bind(now_us);
                cancelled = query.fetch_all(&mut *t).await?;
            }
            let asked: Vec<String> = if is_forced {
                let query = sqlx::query_scalar(ASK.of(self)).bind(sqlx::types::Json(&ids)).bind(now_us);
                query.fetch_all(&mut *t).await?
            } else {
                Vec::new()
            };
            let events: Vec<NewEvent> = cancelled.iter().filter_map(|id| event(id)).collect();
            events!(self, t, events.iter().collect());
            (cancelled, asked)
        }))
    }

    /// Puts a failed request aside as cancelled.
    pub async fn cancel_failed(&self, id: &str, now_us: i64, event: &NewEvent) -> Result<bool, StoreError> {
        Ok(tx!(self, |t| {
            let done = sqlx::query(FORGET_FAILED).bind(id).bind(now_us).execute(&mut *t).await?.rows_affected() == 1;
            if done {
                events!(self, t, vec![event]);
            }
            done
        }))
    }

    /// Takes a failed or cancelled request up again with a new job, whose epoch goes on where the last one ended. `false`
    /// when it is neither any more.
    pub async fn redrive(
        &self,
        provider: &str,
        job: &JobRow,
        now_us: i64,
        event: &NewEvent,
    ) -> Result<bool, StoreError> {
        Ok(tx!(self, |t| {
            let taken = sqlx::query(REDRIVE)
                .bind(&job.id)
                .bind(now_us)
                .bind(provider)
                .bind(&job.model)
                .bind(&job.kind)
                .bind(job.epoch)
                .execute(&mut *t)
                .await?
                .rows_affected();
            if taken == 0 {
                return Ok(false);
            }
            sqlx::query(DROP_DELIVERABLES).bind(&job.id).bind(now_us).execute(&mut *t).await?;
            write_rows!(self, t, INSERT_JOBS, [job]);
            events!(self, t, vec![event]);
            true
        }))
    }
}
