//! What requests produced, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Db, Page, StoreError,
    events::{NewEvent, events},
    jobs::{CHANGE_REQUEST, INSERT_JOBS, JobRow, RequestChange, SET_RESULT},
    outbox::{INSERT_OUTBOX, OutboxRow},
    rows::{insert_rows, write_rows},
    sql::Sql,
};

/// A row of `deliverables`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct DeliverableRow {
    pub id: String,
    pub request_id: String,
    pub org_id: String,
    pub instance_id: String,
    /// `text`, `image_url`, `audio_url`, `video_url` or `json`.
    pub content_type: String,
    pub content: String,
    pub provider_response: Option<Value>,
    /// 0 to 1.
    pub quality_score: f64,
    /// `{"passed", "approved", "issues": [...], …}`.
    pub quality_metadata: Value,
    /// `pending_review`, `approved`, `rejected`, `processing`, `delivered` or `failed`.
    pub status: String,
    /// `{"content", "content_type"}` once it is delivered.
    pub final_output: Option<Value>,
    /// `{"steps": [...]}`.
    pub post_processing_chain: Option<Value>,
    pub post_processing_status: Option<String>,
    /// Who reviews it now, and until when it is theirs.
    pub claimed_by: Option<String>,
    pub claimed_until_us: Option<i64>,
    pub reviewed_by: Option<String>,
    pub reviewed_us: Option<i64>,
    pub review_reason: Option<String>,
    pub delivered_us: Option<i64>,
    pub created_us: i64,
    pub updated_us: i64,
}

pub(in crate::store) const INSERT_DELIVERABLES: Sql = insert_rows!("deliverables";
    text id, text request_id, text org_id, text instance_id, text content_type, text content, json provider_response,
    real quality_score, json quality_metadata, text status, json final_output, json post_processing_chain,
    text post_processing_status, text claimed_by, int claimed_until_us, text reviewed_by, int reviewed_us,
    text review_reason, int delivered_us, int created_us, int updated_us);

/// An item of the review desk: what waits, and what it was made for.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct PendingRow {
    #[sqlx(flatten)]
    pub deliverable: DeliverableRow,
    pub query: String,
    pub app_id: String,
    pub task_type: String,
    pub provider: String,
    pub model: String,
    pub requested_us: i64,
}

/// What a reviewer decided.
#[derive(Debug, Clone)]
pub struct Review<'a> {
    /// As the deliverable is from now on.
    pub after: &'a DeliverableRow,
    pub reviewer: &'a str,
    pub now_us: i64,
    pub request: &'a RequestChange,
    /// The job that tries again; without one the request is over.
    pub job: Option<&'a JobRow>,
    pub events: &'a [NewEvent],
    pub outbox: &'a [OutboxRow],
}

/// Whether a decision was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reviewed {
    Done,
    /// Somebody has decided already; what it is now.
    Status(String),
    /// Another reviewer has it.
    Claimed,
}

macro_rules! columns {
    ($prefix:literal) => {
        concat!(
            $prefix,
            "id, ",
            $prefix,
            "request_id, ",
            $prefix,
            "org_id, ",
            $prefix,
            "instance_id, ",
            $prefix,
            "content_type, ",
            $prefix,
            "content, ",
            $prefix,
            "provider_response, ",
            $prefix,
            "quality_score, ",
            $prefix,
            "quality_metadata, ",
            $prefix,
            "status, ",
            $prefix,
            "final_output, ",
            $prefix,
            "post_processing_chain, ",
            $prefix,
            "post_processing_status, ",
            $prefix,
            "claimed_by, ",
            $prefix,
            "claimed_until_us, ",
            $prefix,
            "reviewed_by, ",
            $prefix,
            "reviewed_us, ",
            $prefix,
            "review_reason, ",
            $prefix,
            "delivered_us, ",
            $prefix,
            "created_us, ",
            $prefix,
            "updated_us"
        )
    };
}

const ONE: &str = concat!("SELECT ", columns!(""), " FROM deliverables WHERE id = $1");
const OF_REQUEST: &str =
    concat!("SELECT ", columns!(""), " FROM deliverables WHERE request_id = $1 ORDER BY created_us, id");
const PENDING: &str = concat!(
    "SELECT ",
    columns!("d."),
    ", b.query, r.app_id, r.task_type, r.provider, r.model, r.created_us AS requested_us
     FROM deliverables d JOIN requests r ON r.id = d.request_id JOIN request_bodies b ON b.request_id = d.request_id
     WHERE d.instance_id = $1 AND d.status = 'pending_review' AND (d.created_us, d.id) > ($2, $3)
         AND r.status IN ('pending', 'queued', 'processing')
     ORDER BY d.created_us, d.id LIMIT $4"
);
const CLAIM: &str = concat!(
    "UPDATE deliverables SET claimed_by = $2, claimed_until_us = $3
     WHERE id = $1 AND status = 'pending_review' AND (claimed_by IS NULL OR claimed_by = $2 OR claimed_until_us <= $4)
     RETURNING ",
    columns!("")
);
const RELEASE: &str = "UPDATE deliverables SET claimed_by = NULL, claimed_until_us = NULL
    WHERE id = $1 AND status = 'pending_review' AND claimed_by = $2";
const DECIDE: &str = "UPDATE deliverables SET status = $2, content = $3, final_output = $4, quality_metadata = $5,
        reviewed_by = $6, reviewed_us = $7, review_reason = $8, delivered_us = $9, updated_us = $7,
        claimed_by = NULL, claimed_until_us = NULL
    WHERE id = $1 AND status = 'pending_review' AND (claimed_by IS NULL OR claimed_by = $6 OR claimed_until_us <= $7)";
// What else waits for a decision about the same request has lost its meaning.
pub(in crate::store) const SUPERSEDE: &str =
    "UPDATE deliverables SET status = 'rejected', review_reason = 'another result was delivered', updated_us = $2
    WHERE request_id = $1 AND status = 'pending_review'";
const HOLD_JOB: Sql =
    Sql { sqlite: "SELECT id FROM jobs WHERE id = $1", postgres: "SELECT id FROM jobs WHERE id = $1 FOR UPDATE" };
const DROP_JOB: &str = "DELETE FROM jobs WHERE id = $1";
const SET_KIND: &str = "UPDATE requests SET kind = $2 WHERE id = $1";

impl Db {
    /// The deliverable with this id.
    pub async fn deliverable(&self, id: &str) -> Result<Option<DeliverableRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ONE).bind(id).fetch_optional(c).await)?)
    }

    /// Everything that a request produced, oldest first.
    pub async fn deliverables_of(&self, request_id: &str) -> Result<Vec<DeliverableRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OF_REQUEST).bind(request_id).fetch_all(c).await)?)
    }

    /// What waits for a person in an instance, oldest first, after the one with this time and id.
    pub async fn pending_deliverables(&self, instance_id: &str, page: &Page) -> Result<Vec<PendingRow>, StoreError> {
        let (time, id) = (page.time().unwrap_or(i64::MIN), page.id().unwrap_or_default());
        let rows = db!(self, |c| {
            sqlx::query_as(PENDING).bind(instance_id).bind(time).bind(id).bind(page.limit).fetch_all(c).await
        });
        Ok(rows?)
    }

    /// Gives a reviewer an item until a time; `None` when it is another's or not waiting any more.
    pub async fn claim_review(
        &self,
        id: &str,
        reviewer: &str,
        now_us: i64,
        until_us: i64,
    ) -> Result<Option<DeliverableRow>, StoreError> {
        let claimed = db_write!(self, |c| {
            sqlx::query_as(CLAIM).bind(id).bind(reviewer).bind(until_us).bind(now_us).fetch_optional(c).await
        });
        Ok(claimed?)
    }

    /// Gives an item back; `false` when it was not the reviewer's.
    pub async fn release_review(&self, id: &str, reviewer: &str) -> Result<bool, StoreError> {
        let done = db_write!(self, |c| {
            sqlx::query(RELEASE).bind(id).bind(reviewer).execute(c).await.map(|done| done.rows_affected() == 1)
        });
        Ok(done?)
    }

    /// Writes a decision with everything that follows from it, if the item still waits and its request is not over.
    pub async fn review(&self, review: &Review<'_>) -> Result<Reviewed, StoreError> {
        if self.write_review(review).await? {
            return Ok(Reviewed::Done);
        }
        self.not_reviewed(&review.after.id, review.reviewer, review.now_us).await
    }

    async fn write_review(&self, review: &Review<'_>) -> Result<bool, StoreError> {
        let after = review.after;
        tx!(self, |t| {
            // Jobs first, as everywhere: two who change the same request wait for each other and do not block each other.
            sqlx::query(HOLD_JOB.of(self)).bind(&after.request_id).fetch_optional(&mut *t).await?;
            let decide = bind!(sqlx::query(DECIDE), after; id, status, content, final_output, quality_metadata);
            let decide = decide.bind(review.reviewer).bind(review.now_us).bind(&after.review_reason);
            if decide.bind(after.delivered_us).execute(&mut *t).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let change = sqlx::query(CHANGE_REQUEST.of(self)).bind(sqlx::types::Json([review.request]));
            if change.execute(&mut *t).await?.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(DROP_JOB).bind(&after.request_id).execute(&mut *t).await?;
            sqlx::query(SUPERSEDE).bind(&after.request_id).bind(review.now_us).execute(&mut *t).await?;
            if let Some(job) = review.job {
                sqlx::query(SET_KIND).bind(&after.request_id).bind(&job.kind).execute(&mut *t).await?;
                write_rows!(self, t, INSERT_JOBS, [job]);
            }
            if review.request.result.is_some() {
                write_rows!(self, t, SET_RESULT, [review.request]);
            }
            write_rows!(self, t, INSERT_OUTBOX, review.outbox);
            events!(self, t, review.events.iter().collect());
        });
        Ok(true)
    }

    /// Why a decision was not taken.
    async fn not_reviewed(&self, id: &str, reviewer: &str, now_us: i64) -> Result<Reviewed, StoreError> {
        let row = self.deliverable(id).await?.ok_or(StoreError::NotFound)?;
        let is_claimed = row.claimed_by.as_deref().is_some_and(|by| by != reviewer)
            && row.claimed_until_us.is_some_and(|until_us| until_us > now_us);
        if row.status == "pending_review" && is_claimed {
            return Ok(Reviewed::Claimed);
        }
        // Its request is over.
        Ok(Reviewed::Status(if row.status == "pending_review" { "superseded".to_owned() } else { row.status }))
    }
}
