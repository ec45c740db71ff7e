//! Looking at work: one request, lists by key, places in a queue.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::QueryBuilder;

use super::{Attempt, BodyRow, JobRow, RequestRow};
use crate::store::{Db, Page, StoreError, rows::over_rows, sql::Sql};

/// Which requests to list; empty fields do not filter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RequestFilter {
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub status: Option<String>,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub task_type: Option<String>,
    pub app_id: Option<String>,
    pub batch_id: Option<String>,
    pub surface: Option<String>,
    pub error_class: Option<String>,
    pub from_us: Option<i64>,
    pub until_us: Option<i64>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    NewestFirst,
    OldestFirst,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

const REQUEST: &str = "SELECT * FROM requests WHERE id = $1";
const BODY: &str = "SELECT * FROM request_bodies WHERE request_id = $1";
const JOB: &str = "SELECT * FROM jobs WHERE id = $1";
const ATTEMPTS: &str = "SELECT * FROM job_attempts WHERE request_id = $1 ORDER BY epoch LIMIT 1000";
const REQUESTS_OF: Sql = over_rows!("SELECT * FROM requests WHERE id IN (SELECT x.value ->> 'id' FROM", ")");
const BODIES_OF: Sql =
    over_rows!("SELECT * FROM request_bodies WHERE request_id IN (SELECT x.value ->> 'id' FROM", ")");
const JOBS_OF: Sql = over_rows!("SELECT * FROM jobs WHERE id IN (SELECT x.value ->> 'id' FROM", ")");
const POSITION: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs
    WHERE queue = $1 AND state = 'waiting' AND (rank_us, id) < ($2, $3) LIMIT $4) before";
const NEXT_DUE: &str = "SELECT MIN(due) FROM (
    SELECT MIN(run_at_us) AS due FROM jobs WHERE state = 'scheduled'
    UNION ALL SELECT MIN(run_at_us) AS due FROM jobs WHERE state = 'remote') next";
const TIME: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
const NOTE_REMOTE: &str = "UPDATE jobs SET remote = $1, remote_id = $2, payload = $3, attempt = $4
    WHERE id = $5 AND epoch = $6 AND state = 'running'";
const HINT: &str = "UPDATE jobs SET remote = $1, run_at_us = $2 WHERE id = $3 AND epoch = $4 AND state = 'remote'";
const DECIDE: &str = "UPDATE jobs SET state = $1, remote = $2, remote_id = $3, run_at_us = $4, reason = NULL
    WHERE id = $5 AND epoch = $6 AND state = 'held'";
const BY_REMOTE_ID: &str = "SELECT * FROM jobs WHERE remote_id = $1 LIMIT 2";

impl Db {
    pub async fn work_request(&self, id: &str) -> Result<Option<RequestRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(REQUEST).bind(id).fetch_optional(c).await)?)
    }

    /// What was said in a request, and what came of it.
    pub async fn work_body(&self, id: &str) -> Result<Option<BodyRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(BODY).bind(id).fetch_optional(c).await)?)
    }

    /// A job that is not over.
    pub async fn job(&self, id: &str) -> Result<Option<JobRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(JOB).bind(id).fetch_optional(c).await)?)
    }

    /// Live jobs by the provider's own id; ids of two providers may be the same.
    pub async fn jobs_by_remote_id(&self, remote_id: &str) -> Result<Vec<JobRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(BY_REMOTE_ID).bind(remote_id).fetch_all(c).await)?)
    }

    /// Each time that a worker had a job of this request.
    pub async fn attempts(&self, request_id: &str) -> Result<Vec<Attempt>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ATTEMPTS).bind(request_id).fetch_all(c).await)?)
    }

    /// Requests with what was said, by id.
    pub async fn requests_of(&self, ids: &[&str]) -> Result<HashMap<String, (RequestRow, BodyRow)>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
        let ids = sqlx::types::Json(&ids);
        let (requests, bodies): (Vec<RequestRow>, Vec<BodyRow>) = snapshot!(self, |t| {
            let requests = sqlx::query_as(REQUESTS_OF.of(self)).bind(ids).fetch_all(&mut *t).await?;
            let bodies = sqlx::query_as(BODIES_OF.of(self)).bind(ids).fetch_all(&mut *t).await?;
            (requests, bodies)
        });
        let mut bodies: HashMap<String, BodyRow> =
            bodies.into_iter().map(|body| (body.request_id.clone(), body)).collect();
        let both = requests.into_iter().filter_map(|row| Some((row.id.clone(), (bodies.remove(&row.id)?, row))));
        Ok(both.map(|(id, (body, row))| (id, (row, body))).collect())
    }

    /// Live jobs by id.
    pub async fn jobs_of(&self, ids: &[&str]) -> Result<HashMap<String, JobRow>, StoreError> {
        let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
        let ids = sqlx::types::Json(&ids);
        let jobs: Vec<JobRow> = db!(self, |c| sqlx::query_as(JOBS_OF.of(self)).bind(ids).fetch_all(c).await)?;
        Ok(jobs.into_iter().map(|job| (job.id.clone(), job)).collect())
    }

    /// Requests by (time, id).
    pub async fn list_work(
        &self,
        filter: &RequestFilter,
        sort: Sort,
        page: &Page,
    ) -> Result<Vec<RequestRow>, StoreError> {
        let equal: [(&str, &Option<String>); 10] = [
            ("org_id", &filter.org_id),
            ("instance_id", &filter.instance_id),
            ("status", &filter.status),
            ("provider", &filter.provider),
            ("model", &filter.model),
            ("task_type", &filter.task_type),
            ("app_id", &filter.app_id),
            ("batch_id", &filter.batch_id),
            ("surface", &filter.surface),
            ("error_class", &filter.error_class),
        ];
        let rows = db!(self, |c| {
            let mut query = QueryBuilder::new("SELECT * FROM requests WHERE 1 = 1");
            for (column, value) in equal {
                if let Some(value) = value {
                    query.push(" AND ").push(column).push(" = ").push_bind(value);
                }
            }
            if let Some(from_us) = filter.from_us {
                query.push(" AND created_us >= ").push_bind(from_us);
            }
            if let Some(until_us) = filter.until_us {
                query.push(" AND created_us < ").push_bind(until_us);
            }
            let (order, compare) = match sort {
                Sort::NewestFirst => (" ORDER BY created_us DESC, id DESC LIMIT ", " AND (created_us, id) < ("),
                Sort::OldestFirst => (" ORDER BY created_us, id LIMIT ", " AND (created_us, id) > ("),
            };
            if let Some((time, id)) = &page.after {
                query.push(compare).push_bind(time).push(", ").push_bind(id).push(")");
            }
            query.push(order).push_bind(page.limit);
            query.build_query_as().fetch_all(c).await
        });
        Ok(rows?)
    }

    /// How many jobs of the queue go before this place; counts no further than `most`.
    pub async fn jobs_before(&self, queue: &str, rank_us: i64, id: &str, most: i64) -> Result<i64, StoreError> {
        let count = db!(self, |c| {
            sqlx::query_scalar(POSITION).bind(queue).bind(rank_us).bind(id).bind(most).fetch_one(c).await
        });
        Ok(count?)
    }

    /// When the next scheduled or remote job is due.
    pub async fn next_due(&self) -> Result<Option<i64>, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(NEXT_DUE).fetch_one(c).await)?)
    }

    /// The database's own time, where it has one.
    pub async fn time_us(&self) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(pool) => Ok(Some(sqlx::query_scalar(TIME).fetch_one(pool).await?)),
        }
    }

    /// Keeps what a worker knows of the work outside; `false` when the job is not its own any more.
    pub async fn note_remote(&self, job: &JobRow) -> Result<bool, StoreError> {
        let noted = db_write!(self, |c| {
            let query = sqlx::query(NOTE_REMOTE).bind(&job.remote).bind(&job.remote_id).bind(&job.payload);
            let query = query.bind(job.attempt).bind(&job.id).bind(job.epoch);
            query.execute(c).await.map(|done| done.rows_affected() == 1)
        });
        Ok(noted?)
    }

    /// The provider told something of remote work: it is asked for at once. `false` when nobody waits for it now.
    pub async fn hint_remote(&self, job: &JobRow, now_us: i64) -> Result<bool, StoreError> {
        let noted = db_write!(self, |c| {
            let query = sqlx::query(HINT).bind(&job.remote).bind(now_us).bind(&job.id).bind(job.epoch);
            query.execute(c).await.map(|done| done.rows_affected() == 1)
        });
        Ok(noted?)
    }

    /// A person has decided about held work: it goes on as `job` says.
    pub async fn decide_held(&self, job: &JobRow) -> Result<bool, StoreError> {
        let decided = db_write!(self, |c| {
            let query = sqlx::query(DECIDE).bind(&job.state).bind(&job.remote).bind(&job.remote_id).bind(job.run_at_us);
            query.bind(&job.id).bind(job.epoch).execute(c).await.map(|done| done.rows_affected() == 1)
        });
        Ok(decided?)
    }
}
