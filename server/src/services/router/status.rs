//! Where a request stands, and why.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Inner, Receipt, Router, RouterError, gates::Gates};
use crate::{
    clock::rfc3339,
    services::identity::{Caller, Deed, Place, may},
    store::{
        StoreError,
        jobs::{Attempt, BodyRow, JobRow, Lane, QueueRow, RequestRow},
    },
};

/// Places in a queue are counted so far.
const COUNTED: i64 = 10_000;

/// Everything about one request.
#[derive(Debug, Clone)]
pub struct State {
    pub request: RequestRow,
    pub body: BodyRow,
    /// While it is not over.
    pub job: Option<JobRow>,
    pub attempts: Vec<Attempt>,
    pub standing: Option<Standing>,
}

/// Where a live job stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Standing {
    /// 1 is the next of its queue.
    pub queue_position: Option<i64>,
    pub estimated_wait_ms: Option<i64>,
    pub measured_wait_ms: Option<i64>,
    /// Why it does not run now.
    pub reason: Option<String>,
}

impl Router {
    /// A request, if the caller may know of it; for everyone else it does not exist.
    pub async fn find(&self, caller: &Caller, id: &str, deed: Deed) -> Result<RequestRow, RouterError> {
        let request = self.0.db.work_request(id).await?.ok_or(RouterError::NotFound)?;
        let place = Place::Instance { org_id: &request.org_id, instance_id: &request.instance_id };
        match may(caller, deed, place) {
            Ok(()) => Ok(request),
            Err(crate::services::identity::Denied::Elsewhere) => Err(RouterError::NotFound),
            Err(denied) => Err(denied.into()),
        }
    }

    /// Everything about a request.
    pub async fn state(&self, caller: &Caller, id: &str, deed: Deed) -> Result<State, RouterError> {
        let request = self.find(caller, id, deed).await?;
        let body = self.0.db.work_body(id).await?.ok_or(RouterError::NotFound)?;
        let job = self.0.db.job(id).await?;
        let standing = match &job {
            Some(job) => Some(self.0.standing(&request, job).await?),
            None => None,
        };
        Ok(State { attempts: self.0.db.attempts(id).await?, request, body, job, standing })
    }

    /// Waits until a request is over, at most so long; how it is then.
    pub async fn wait(&self, id: &str, longest: Duration) -> Result<RequestRow, RouterError> {
        let until = Instant::now() + longest;
        loop {
            let told = self.0.told.notified();
            let request = self.0.db.work_request(id).await?.ok_or(RouterError::NotFound)?;
            if matches!(request.status.as_str(), "completed" | "failed" | "cancelled") || Instant::now() >= until {
                return Ok(request);
            }
            // Another process may have done it.
            let _ = tokio::time::timeout_at(until.min(Instant::now() + Duration::from_millis(500)), told).await;
        }
    }

    /// The queues of this deployment, as the original's router told of itself.
    pub async fn overview(&self, caller: &Caller) -> Result<Value, RouterError> {
        may(caller, Deed::Administer, caller.place())?;
        let live = self.0.db.live_jobs().await?;
        let count = |states: &[&str]| -> i64 {
            live.iter().filter(|row| states.contains(&row.state.as_str())).map(|row| row.count).sum()
        };
        let ended = self.0.db.ended_since(0).await?;
        let over = |status: &str| -> i64 { ended.iter().filter(|row| row.status == status).map(|row| row.count).sum() };
        let (queued, processing) = (count(&["waiting", "scheduled"]), count(&["running", "remote", "held"]));
        let mut queues: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for row in &live {
            let queue = queues.entry(&row.queue).or_default();
            match row.state.as_str() {
                "waiting" | "scheduled" => queue.0 += row.count,
                _ => queue.1 += row.count,
            }
        }
        let queues: serde_json::Map<String, Value> = queues
            .into_iter()
            .map(|(queue, (length, running))| {
                (queue.to_owned(), json!({ "queue_length": length, "processing": running }))
            })
            .collect();
        Ok(json!({
            "total_requests": queued + processing + over("completed") + over("failed") + over("cancelled"),
            "pending_requests": 0,
            "queued_requests": queued,
            "processing_requests": processing,
            "completed_requests": over("completed"),
            "failed_requests": over("failed"),
            "provider_queues": queues,
        }))
    }

    /// Where the request's job stands, while it has one.
    pub async fn standing(&self, request: &RequestRow) -> Result<Option<Standing>, RouterError> {
        match self.0.db.job(&request.id).await? {
            Some(job) => Ok(Some(self.0.standing(request, &job).await?)),
            None => Ok(None),
        }
    }
}

impl Inner {
    pub(super) async fn standing(&self, request: &RequestRow, job: &JobRow) -> Result<Standing, StoreError> {
        if !matches!(job.state.as_str(), "waiting" | "scheduled") {
            let reason = match job.state.as_str() {
                "running" => None,
                _ => job.reason.clone(),
            };
            return Ok(Standing { queue_position: None, estimated_wait_ms: None, measured_wait_ms: None, reason });
        }
        let position = self.position(job).await?;
        let receipt = self.receipt(request, position);
        let measured_wait_ms = self.measured(&self.db.queue_stats().await?, &job.queue, position);
        Ok(Standing {
            queue_position: Some(position),
            estimated_wait_ms: Some(receipt.estimated_wait_ms),
            measured_wait_ms,
            reason: Some(self.reason(job, position).await?),
        })
    }

    /// The place among those that wait for the same provider.
    async fn position(&self, job: &JobRow) -> Result<i64, StoreError> {
        let before = self.db.jobs_before(&job.queue, job.rank_us, &job.id, COUNTED).await?;
        if before < COUNTED {
            return Ok(before + 1);
        }
        // Behind that, the sample of the queue is near enough.
        let stats = self.db.queue_stats().await?;
        let depth: i64 = stats.iter().filter(|row| row.provider == job.queue).map(|row| row.queued_count).sum();
        Ok(depth.max(COUNTED) + 1)
    }

    /// Why a job waits.
    async fn reason(&self, job: &JobRow, position: i64) -> Result<String, StoreError> {
        if job.state == "scheduled" {
            let until = rfc3339(job.run_at_us);
            return Ok(match &job.reason {
                Some(reason) => format!("{reason}; it goes on at {until}"),
                None => format!("it was asked for at {until}"),
            });
        }
        let lane = Lane { tenant: job.tenant.clone(), model: job.model.clone() };
        let closed = self.db.gates(self.now_us()).await?;
        if let Some(gate) = closed.iter().find(|gate| gate.closes(&job.queue, &lane)) {
            return Ok(match (gate.kind.as_str(), gate.until_us) {
                ("pause", _) => format!("paused by {}: {}", gate.actor_name, gate.reason),
                ("drain", _) => format!("drained by {}: {}", gate.actor_name, gate.reason),
                (_, Some(until_us)) => format!("{} until {}", gate.reason, rfc3339(until_us)),
                (_, None) => gate.reason.clone(),
            });
        }
        let passage = self.breakers.lock().passage(&job.queue, self.now_us());
        let gates = Gates::new(closed, self.catalog.snapshot());
        let room = gates.room(&job.queue, &lane, passage, &self.kinds);
        Ok(if position > 1 {
            format!("{} of {} go before it", position - 1, job.queue)
        } else {
            format!("{} works on as many as it may at once ({room})", job.queue)
        })
    }

    /// What the caller is told when work is accepted.
    pub(super) fn receipt(&self, request: &RequestRow, position: i64) -> Receipt {
        Receipt {
            request_id: request.id.clone(),
            status: request.status.clone(),
            queue_position: position,
            estimated_wait_ms: estimate_ms(&request.provider, &request.task_type).saturating_mul(position),
            measured_wait_ms: None,
            provider: request.provider.clone(),
            model: request.model.clone(),
            task_type: request.task_type.clone(),
        }
    }

    /// From how fast the queue was in the last minutes.
    fn measured(&self, stats: &[QueueRow], queue: &str, position: i64) -> Option<i64> {
        let of_queue = stats.iter().filter(|row| row.provider == queue && row.completed_today > 0);
        let (time, done) = of_queue.fold((0_i64, 0_i64), |(time, done), row| {
            (time + row.avg_processing_time_ms * row.completed_today, done + row.completed_today)
        });
        (done > 0).then(|| time / done * position)
    }
}

/// What the original's router expected one request to take.
fn estimate_ms(provider: &str, task_type: &str) -> i64 {
    match (provider, task_type) {
        ("anthropic", "text") => 2_000,
        ("openai", "text") => 1_500,
        ("ideogram", "image") => 15_000,
        ("gemini" | "google", "image") => 10_000,
        ("gemini" | "google", "context") => 20_000,
        ("elevenlabs", "audio") => 5_000,
        ("shotstack", "video") => 60_000,
        _ => 5_000,
    }
}
