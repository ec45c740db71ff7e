//! Who works on what: jobs are claimed in batches, fairly between tenants, and are theirs until a time that heartbeats move.

use std::collections::HashMap;

use serde::Serialize;

use super::JobRow;
use crate::store::{
    Db, StoreError,
    events::{NewEvent, events},
    rows::over_rows,
    sql::Sql,
};

/// Most lanes that one claim looks at; the next claim goes on behind them.
const LANES: usize = 256;

/// A worker that wants work from one queue.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    pub queue: &'a str,
    pub worker_id: &'a str,
    pub now_us: i64,
    pub lease_until_us: i64,
    /// Most jobs to take.
    pub most: usize,
    /// How many jobs of a lane may run at once; zero closes it.
    pub room: &'a (dyn Fn(&Lane) -> usize + Sync),
    /// The event that tells that a job was started.
    pub started: &'a (dyn Fn(&JobRow) -> Option<NewEvent> + Sync),
}

/// What one tenant has waiting for one model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub tenant: String,
    pub model: String,
}

#[derive(sqlx::FromRow)]
struct Waiting {
    tenant: String,
    model: String,
    rank_us: i64,
    id: String,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

/// A heartbeat's answer: a job that is still the worker's.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Kept {
    pub id: String,
    pub epoch: i64,
    pub cancel_us: Option<i64>,
}

const ENSURE_QUEUE: &str = "INSERT INTO queues (queue, created_us) VALUES ($1, $2) ON CONFLICT (queue) DO NOTHING";
const LOCK_QUEUE: Sql = Sql {
    sqlite: "SELECT queue FROM queues WHERE queue = $1",
    postgres: "SELECT queue FROM queues WHERE queue = $1 FOR UPDATE",
};
const BUSY: &str =
    "SELECT tenant, COUNT(*) FROM jobs WHERE queue = $1 AND state IN ('running', 'remote') GROUP BY tenant";
const NEXT_LANES: &str = "SELECT tenant, model, rank_us, id FROM jobs
    WHERE queue = $1 AND state = 'waiting' AND (tenant, model) > ($2, $3)
    ORDER BY tenant, model, rank_us, id LIMIT $4";
const NEXT_QUEUE: &str = "SELECT MIN(queue) FROM jobs WHERE state = 'waiting' AND queue > $1";
// The state is looked at again where the row is changed: what somebody else took meanwhile is not taken twice.
const TAKE: Sql = over_rows!(
    "UPDATE jobs SET state = 'running', epoch = epoch + 1, attempt = attempt + 1, worker_id = $2, lease_until_us = $3,
        claimed_us = $4, reason = NULL
     WHERE state = 'waiting' AND id IN (SELECT x.value ->> 'id' FROM",
    ") RETURNING *"
);
const TAKE_DUE: &str = "UPDATE jobs SET state = 'running', epoch = epoch + 1, worker_id = $1, lease_until_us = $2,
        claimed_us = $3, reason = NULL
     WHERE state = 'remote' AND run_at_us <= $3 AND id IN
        (SELECT id FROM jobs WHERE state = 'remote' AND run_at_us <= $3 ORDER BY state, run_at_us, id LIMIT $4)
     RETURNING *";
const START: Sql = over_rows!(
    "UPDATE requests SET status = 'processing', started_us = COALESCE(started_us, $2)
     WHERE status IN ('pending', 'queued') AND id IN (SELECT x.value ->> 'id' FROM",
    ") RETURNING id"
);
const KEEP: &str = "UPDATE jobs SET lease_until_us = $1 WHERE worker_id = $2 AND state = 'running'
    RETURNING id, epoch, cancel_us";
const WAKE: &str =
    "UPDATE jobs SET state = 'waiting', reason = NULL WHERE state = 'scheduled' AND run_at_us <= $1 AND id IN
    (SELECT id FROM jobs WHERE state = 'scheduled' AND run_at_us <= $1 ORDER BY state, run_at_us, id LIMIT $2)";
const LOST: &str =
    "SELECT * FROM jobs WHERE state = 'running' AND lease_until_us < $1 ORDER BY lease_until_us, id LIMIT $2";
const OVERDUE: &str =
    "SELECT * FROM jobs WHERE deadline_us < $1 AND state <> 'running' ORDER BY deadline_us, id LIMIT $2";

impl Db {
    /// Starts waiting jobs of one queue, at most `claim.most`, and marks their requests as processing. Tenants take turns:
    /// who runs less goes first, and between equals the job that comes first by rank. On Postgres one worker at a time
    /// claims from a queue, so that its room is counted once.
    pub async fn claim_jobs(
        &self,
        claim: &Claim<'_>,
        after: Option<&Lane>,
    ) -> Result<(Vec<JobRow>, Option<Lane>), StoreError> {
        let page = i64::try_from(claim.most).unwrap_or(i64::MAX);
        let out = tx!(self, |t| {
            sqlx::query(ENSURE_QUEUE).bind(claim.queue).bind(claim.now_us).execute(&mut *t).await?;
            sqlx::query(LOCK_QUEUE.of(self)).bind(claim.queue).execute(&mut *t).await?;
            let busy: Vec<(String, i64)> = sqlx::query_as(BUSY).bind(claim.queue).fetch_all(&mut *t).await?;
            let mut turns = Turns::new(claim, busy);
            let mut place = after.cloned().unwrap_or(Lane { tenant: String::new(), model: String::new() });
            let mut wrapped = after.is_none();
            let mut seen = 0;
            let next = loop {
                let rows: Vec<Waiting> = sqlx::query_as(NEXT_LANES)
                    .bind(claim.queue)
                    .bind(&place.tenant)
                    .bind(&place.model)
                    .bind(page)
                    .fetch_all(&mut *t)
                    .await?;
                let is_end = rows.len() < claim.most;
                let (lanes, last) = turns.add(rows, is_end);
                seen += lanes;
                match last {
                    Some(last) if !is_end => place = last,
                    // The end of the lanes: go on at their beginning, once.
                    _ if !wrapped => (wrapped, place) = (true, Lane { tenant: String::new(), model: String::new() }),
                    _ => break None,
                }
                if seen >= LANES {
                    break Some(place);
                }
            };
            let chosen = turns.choose();
            if chosen.is_empty() {
                (Vec::new(), next)
            } else {
                let ids: Vec<Id<'_>> = chosen.iter().map(|id| Id { id }).collect();
                let jobs: Vec<JobRow> = sqlx::query_as(TAKE.of(self))
                    .bind(sqlx::types::Json(&ids))
                    .bind(claim.worker_id)
                    .bind(claim.lease_until_us)
                    .bind(claim.now_us)
                    .fetch_all(&mut *t)
                    .await?;
                let requests: Vec<Id<'_>> = jobs
                    .iter()
                    .filter(|job| job.request_id.as_ref() == Some(&job.id))
                    .map(|job| Id { id: &job.id })
                    .collect();
                if !requests.is_empty() {
                    let started: Vec<String> = sqlx::query_scalar(START.of(self))
                        .bind(sqlx::types::Json(&requests))
                        .bind(claim.now_us)
                        .fetch_all(&mut *t)
                        .await?;
                    let started: std::collections::HashSet<&str> = started.iter().map(String::as_str).collect();
                    let events: Vec<NewEvent> =
                        jobs.iter().filter(|job| started.contains(&*job.id)).filter_map(claim.started).collect();
                    events!(self, t, events.iter().collect());
                }
                (jobs, next)
            }
        });
        Ok(out)
    }

    /// Takes remote jobs that are due to be asked for.
    pub async fn claim_due(
        &self,
        worker_id: &str,
        now_us: i64,
        lease_until_us: i64,
        most: i64,
    ) -> Result<Vec<JobRow>, StoreError> {
        let rows = db_write!(self, |c| {
            let take = sqlx::query_as(TAKE_DUE).bind(worker_id).bind(lease_until_us).bind(now_us).bind(most);
            take.fetch_all(c).await
        });
        Ok(rows?)
    }

    /// The names of queues in which something waits.
    pub async fn waiting_queues(&self) -> Result<Vec<String>, StoreError> {
        let mut queues: Vec<String> = Vec::new();
        loop {
            let after = queues.last().map_or("", String::as_str);
            let next: Option<String> = db!(self, |c| sqlx::query_scalar(NEXT_QUEUE).bind(after).fetch_one(c).await)?;
            match next {
                Some(queue) => queues.push(queue),
                None => return Ok(queues),
            }
        }
    }

    /// A worker's sign of life: everything it runs is its until `lease_until_us`. What is missing from the answer is not
    /// its any more.
    pub async fn keep_leases(&self, worker_id: &str, lease_until_us: i64) -> Result<Vec<Kept>, StoreError> {
        let kept = db_write!(self, |c| sqlx::query_as(KEEP).bind(lease_until_us).bind(worker_id).fetch_all(c).await);
        Ok(kept?)
    }

    /// Lets scheduled jobs wait for a worker once their time has come; how many.
    pub async fn wake_jobs(&self, now_us: i64, most: i64) -> Result<u64, StoreError> {
        let woken = db_write!(self, |c| sqlx::query(WAKE)
            .bind(now_us)
            .bind(most)
            .execute(c)
            .await
            .map(|done| done.rows_affected()));
        Ok(woken?)
    }

    /// Running jobs whose worker gave no sign of life in time.
    pub async fn lost_jobs(&self, now_us: i64, most: i64) -> Result<Vec<JobRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(LOST).bind(now_us).bind(most).fetch_all(c).await)?)
    }

    /// Jobs that nobody runs and whose deadline has passed.
    pub async fn overdue_jobs(&self, now_us: i64, most: i64) -> Result<Vec<JobRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OVERDUE).bind(now_us).bind(most).fetch_all(c).await)?)
    }
}

/// Whose turn it is.
struct Turns<'a> {
    claim: &'a Claim<'a>,
    /// By tenant: how many of its jobs run.
    busy: HashMap<String, usize>,
    candidates: HashMap<String, Vec<(i64, String)>>,
}

impl<'a> Turns<'a> {
    fn new(claim: &'a Claim<'a>, busy: Vec<(String, i64)>) -> Self {
        let busy = busy.into_iter().map(|(tenant, count)| (tenant, usize::try_from(count).unwrap_or(0))).collect();
        Self { claim, busy, candidates: HashMap::new() }
    }

    /// Adds what was read of some lanes. The last of them may have been cut off: unless it is the only one, or the end of
    /// all, it is left for the next read. How many lanes, and the last that was added.
    fn add(&mut self, rows: Vec<Waiting>, is_end: bool) -> (usize, Option<Lane>) {
        let mut lanes: Vec<(Lane, Vec<(i64, String)>)> = Vec::new();
        for row in rows {
            let lane = Lane { tenant: row.tenant, model: row.model };
            match lanes.last_mut() {
                Some((last, jobs)) if *last == lane => jobs.push((row.rank_us, row.id)),
                _ => lanes.push((lane, vec![(row.rank_us, row.id)])),
            }
        }
        if lanes.len() > 1 && !is_end {
            lanes.pop();
        }
        let last = lanes.last().map(|(lane, _)| lane.clone());
        let count = lanes.len();
        for (lane, mut jobs) in lanes {
            let room = (self.claim.room)(&lane);
            let free = room.saturating_sub(self.busy.get(&lane.tenant).copied().unwrap_or(0));
            jobs.truncate(free);
            self.candidates.entry(lane.tenant).or_default().append(&mut jobs);
        }
        (count, last)
    }

    fn choose(self) -> Vec<String> {
        let mut turns: Vec<(usize, i64, String)> = Vec::new();
        for (tenant, mut jobs) in self.candidates {
            jobs.sort_unstable();
            // A claim that went around once may have seen a lane twice.
            jobs.dedup();
            let busy = self.busy.get(&tenant).copied().unwrap_or(0);
            turns.extend(jobs.into_iter().enumerate().map(|(turn, (rank, id))| (busy + turn, rank, id)));
        }
        turns.sort_unstable();
        turns.truncate(self.claim.most);
        turns.into_iter().map(|(_, _, id)| id).collect()
    }
}
