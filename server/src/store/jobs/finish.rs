//! How a worker, or whoever else decides, lets go of jobs: each change holds only while its guard does, and what it brings
//! with it is written with it or not at all.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use super::{JobRow, submit::INSERT_JOBS};
use crate::store::{
    Db, StoreError,
    deliverables::{DeliverableRow, INSERT_DELIVERABLES, SUPERSEDE},
    events::{NewEvent, events},
    outbox::{INSERT_OUTBOX, OutboxRow},
    rows::{over_rows, write_rows},
    sql::Sql,
};

/// Under which condition a change of a job may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The worker that has it, by the epoch.
    Held,
    /// Whoever finds that its worker is gone: the lease is still that one.
    Expired { lease_until_us: i64 },
    /// Nobody runs it.
    Idle,
    /// A result from outside: in whatever state it is.
    Live,
}

/// What becomes of the job.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// It leaves the table.
    Over,
    /// It goes on as this row says; state, rank, times, attempt, reason, queue, model, remote and payload are taken.
    Goes(Box<JobRow>),
}

/// What a request becomes. Only one that is not over changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestChange {
    pub id: String,
    pub status: String,
    pub provider: String,
    pub model: String,
    pub epoch: i64,
    pub retry_count: i64,
    pub error_message: Option<String>,
    pub error_class: Option<String>,
    pub completed_us: Option<i64>,
    /// `None` leaves what is there.
    pub result: Option<Value>,
}

/// A row of `job_attempts`: one time that a worker had a job.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Attempt {
    pub job_id: String,
    pub epoch: i64,
    pub request_id: Option<String>,
    pub attempt: i64,
    pub worker_id: Option<String>,
    pub provider: String,
    pub model: String,
    pub started_us: i64,
    pub ended_us: i64,
    /// `completed`, `failed`, `retried`, `snoozed`, `submitted`, `released`, `lost`, `held`, `late` or `cancelled`.
    pub outcome: String,
    pub error_class: Option<String>,
    pub error_message: Option<String>,
    /// The call in the request log.
    pub call_id: Option<String>,
}

/// The change of one job, with everything that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    pub job_id: String,
    pub epoch: i64,
    pub guard: Guard,
    pub then: Then,
    pub attempt: Option<Attempt>,
    pub request: Option<RequestChange>,
    pub deliverable: Option<DeliverableRow>,
    pub events: Vec<NewEvent>,
    pub outbox: Vec<OutboxRow>,
    /// Jobs that follow from it.
    pub jobs: Vec<JobRow>,
}

/// A job that is about to change, locked.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Standing {
    id: String,
    epoch: i64,
    state: String,
    lease_until_us: Option<i64>,
}

/// A guard that is taken away, to see whether tests notice.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    Epoch,
    Lease,
    State,
}

#[cfg(test)]
thread_local! {
    pub static MUTANT: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

impl Guard {
    #[cfg(test)]
    fn holds(self, epoch: i64, job: &Standing) -> bool {
        match (MUTANT.get(), self) {
            (Some(Mutant::Epoch), _) => self.really_holds(job.epoch, job),
            (Some(Mutant::Lease), Self::Expired { .. }) => Self::Held.really_holds(epoch, job),
            (Some(Mutant::State), Self::Held) => job.epoch == epoch,
            _ => self.really_holds(epoch, job),
        }
    }

    #[cfg(not(test))]
    fn holds(self, epoch: i64, job: &Standing) -> bool {
        self.really_holds(epoch, job)
    }

    fn really_holds(self, epoch: i64, job: &Standing) -> bool {
        let is_running = job.state == "running";
        match self {
            Self::Held => is_running && job.epoch == epoch,
            Self::Expired { lease_until_us } => {
                is_running && job.epoch == epoch && job.lease_until_us == Some(lease_until_us)
            }
            Self::Idle => !is_running && job.epoch == epoch,
            Self::Live => true,
        }
    }
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

// In the order of their ids, so that two who change the same jobs wait for each other and do not block each other.
const LOCK: Sql = Sql {
    sqlite: "SELECT id, epoch, state, lease_until_us FROM jobs
        WHERE id IN (SELECT x.value ->> 'id' FROM json_each($1) AS x)",
    postgres: "SELECT id, epoch, state, lease_until_us FROM jobs
        WHERE id IN (SELECT x.value ->> 'id' FROM jsonb_array_elements($1) AS x(value)) ORDER BY id FOR UPDATE",
};
const DELETE: Sql = over_rows!("DELETE FROM jobs WHERE id IN (SELECT x.value ->> 'id' FROM", ")");
const GO_ON: Sql = over_rows!(
    "UPDATE jobs SET state = x.value ->> 'state', rank_us = CAST(x.value ->> 'rank_us' AS BIGINT),
        run_at_us = CAST(x.value ->> 'run_at_us' AS BIGINT), deadline_us = CAST(x.value ->> 'deadline_us' AS BIGINT),
        attempt = CAST(x.value ->> 'attempt' AS BIGINT), reason = x.value ->> 'reason', queue = x.value ->> 'queue',
        model = x.value ->> 'model', remote_id = x.value ->> 'remote_id', remote = x.value -> 'remote',
        payload = x.value -> 'payload', worker_id = NULL, lease_until_us = NULL
     FROM",
    "WHERE jobs.id = x.value ->> 'id' AND jobs.epoch = CAST(x.value ->> 'epoch' AS BIGINT)"
);
pub(in crate::store) const CHANGE_REQUEST: Sql = over_rows!(
    "UPDATE requests SET status = x.value ->> 'status', provider = x.value ->> 'provider', model = x.value ->> 'model',
        epoch = CAST(x.value ->> 'epoch' AS BIGINT), retry_count = CAST(x.value ->> 'retry_count' AS BIGINT),
        error_message = x.value ->> 'error_message', error_class = x.value ->> 'error_class',
        completed_us = CAST(x.value ->> 'completed_us' AS BIGINT)
     FROM",
    "WHERE requests.id = x.value ->> 'id' AND requests.status IN ('pending', 'queued', 'processing')"
);
pub(in crate::store) const SET_RESULT: Sql = over_rows!(
    "UPDATE request_bodies SET result = x.value -> 'result' FROM",
    "WHERE request_bodies.request_id = x.value ->> 'id'"
);
// The end of work outside replaces the line that told of its beginning.
const NOTE_ATTEMPTS: Sql = over_rows!(
    "INSERT INTO job_attempts (job_id, epoch, request_id, attempt, worker_id, provider, model, started_us, ended_us, outcome,
        error_class, error_message, call_id)
     SELECT x.value ->> 'job_id', CAST(x.value ->> 'epoch' AS BIGINT), x.value ->> 'request_id',
        CAST(x.value ->> 'attempt' AS BIGINT), x.value ->> 'worker_id', x.value ->> 'provider', x.value ->> 'model',
        CAST(x.value ->> 'started_us' AS BIGINT), CAST(x.value ->> 'ended_us' AS BIGINT), x.value ->> 'outcome',
        x.value ->> 'error_class', x.value ->> 'error_message', x.value ->> 'call_id'
     FROM",
    "WHERE 1 = 1 ON CONFLICT (job_id, epoch) DO UPDATE SET ended_us = excluded.ended_us, outcome = excluded.outcome,
        error_class = excluded.error_class, error_message = excluded.error_message"
);
const NOTE_LATE: &str =
    "INSERT INTO job_attempts (job_id, epoch, request_id, attempt, worker_id, provider, model, started_us,
        ended_us, outcome, error_class, error_message, call_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'late', $10, $11, $12) ON CONFLICT (job_id, epoch) DO NOTHING";

impl Db {
    /// Makes those changes whose guards hold, in one transaction, and answers the ids of their jobs. A worker that comes too
    /// late leaves no more than a line among the attempts.
    pub async fn finish_jobs(&self, endings: &[Ending]) -> Result<HashSet<String>, StoreError> {
        let ids: Vec<Id<'_>> = endings.iter().map(|ending| Id { id: &ending.job_id }).collect();
        Ok(tx!(self, |t| {
            let standing: Vec<Standing> =
                sqlx::query_as(LOCK.of(self)).bind(sqlx::types::Json(&ids)).fetch_all(&mut *t).await?;
            let standing: HashMap<&str, &Standing> = standing.iter().map(|job| (&*job.id, job)).collect();
            let (mut held, mut late): (Vec<&Ending>, Vec<&Ending>) = endings.iter().partition(|ending| {
                standing.get(&*ending.job_id).is_some_and(|job| ending.guard.holds(ending.epoch, job))
            });
            // Of two changes of one job the first holds.
            let mut done = HashSet::new();
            held.retain(|ending| {
                let is_first = done.insert(ending.job_id.clone());
                if !is_first {
                    late.push(ending);
                }
                is_first
            });
            let over: Vec<Id<'_>> = held
                .iter()
                .filter(|ending| ending.then == Then::Over)
                .map(|ending| Id { id: &ending.job_id })
                .collect();
            let goes: Vec<&JobRow> = held
                .iter()
                .filter_map(|ending| match &ending.then {
                    Then::Goes(row) => Some(&**row),
                    Then::Over => None,
                })
                .collect();
            let requests: Vec<&RequestChange> = held.iter().filter_map(|ending| ending.request.as_ref()).collect();
            let results: Vec<&&RequestChange> = requests.iter().filter(|change| change.result.is_some()).collect();
            let attempts: Vec<&Attempt> = held.iter().filter_map(|ending| ending.attempt.as_ref()).collect();
            let deliverables: Vec<&DeliverableRow> =
                held.iter().filter_map(|ending| ending.deliverable.as_ref()).collect();
            let outbox: Vec<&OutboxRow> = held.iter().flat_map(|ending| &ending.outbox).collect();
            let jobs: Vec<&JobRow> = held.iter().flat_map(|ending| &ending.jobs).collect();
            let events: Vec<&NewEvent> = held.iter().flat_map(|ending| &ending.events).collect();

            write_rows!(self, t, DELETE, over);
            write_rows!(self, t, GO_ON, goes);
            write_rows!(self, t, CHANGE_REQUEST, requests);
            write_rows!(self, t, SET_RESULT, results);
            write_rows!(self, t, NOTE_ATTEMPTS, attempts);
            // A result from outside ends a review that is still open.
            let over = |ending: &&&Ending| ending.guard == Guard::Live && ending.then == Then::Over;
            for ending in held.iter().filter(over) {
                let now_us = ending.request.as_ref().and_then(|request| request.completed_us).unwrap_or_default();
                sqlx::query(SUPERSEDE).bind(&ending.job_id).bind(now_us).execute(&mut *t).await?;
            }
            write_rows!(self, t, INSERT_DELIVERABLES, deliverables);
            write_rows!(self, t, INSERT_OUTBOX, outbox);
            write_rows!(self, t, INSERT_JOBS, jobs);
            events!(self, t, events);
            for attempt in late.iter().filter(|ending| ending.guard == Guard::Held).filter_map(|e| e.attempt.as_ref()) {
                bind!(sqlx::query(NOTE_LATE), attempt;
                      job_id, epoch, request_id, attempt, worker_id, provider, model, started_us, ended_us, error_class,
                      error_message, call_id)
                .execute(&mut *t)
                .await?;
            }
            done
        }))
    }
}
