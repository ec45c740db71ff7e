//! From how an execution ended to what is written: the job's next state, the request's, and everything that goes with it.

use serde_json::json;

use super::{
    Inner,
    kinds::{Failure, Outcome, Work},
};
use crate::{
    services::{
        delivery::{self, Report},
        events::{self, Draft},
    },
    store::{
        events::NewEvent,
        jobs::{Attempt, Ending, Guard, JobRow, RequestChange, RequestRow, Then},
    },
};

/// The wait before the second try; it doubles with each, up to the longest.
const BACKOFF_US: i64 = 1_000_000;
const LONGEST_US: i64 = 60_000_000;
/// Who comes back after a failure goes before those who never had a turn.
const FRONT_US: i64 = 0;

impl Inner {
    /// What to write when a worker is done with a job for now.
    pub(super) fn ending(&self, work: &Work, outcome: Outcome) -> Ending {
        self.ending_of(work, outcome, Guard::Held)
    }

    /// The same for whoever decides in a worker's place.
    pub(super) fn ending_of(&self, work: &Work, outcome: Outcome, guard: Guard) -> Ending {
        let now_us = self.now_us();
        let job = &work.job;
        let mut ending = Ending {
            job_id: job.id.clone(),
            epoch: job.epoch,
            guard,
            then: Then::Over,
            attempt: None,
            request: None,
            deliverable: None,
            events: Vec::new(),
            outbox: Vec::new(),
            jobs: Vec::new(),
        };
        let note = |outcome: &str, failure: Option<&Failure>, call_id: Option<String>| Attempt {
            job_id: job.id.clone(),
            epoch: job.epoch,
            request_id: job.request_id.clone(),
            attempt: job.attempt,
            worker_id: job.worker_id.clone(),
            provider: job.queue.clone(),
            model: job.model.clone(),
            started_us: job.claimed_us.unwrap_or(now_us),
            ended_us: now_us,
            outcome: outcome.to_owned(),
            error_class: failure.map(|failure| failure.class.clone()),
            error_message: failure.map(|failure| clean(&failure.message)),
            call_id: call_id.or_else(|| failure.and_then(|failure| failure.call_id.clone())),
        };
        match outcome {
            Outcome::Done { output, call_id } => {
                ending.attempt = Some(note("completed", None, call_id));
                self.conclude(&mut ending, work, Report::Done(output));
            }
            Outcome::Over => {}
            Outcome::Failed(failure) => {
                let may_retry = failure.is_retryable && job.attempt < job.max_attempts;
                ending.attempt = Some(note(if may_retry { "retried" } else { "failed" }, Some(&failure), None));
                if may_retry {
                    let wait_us = self.backoff_us(job.attempt).max(failure.wait_us.unwrap_or(0));
                    let mut next = self.scheduled(job, now_us.saturating_add(wait_us));
                    next.rank_us = FRONT_US;
                    next.reason = Some(format!("try {} failed: {}", job.attempt, clean(&failure.message)));
                    ending.then = Then::Goes(Box::new(next));
                    self.back_to_queue(&mut ending, work, Some(&failure));
                } else {
                    self.conclude(
                        &mut ending,
                        work,
                        Report::Failed { message: clean(&failure.message), class: failure.class },
                    );
                }
            }
            Outcome::Snoozed { until_us, reason, .. } => {
                let mut next = self.scheduled(job, until_us.max(now_us + 1));
                // It cost nothing.
                next.attempt = (job.attempt - 1).max(0);
                next.reason = Some(clean(&reason));
                ending.then = Then::Goes(Box::new(next));
                ending.attempt = Some(note("snoozed", Some(&Failure::lasting("wait", reason)), None));
                self.back_to_queue(&mut ending, work, None);
            }
            Outcome::Remote { remote_id, remote, ask_at_us, reason } => {
                // Only the hand-over is an attempt of its own, not each question.
                if remote.get("asked").and_then(serde_json::Value::as_u64).unwrap_or(0) == 0 {
                    ending.attempt = Some(note("submitted", None, None));
                }
                let mut next = job.clone();
                next.state = "remote".to_owned();
                next.remote_id = remote_id;
                next.remote = remote;
                next.run_at_us = ask_at_us;
                next.reason = Some(clean(&reason));
                ending.then = Then::Goes(Box::new(next));
            }
            Outcome::Held { remote, reason } => {
                ending.attempt = Some(note("held", Some(&Failure::lasting("unknown", reason.clone())), None));
                let mut next = job.clone();
                next.state = "held".to_owned();
                next.remote = remote;
                next.reason = Some(clean(&reason));
                ending.then = Then::Goes(Box::new(next));
            }
            Outcome::Cancelled => {
                ending.attempt = Some(note("cancelled", None, None));
                if let Some((request, _)) = own(work) {
                    ending.events.push(self.event(request, "request.cancelled", json!({ "while": "processing" })));
                    ending.request = Some(change(request, job, "cancelled", Some(now_us)));
                }
            }
            Outcome::Released => {
                let mut next = self.scheduled(job, now_us);
                next.state = "waiting".to_owned();
                next.attempt = (job.attempt - 1).max(0);
                next.reason = None;
                ending.then = Then::Goes(Box::new(next));
                ending.attempt = Some(note("released", None, None));
                self.back_to_queue(&mut ending, work, None);
            }
        }
        ending
    }

    /// Its worker is gone: it is tried again, unless that was its last try.
    pub(super) fn lost(&self, work: &Work) -> Ending {
        let lease_until_us = work.job.lease_until_us.unwrap_or(0);
        let failure = Failure {
            class: "worker_lost".to_owned(),
            message: "the worker gave no sign of life any more".to_owned(),
            is_retryable: true,
            wait_us: None,
            is_providers: false,
            call_id: None,
        };
        let mut ending = self.ending_of(work, Outcome::Failed(failure), Guard::Expired { lease_until_us });
        if let Some(attempt) = &mut ending.attempt {
            attempt.outcome = "lost".to_owned();
        }
        // What was submitted goes on being asked for, at once.
        if let Then::Goes(next) = &mut ending.then {
            if next.remote_id.is_some() {
                next.state = "remote".to_owned();
                next.attempt = work.job.attempt;
            }
            next.run_at_us = self.now_us();
            if next.state == "scheduled" {
                next.state = "waiting".to_owned();
            }
        }
        ending
    }

    /// Puts in what delivery decides about a result, for the request's own job.
    fn conclude(&self, ending: &mut Ending, work: &Work, report: Report) {
        let Some((request, _)) = own(work) else { return };
        let profile = self.catalog.snapshot().profiles.of(request);
        let done = delivery::conclude(&self.clock, &profile, request, report);
        let is_over = done.status != "processing";
        if !is_over {
            let mut next = work.job.clone();
            next.state = "held".to_owned();
            // People take the time they need.
            next.deadline_us = None;
            next.reason = Some("waiting for review".to_owned());
            if done.retry {
                next = self.scheduled(&work.job, self.now_us() + self.backoff_us(work.job.attempt));
                next.reason = Some("the result was not good enough".to_owned());
            }
            ending.then = Then::Goes(Box::new(next));
        }
        let mut change = change(request, &work.job, done.status, is_over.then(|| self.now_us()));
        if let Some((message, class)) = done.error {
            (change.error_message, change.error_class) = (Some(message), Some(class));
        }
        if done.retry {
            change.status = "queued".to_owned();
            change.retry_count += 1;
            ending.events.push(self.event(request, "request.queued", json!({ "retry": change.retry_count })));
        }
        change.result = done.result;
        ending.request = Some(change);
        ending.deliverable = done.deliverable;
        ending.events.extend(done.events);
        ending.outbox.extend(done.outbox);
    }

    fn back_to_queue(&self, ending: &mut Ending, work: &Work, failure: Option<&Failure>) {
        let Some((request, _)) = own(work) else { return };
        let Then::Goes(next) = &ending.then else { return };
        let mut change = change(request, &work.job, "queued", None);
        let mut particulars = json!({ "reason": next.reason, "run_at": crate::clock::rfc3339(next.run_at_us) });
        if let Some(failure) = failure {
            change.retry_count += 1;
            (change.error_message, change.error_class) = (Some(clean(&failure.message)), Some(failure.class.clone()));
            particulars["retry"] = change.retry_count.into();
        }
        ending.events.push(self.event(request, "request.queued", particulars));
        ending.request = Some(change);
    }

    /// Of a request, for whoever follows its instance.
    pub(super) fn event(&self, request: &RequestRow, action: &str, mut particulars: serde_json::Value) -> NewEvent {
        if let Some(particulars) = particulars.as_object_mut() {
            for (name, value) in
                [("provider", &request.provider), ("model", &request.model), ("task_type", &request.task_type)]
            {
                particulars.entry(name).or_insert_with(|| value.as_str().into());
            }
        }
        events::build(
            &self.clock,
            Draft {
                action,
                org_id: &request.org_id,
                tenant_id: &request.instance_id,
                user_id: request.user_id.as_deref(),
                eventable: ("request", &request.id),
                particulars,
                ip_address: None,
                user_agent: None,
            },
        )
    }

    fn scheduled(&self, job: &JobRow, run_at_us: i64) -> JobRow {
        let mut next = job.clone();
        next.state = "scheduled".to_owned();
        next.run_at_us = run_at_us;
        next
    }

    /// Exponential with full jitter.
    fn backoff_us(&self, attempt: i64) -> i64 {
        let exponent = u32::try_from(attempt.clamp(1, 20) - 1).unwrap_or(0);
        let longest = BACKOFF_US.saturating_mul(1 << exponent).min(LONGEST_US);
        (longest as f64 * self.clock.fraction()) as i64
    }
}

/// The request, if the job is its own.
fn own(work: &Work) -> Option<&(RequestRow, crate::store::jobs::BodyRow)> {
    work.request.as_ref().filter(|(request, _)| request.id == work.job.id)
}

fn change(request: &RequestRow, job: &JobRow, status: &str, completed_us: Option<i64>) -> RequestChange {
    RequestChange {
        id: request.id.clone(),
        status: status.to_owned(),
        provider: request.provider.clone(),
        model: job.model.clone(),
        epoch: job.epoch,
        retry_count: request.retry_count,
        error_message: None,
        error_class: None,
        completed_us,
        result: None,
    }
}

/// Words of others, of a bearable length and without what a database does not take.
fn clean(text: &str) -> String {
    const LONGEST: usize = 2_000;
    crate::store::rows::without_nul(text).chars().take(LONGEST).collect()
}
