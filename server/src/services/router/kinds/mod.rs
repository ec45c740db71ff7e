//! The kinds of jobs. To add one: write its file and put it into [`Kinds::all`].

mod external;
mod noop;
mod remote;
mod text;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;

use super::Inner;
use crate::{
    services::delivery::Output,
    store::jobs::{BodyRow, JobRow, RequestRow},
};

/// What callers may ask for.
pub const TASK_TYPES: [&str; 5] = ["text", "image", "audio", "video", "context"];

/// A job with what it needs.
pub struct Work {
    pub job: JobRow,
    /// Of a job that is a request's own.
    pub request: Option<(RequestRow, BodyRow)>,
}

/// How one execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It produced something, which is assessed and delivered.
    Done {
        output: Output,
        call_id: Option<String>,
    },
    /// It is over and produced nothing.
    Over,
    Failed(Failure),
    /// Not now; it costs no attempt. `closes`: the tenant's other jobs for the model have to wait for the same reason.
    Snoozed {
        until_us: i64,
        reason: String,
        closes: bool,
    },
    /// It goes on outside: ask again at this time.
    Remote {
        remote_id: Option<String>,
        remote: Value,
        ask_at_us: i64,
        reason: String,
    },
    /// A person has to decide.
    Held {
        remote: Value,
        reason: String,
    },
    Cancelled,
    /// Given back as it was.
    Released,
}

/// Why an execution failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub class: String,
    pub message: String,
    pub is_retryable: bool,
    /// Not before so many microseconds have passed.
    pub wait_us: Option<i64>,
    /// The provider is to blame, which counts for its breaker.
    pub is_providers: bool,
    pub call_id: Option<String>,
}

/// A kind of job.
#[async_trait]
pub trait Kind: Send + Sync {
    fn name(&self) -> &'static str;

    /// Does the work. Dropped when it is cancelled or its lease is lost.
    async fn run(&self, router: &Inner, work: &mut Work) -> Outcome;

    /// Tells whoever has it that it is not wanted any more.
    async fn stop(&self, _router: &Inner, _work: &Work) {}

    /// It is ours alone: no provider, so no limit of how many run at once.
    fn is_internal(&self) -> bool {
        false
    }
}

/// Every kind by its name.
pub struct Kinds(BTreeMap<&'static str, Arc<dyn Kind>>);

impl Kinds {
    pub fn all() -> Self {
        let kinds: [Arc<dyn Kind>; 4] =
            [Arc::new(text::Text), Arc::new(remote::Remote), Arc::new(external::External), Arc::new(noop::Noop)];
        Self(kinds.into_iter().map(|kind| (kind.name(), kind)).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Arc<dyn Kind>> {
        self.0.get(name)
    }
}

impl Failure {
    /// A failure that more tries do not mend.
    pub fn lasting(class: &str, message: impl Into<String>) -> Self {
        Self {
            class: class.to_owned(),
            message: message.into(),
            is_retryable: false,
            wait_us: None,
            is_providers: false,
            call_id: None,
        }
    }
}
