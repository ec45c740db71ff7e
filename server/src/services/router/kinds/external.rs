//! Work for providers that only others know: it is announced by its events, and its result is delivered from outside.

use async_trait::async_trait;
use serde_json::json;

use super::{Inner, Kind, Outcome, Work};
use crate::services::limits::{Demand, LimitError, Origin};

/// How often it is looked whether the deadline has passed; the deadline itself is watched elsewhere.
const NEVER_US: i64 = i64::MAX / 2;

pub struct External;

#[async_trait]
impl Kind for External {
    fn name(&self) -> &'static str {
        "external"
    }

    async fn run(&self, router: &Inner, work: &mut Work) -> Outcome {
        if let Some(snoozed) = reserve(router, work).await {
            return snoozed;
        }
        Outcome::Remote {
            remote_id: None,
            remote: json!({ "stage": "external" }),
            ask_at_us: NEVER_US,
            reason: format!("waiting for {} to deliver the result", work.job.queue),
        }
    }
}

/// Counts a hand-over with the limits of the provider; `None` when it may be made. How many are under way is counted by
/// the queue.
pub async fn reserve(router: &Inner, work: &Work) -> Option<Outcome> {
    let snapshot = router.catalog.snapshot();
    let job = &work.job;
    let request = work.request.as_ref().map(|(request, _)| request);
    let origin = Origin {
        org_id: &job.org_id,
        instance_id: &job.tenant,
        project_id: request.and_then(|request| request.project_id.as_deref()),
        key_id: request.and_then(|request| request.key_id.as_deref()),
        provider: &job.queue,
        model: &job.model,
    };
    let nothing = Demand { tokens: 0, micro_usd: 0 };
    let snoozed =
        |wait_us: i64, reason: String, closes| Outcome::Snoozed { until_us: router.now_us() + wait_us, reason, closes };
    match router.gateway.limiter().reserve(&snapshot.limits, &origin, nothing).await {
        Ok(reservation) => {
            drop(reservation.settle(nothing, true));
            None
        }
        Err(LimitError::Refused(refusal)) => {
            Some(snoozed(refusal.wait_s.max(1) * 1_000_000, refusal.message.clone(), true))
        }
        Err(error) => Some(snoozed(1_000_000, error.to_string(), false)),
    }
}
