//! Accepted work. `requests` is its life and its history, `jobs` what is not over. Every change of a job is guarded by its
//! state and its epoch, in the statement that makes the change: who lost a job changes nothing any more. What a change
//! brings with it (the request's state, the result, events, calls to the caller) is written in its transaction.

mod bulk;
mod cancel;
mod claim;
mod finish;
mod gates;
mod read;
mod stats;
mod submit;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use bulk::BulkRow;
pub use cancel::Cancelled;
pub use claim::{Claim, Kept, Lane};
pub use finish::{Attempt, Ending, Guard, RequestChange, Then};
pub(in crate::store) use finish::{CHANGE_REQUEST, SET_RESULT};
pub use gates::GateRow;
pub use read::{RequestFilter, Sort};
pub use stats::QueueRow;
pub(in crate::store) use submit::INSERT_JOBS;
pub use submit::{Idempotency, Submission};

/// Waiting this long counts as much as one point of priority.
pub const AGEING_US: i64 = 60_000_000;

/// A row of `requests`. Times are microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct RequestRow {
    pub id: String,
    pub org_id: String,
    pub instance_id: String,
    pub project_id: Option<String>,
    pub key_id: Option<String>,
    pub user_id: Option<String>,
    /// The caller's application.
    pub app_id: String,
    pub batch_id: Option<String>,
    /// `intake`, `text`, `fal`, `replicate`, `console`.
    pub surface: String,
    /// Which kind of job runs it.
    pub kind: String,
    pub task_type: String,
    pub subtask: Option<String>,
    pub provider: String,
    pub model: String,
    /// `pending`, `queued`, `processing`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// The beginning of the query.
    pub title: String,
    pub priority: i64,
    /// `{"items": [...]}`.
    pub tags: Value,
    /// Of its last job.
    pub epoch: i64,
    pub retry_count: i64,
    pub max_retries: i64,
    pub error_message: Option<String>,
    pub error_class: Option<String>,
    pub callback_url: Option<String>,
    pub run_at_us: i64,
    pub deadline_us: Option<i64>,
    pub created_us: i64,
    pub queued_us: Option<i64>,
    pub started_us: Option<i64>,
    pub completed_us: Option<i64>,
}

/// A row of `request_bodies`.
#[derive(Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct BodyRow {
    pub request_id: String,
    pub query: String,
    /// What its kind of job needs.
    pub input: Value,
    /// The caller's own.
    pub metadata: Value,
    pub result: Option<Value>,
}

/// What callers said does not show up in logs.
impl std::fmt::Debug for BodyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyRow").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// A row of `jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct JobRow {
    /// The request's id, where it is the request's own job.
    pub id: String,
    pub request_id: Option<String>,
    pub org_id: String,
    /// Who asked for it, if it was a person.
    pub user_id: Option<String>,
    pub kind: String,
    /// The provider.
    pub queue: String,
    /// The instance.
    pub tenant: String,
    pub model: String,
    /// `scheduled`, `waiting`, `running`, `remote` or `held`.
    pub state: String,
    pub priority: i64,
    /// The smallest goes first: see [`rank_us`].
    pub rank_us: i64,
    /// Not before; of a remote job: when to ask for it again.
    pub run_at_us: i64,
    pub deadline_us: Option<i64>,
    /// Times it was started.
    pub attempt: i64,
    pub max_attempts: i64,
    /// Grows with each claim.
    pub epoch: i64,
    pub worker_id: Option<String>,
    pub lease_until_us: Option<i64>,
    pub claimed_us: Option<i64>,
    /// When somebody asked for it to be cancelled.
    pub cancel_us: Option<i64>,
    /// Why it does not run.
    pub reason: Option<String>,
    /// No other live job of the tenant has it.
    pub unique_key: Option<String>,
    /// The provider's own id for it.
    pub remote_id: Option<String>,
    /// What its kind keeps of the work outside.
    pub remote: Value,
    pub payload: Value,
    pub created_us: i64,
}

/// The place in a queue: the time of arrival, a minute earlier for each point of priority.
pub fn rank_us(arrived_us: i64, priority: i64) -> i64 {
    arrived_us.saturating_sub(priority.saturating_mul(AGEING_US))
}
