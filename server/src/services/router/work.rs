//! The worker: claims what may run, runs it, and hands on how it ended.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Inner, Running, Stopped,
    gates::Gates,
    kinds::{Failure, Outcome, Work},
    results::GRACE,
};
use crate::{
    shutdown::Tasks,
    store::{
        StoreError,
        events::NewEvent,
        jobs::{Claim, GateRow, JobRow},
    },
};

/// Most scheduled jobs that are woken at once.
const WAKE: i64 = 1_000;

pub async fn keep(inner: Arc<Inner>, tasks: Tasks) {
    let stop = tasks.token();
    while !stop.is_cancelled() {
        let round = inner.round().await;
        tasks.ran("job claims", &round);
        let wait = match round {
            Ok(Round { is_full: true, .. }) => continue,
            Ok(Round { next_due_us: Some(due_us), .. }) => {
                let until = u64::try_from((due_us - inner.now_us()).max(1_000)).unwrap_or(0);
                Duration::from_micros(until).min(inner.settings.poll)
            }
            Ok(_) => inner.settings.poll,
            Err(error) => {
                tracing::warn!(%error, "no work can be claimed");
                inner.settings.poll
            }
        };
        // Spread, so that replicas do not look all at once.
        let wait = wait.mul_f64(0.9 + inner.clock.fraction() / 5.0);
        tokio::select! {
            () = inner.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
    }
    inner.end(&tasks).await;
}

/// What one look at the queues led to.
struct Round {
    /// There was more to do than was done.
    is_full: bool,
    next_due_us: Option<i64>,
}

impl Inner {
    async fn round(self: &Arc<Self>) -> Result<Round, StoreError> {
        let now_us = self.now_us();
        let mut is_full = self.db.wake_jobs(now_us, WAKE).await? >= WAKE as u64;
        let due = self.db.claim_due(&self.worker_id, now_us, self.lease_until_us(), self.free(None) as i64).await?;
        self.begin(due).await;
        let gates = Gates::new(self.db.gates(now_us).await?, self.catalog.snapshot());
        for queue in self.db.waiting_queues().await? {
            let most = self.free(Some(&queue));
            if most == 0 {
                continue;
            }
            let passage = self.breakers.lock().passage(&queue, now_us);
            let room = |lane: &_| gates.room(&queue, lane, passage, &self.kinds);
            let started = |job: &JobRow| self.started(job);
            let claim = Claim {
                queue: &queue,
                worker_id: &self.worker_id,
                now_us,
                lease_until_us: self.lease_until_us(),
                most,
                room: &room,
                started: &started,
            };
            let after = self.places.lock().get(&queue).cloned();
            let (jobs, next) = self.db.claim_jobs(&claim, after.as_ref()).await?;
            is_full |= jobs.len() == most || next.is_some();
            match next {
                Some(next) => drop(self.places.lock().insert(queue.clone(), next)),
                None => drop(self.places.lock().remove(&queue)),
            }
            self.begin(jobs).await;
        }
        // What is full for want of slots goes on when one is free.
        let is_full = is_full && self.free(None) > 0;
        Ok(Round { is_full, next_due_us: self.db.next_due().await? })
    }

    /// How many more jobs this process may have; of one queue a little less, so that it cannot keep the others out.
    fn free(&self, queue: Option<&str>) -> usize {
        let most = self.settings.jobs;
        let running = self.running.lock();
        let free = most.saturating_sub(running.len());
        let is_alone = |queue: &str| running.values().all(|job| job.queue == queue);
        match queue {
            Some(queue) if !running.is_empty() && is_alone(queue) => free.saturating_sub(most / 8),
            _ => free,
        }
    }

    /// The event of a start.
    fn started(&self, job: &JobRow) -> Option<NewEvent> {
        Some(crate::services::events::build(
            &self.clock,
            crate::services::events::Draft {
                action: "request.processing",
                org_id: &job.org_id,
                tenant_id: &job.tenant,
                user_id: job.user_id.as_deref(),
                eventable: ("request", &job.id),
                particulars: json!({ "provider": job.queue, "model": job.model, "attempt": job.attempt }),
                ip_address: None,
                user_agent: None,
            },
        ))
    }

    /// Starts what was claimed.
    async fn begin(self: &Arc<Self>, jobs: Vec<JobRow>) {
        if jobs.is_empty() {
            return;
        }
        {
            let mut running = self.running.lock();
            for job in &jobs {
                let entry = Running {
                    epoch: job.epoch,
                    queue: job.queue.clone(),
                    stop: CancellationToken::new(),
                    why: parking_lot::Mutex::default(),
                };
                running.insert(job.id.clone(), entry);
            }
        }
        let claimed: Vec<JobRow> = jobs.clone();
        match self.works(jobs).await {
            Ok(works) => works.into_iter().for_each(|work| drop(tokio::spawn(self.clone().run(work)))),
            Err(error) => {
                tracing::warn!(%error, "claimed jobs are given back, because what they are about cannot be read");
                for job in claimed {
                    let ending = self.ending(&Work { job, request: None }, Outcome::Released);
                    let _ = self.endings.send(ending);
                }
            }
        }
    }

    async fn run(self: Arc<Self>, mut work: Work) {
        let Some(stop) = self.running.lock().get(&work.job.id).map(|job| job.stop.clone()) else { return };
        let outcome = match self.kinds.get(&work.job.kind).cloned() {
            None => Outcome::Failed(Failure::lasting("invalid", format!("no kind of job is called {}", work.job.kind))),
            // Remote work that somebody wants cancelled is claimed only to be stopped.
            Some(kind) if work.job.cancel_us.is_some() => {
                kind.stop(&self, &work).await;
                Outcome::Cancelled
            }
            Some(kind) => {
                let limit = self.limit(&work);
                let execution = AssertUnwindSafe(kind.run(&self, &mut work)).catch_unwind();
                let outcome = tokio::select! {
                    biased;
                    outcome = tokio::time::timeout(limit, execution) => match outcome {
                        Ok(Ok(outcome)) => Ok(outcome),
                        Ok(Err(_)) => Ok(Outcome::Failed(Failure::lasting("panic", "its execution broke off"))),
                        Err(_) => Ok(Outcome::Failed(self.too_long(&work.job))),
                    },
                    () = stop.cancelled() => Err(self.why(&work.job)),
                };
                match outcome {
                    // What breaks while the process ends broke because of it.
                    Ok(Outcome::Failed(failure)) if failure.is_retryable && self.stop.is_cancelled() => {
                        Outcome::Released
                    }
                    Ok(outcome) => outcome,
                    Err(Stopped::Lost) => {
                        tracing::warn!(job = work.job.id, "a job went to another worker");
                        self.forget(&work.job);
                        return;
                    }
                    Err(Stopped::Cancelled) => {
                        kind.stop(&self, &work).await;
                        Outcome::Cancelled
                    }
                    Err(Stopped::Stopping) => Outcome::Released,
                }
            }
        };
        self.learn(&work.job, &outcome).await;
        // The receiver lives as long as the router.
        let _ = self.endings.send(self.ending(&work, outcome));
    }

    /// What an outcome says about its provider.
    async fn learn(&self, job: &JobRow, outcome: &Outcome) {
        let now_us = self.now_us();
        let gate = match outcome {
            Outcome::Done { .. } | Outcome::Remote { .. } => {
                self.breakers.lock().succeeded(&job.queue);
                None
            }
            Outcome::Failed(failure) if failure.is_providers => {
                let opened = self.breakers.lock().failed(&job.queue, now_us);
                opened.map(|until_us| GateRow {
                    kind: "breaker".to_owned(),
                    reason: format!("{} failed too often: {}", job.queue, failure.message),
                    until_us: Some(until_us),
                    ..self.gate(job)
                })
            }
            Outcome::Snoozed { until_us, reason, closes: true } => Some(GateRow {
                tenant: Some(job.tenant.clone()),
                model: Some(job.model.clone()),
                kind: "limit".to_owned(),
                reason: reason.clone(),
                until_us: Some(*until_us),
                ..self.gate(job)
            }),
            _ => None,
        };
        if let Some(gate) = gate
            && let Err(error) = self.db.close_gate(&gate).await
        {
            tracing::warn!(%error, "a queue cannot be closed");
        }
    }

    fn gate(&self, job: &JobRow) -> GateRow {
        GateRow {
            id: self.clock.new_id().to_string(),
            queue: Some(job.queue.clone()),
            tenant: None,
            model: None,
            kind: String::new(),
            reason: String::new(),
            until_us: None,
            actor_name: "router".to_owned(),
            created_us: self.now_us(),
        }
    }

    /// How long one execution may take.
    fn limit(&self, work: &Work) -> Duration {
        let longest = self.settings.attempt_timeout;
        match work.job.deadline_us {
            Some(deadline_us) => {
                longest.min(Duration::from_micros(u64::try_from(deadline_us - self.now_us()).unwrap_or(0)))
            }
            None => longest,
        }
    }

    fn too_long(&self, job: &JobRow) -> Failure {
        if job.deadline_us.is_some_and(|deadline_us| deadline_us <= self.now_us()) {
            return Failure::lasting("deadline", "the deadline passed before it was done");
        }
        let seconds = self.settings.attempt_timeout.as_secs();
        Failure { is_retryable: true, ..Failure::lasting("timeout", format!("one try took longer than {seconds} s")) }
    }

    fn why(&self, job: &JobRow) -> Stopped {
        let running = self.running.lock();
        running.get(&job.id).and_then(|job| *job.why.lock()).unwrap_or(Stopped::Lost)
    }

    fn forget(&self, job: &JobRow) {
        let mut running = self.running.lock();
        if running.get(&job.id).is_some_and(|known| known.epoch == job.epoch) {
            running.remove(&job.id);
        }
    }

    /// The process stops: what runs may end, for a while; the rest is given back.
    async fn end(&self, tasks: &Tasks) {
        let latest = tasks.stopped().await + GRACE;
        while tokio::time::Instant::now() < latest && !self.running.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for job in self.running.lock().values() {
            job.why.lock().get_or_insert(Stopped::Stopping);
            job.stop.cancel();
        }
    }
}
