//! Calls to our callers' addresses, born in the transaction of what they tell.

use serde::{Deserialize, Serialize};

use sqlx::types::Json;

use super::{
    Db, StoreError,
    audit::{AuditEntry, audit},
    rows::{insert_rows, over_rows},
    sql::Sql,
};

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

/// A row of `outbox_attempts`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct CallAttempt {
    pub outbox_id: String,
    pub attempt: i64,
    pub started_us: i64,
    pub duration_us: i64,
    pub http_status: Option<i64>,
    pub error: Option<String>,
    /// The beginning of what the receiver answered.
    pub answer: Option<String>,
}

/// A call that is due.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct DueCall {
    pub id: String,
    pub url: String,
    pub next_attempt_us: i64,
}

/// What an attempt makes of a call.
#[derive(Debug, Clone)]
pub struct CallEnd<'a> {
    pub attempt: &'a CallAttempt,
    /// Of the one who claimed it.
    pub epoch: i64,
    pub state: &'a str,
    pub next_attempt_us: i64,
    pub now_us: i64,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

macro_rules! columns {
    () => {
        "id, org_id, instance_id, request_id, url, body, state, attempts, epoch, next_attempt_us, lease_until_us,
         last_status, last_error, created_us, completed_us"
    };
}

const DUE: &str = "SELECT id, url, next_attempt_us FROM outbox
    WHERE state = 'pending' AND next_attempt_us <= $1 AND (next_attempt_us, id) > ($2, $3)
        AND (lease_until_us IS NULL OR lease_until_us <= $1)
    ORDER BY next_attempt_us, id LIMIT $4";
// Whether it is free is looked at again where it is taken.
const TAKE: Sql = over_rows!(
    "UPDATE outbox SET lease_until_us = $2, epoch = epoch + 1
     WHERE state = 'pending' AND (lease_until_us IS NULL OR lease_until_us <= $3)
         AND id IN (SELECT x.value ->> 'id' FROM",
    ") RETURNING *"
);
const DEFER: Sql = over_rows!(
    "UPDATE outbox SET next_attempt_us = $2
     WHERE state = 'pending' AND (lease_until_us IS NULL OR lease_until_us <= $3) AND next_attempt_us < $2
         AND id IN (SELECT x.value ->> 'id' FROM",
    ")"
);
const END: &str =
    "UPDATE outbox SET state = $3, attempts = $4, next_attempt_us = $5, last_status = $6, last_error = $7,
        completed_us = CASE WHEN $3 = 'pending' THEN NULL ELSE $8 END, lease_until_us = NULL
    WHERE id = $1 AND epoch = $2 AND state = 'pending'";
const NOTE: &str =
    "INSERT INTO outbox_attempts (outbox_id, attempt, started_us, duration_us, http_status, error, answer)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (outbox_id, attempt) DO NOTHING";
const ONE: &str = concat!("SELECT ", columns!(), " FROM outbox WHERE id = $1");
const OF_REQUEST: &str =
    concat!("SELECT ", columns!(), " FROM outbox WHERE request_id = $1 ORDER BY created_us, id LIMIT 1000");
const ATTEMPTS: &str = "SELECT outbox_id, attempt, started_us, duration_us, http_status, error, answer
    FROM outbox_attempts WHERE outbox_id = $1 ORDER BY attempt";
const REPLAY: &str = "UPDATE outbox SET state = 'pending', next_attempt_us = $2, completed_us = NULL,
        lease_until_us = NULL, epoch = epoch + 1
    WHERE id = $1 AND (lease_until_us IS NULL OR lease_until_us <= $2)";
const SECRET: &str = "SELECT version, until_us FROM callback_secrets WHERE instance_id = $1";
const ROTATE: &str = "INSERT INTO callback_secrets (instance_id, version, until_us, updated_us) VALUES ($1, 2, $2, $3)
    ON CONFLICT (instance_id) DO UPDATE SET version = callback_secrets.version + 1, until_us = excluded.until_us,
        updated_us = excluded.updated_us
    RETURNING version, until_us";

impl Db {
    /// Calls that are due and that nobody makes now, in the order of their times, after the one with this time and id.
    pub async fn due_calls(
        &self,
        now_us: i64,
        after: Option<(i64, &str)>,
        limit: i64,
    ) -> Result<Vec<DueCall>, StoreError> {
        let (time, id) = after.unwrap_or((i64::MIN, ""));
        let rows = db!(self, |c| sqlx::query_as(DUE).bind(now_us).bind(time).bind(id).bind(limit).fetch_all(c).await);
        Ok(rows?)
    }

    /// Takes those of these calls that are still free, until the end of the lease.
    pub async fn take_calls(
        &self,
        ids: &[&str],
        lease_until_us: i64,
        now_us: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
        let rows = db_write!(self, |c| {
            let query = sqlx::query_as(TAKE.of(self)).bind(Json(&ids)).bind(lease_until_us).bind(now_us);
            query.fetch_all(c).await
        });
        Ok(rows?)
    }

    /// Puts calls off; it costs them no attempt.
    pub async fn defer_calls(&self, ids: &[&str], until_us: i64, now_us: i64) -> Result<(), StoreError> {
        let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
        let done = db_write!(self, |c| {
            let query = sqlx::query(DEFER.of(self)).bind(Json(&ids)).bind(until_us).bind(now_us);
            query.execute(c).await.map(drop)
        });
        Ok(done?)
    }

    /// Writes down an attempt; `false` when the call is somebody else's by now.
    pub async fn end_call(&self, end: &CallEnd<'_>) -> Result<bool, StoreError> {
        let attempt = end.attempt;
        Ok(tx!(self, |t| {
            let query = sqlx::query(END).bind(&attempt.outbox_id).bind(end.epoch).bind(end.state).bind(attempt.attempt);
            let query = query.bind(end.next_attempt_us).bind(attempt.http_status).bind(&attempt.error).bind(end.now_us);
            let is_own = query.execute(&mut *t).await?.rows_affected() == 1;
            let note = bind!(sqlx::query(NOTE), attempt;
                outbox_id, attempt, started_us, duration_us, http_status, error, answer);
            note.execute(&mut *t).await?;
            is_own
        }))
    }

    /// The call with this id.
    pub async fn call(&self, id: &str) -> Result<Option<OutboxRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ONE).bind(id).fetch_optional(c).await)?)
    }

    /// What a request's address was told, oldest first.
    pub async fn calls_of(&self, request_id: &str) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OF_REQUEST).bind(request_id).fetch_all(c).await)?)
    }

    /// The attempts of a call, in their order.
    pub async fn call_attempts(&self, id: &str) -> Result<Vec<CallAttempt>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ATTEMPTS).bind(id).fetch_all(c).await)?)
    }

    /// Makes a call due again, whatever became of it; `false` when it is being made just now.
    pub async fn replay_call(&self, id: &str, now_us: i64) -> Result<bool, StoreError> {
        let done = db_write!(self, |c| {
            sqlx::query(REPLAY).bind(id).bind(now_us).execute(c).await.map(|done| done.rows_affected() == 1)
        });
        Ok(done?)
    }

    /// The version of an instance's callback secret, and until when the one before signs, too.
    pub async fn callback_secret(&self, instance_id: &str) -> Result<(i64, i64), StoreError> {
        let found = db!(self, |c| sqlx::query_as(SECRET).bind(instance_id).fetch_optional(c).await)?;
        Ok(found.unwrap_or((1, 0)))
    }

    /// The next version; the one before signs until `until_us`, too.
    pub async fn rotate_callback_secret(
        &self,
        instance_id: &str,
        until_us: i64,
        now_us: i64,
        entry: &AuditEntry,
    ) -> Result<(i64, i64), StoreError> {
        Ok(tx!(self, |t| {
            let rotated: (i64, i64) =
                sqlx::query_as(ROTATE).bind(instance_id).bind(until_us).bind(now_us).fetch_one(&mut *t).await?;
            audit!(t, entry);
            rotated
        }))
    }
}
