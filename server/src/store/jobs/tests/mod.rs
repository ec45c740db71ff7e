mod claims;
mod endings;
mod machine;

use serde_json::json;

use super::*;
use crate::store::{Db, events::NewEvent};

pub const SECOND: i64 = 1_000_000;

/// A request as the intake makes it, waiting since `at_us`.
pub fn submission(id: &str, tenant: &str, queue: &str, priority: i64, at_us: i64) -> Submission {
    let request = RequestRow {
        id: id.to_owned(),
        org_id: "org".to_owned(),
        instance_id: tenant.to_owned(),
        project_id: None,
        key_id: Some("key".to_owned()),
        user_id: None,
        app_id: "app".to_owned(),
        batch_id: None,
        surface: "intake".to_owned(),
        kind: "text".to_owned(),
        task_type: "text".to_owned(),
        subtask: None,
        provider: queue.to_owned(),
        model: "m".to_owned(),
        status: "queued".to_owned(),
        title: "Say \"hi\" – ü".to_owned(),
        priority,
        tags: json!({ "items": ["a"] }),
        epoch: 0,
        retry_count: 0,
        max_retries: 3,
        error_message: None,
        error_class: None,
        callback_url: None,
        run_at_us: at_us,
        deadline_us: None,
        created_us: at_us,
        queued_us: Some(at_us),
        started_us: None,
        completed_us: None,
    };
    let job = JobRow {
        id: id.to_owned(),
        request_id: Some(id.to_owned()),
        org_id: "org".to_owned(),
        user_id: None,
        kind: "text".to_owned(),
        queue: queue.to_owned(),
        tenant: tenant.to_owned(),
        model: "m".to_owned(),
        state: "waiting".to_owned(),
        priority,
        rank_us: rank_us(at_us, priority),
        run_at_us: at_us,
        deadline_us: None,
        attempt: 0,
        max_attempts: 4,
        epoch: 0,
        worker_id: None,
        lease_until_us: None,
        claimed_us: None,
        cancel_us: None,
        reason: None,
        unique_key: None,
        remote_id: None,
        remote: json!({}),
        payload: json!({ "a": [1, null] }),
        created_us: at_us,
    };
    let body = BodyRow {
        request_id: id.to_owned(),
        query: "Say \"hi\"".to_owned(),
        input: json!({ "options": { "max_tokens": 3 } }),
        metadata: json!({ "x": 1.5 }),
        result: None,
    };
    Submission { events: vec![event(id, "request.created", at_us)], request, body, job }
}

pub fn event(request_id: &str, action: &str, at_us: i64) -> NewEvent {
    let id = uuid::Uuid::now_v7().to_string();
    NewEvent {
        event: crate::store::events::EventRow {
            id,
            seq: None,
            org_id: "org".to_owned(),
            tenant_id: "t".to_owned(),
            user_id: None,
            action: action.to_owned(),
            eventable_type: "request".to_owned(),
            eventable_id: request_id.to_owned(),
            particulars: json!({}),
            ip_address: None,
            user_agent: None,
            created_us: at_us,
        },
        feed: None,
    }
}

/// A worker that takes at most `most` from a queue at a time, with room for `room` of each lane.
pub async fn claim(db: &Db, worker: &str, queue: &str, now_us: i64, most: usize, room: usize) -> Vec<JobRow> {
    let room = |_: &Lane| room;
    let started = |job: &JobRow| Some(event(&job.id, "request.processing", now_us));
    let claim = Claim {
        queue,
        worker_id: worker,
        now_us,
        lease_until_us: now_us + 15 * SECOND,
        most,
        room: &room,
        started: &started,
    };
    db.claim_jobs(&claim, None).await.unwrap().0
}

/// The end of a job, by whoever has it.
pub fn over(job: &JobRow, status: &str, now_us: i64) -> Ending {
    Ending {
        job_id: job.id.clone(),
        epoch: job.epoch,
        guard: Guard::Held,
        then: Then::Over,
        attempt: Some(attempt(job, status, now_us)),
        request: Some(RequestChange {
            id: job.id.clone(),
            status: status.to_owned(),
            provider: job.queue.clone(),
            model: job.model.clone(),
            epoch: job.epoch,
            retry_count: 0,
            error_message: None,
            error_class: None,
            completed_us: Some(now_us),
            result: Some(json!({ "content": "hi" })),
        }),
        deliverable: None,
        events: vec![event(&job.id, &format!("request.{status}"), now_us)],
        outbox: Vec::new(),
        jobs: Vec::new(),
    }
}

pub fn attempt(job: &JobRow, outcome: &str, now_us: i64) -> Attempt {
    Attempt {
        job_id: job.id.clone(),
        epoch: job.epoch,
        request_id: job.request_id.clone(),
        attempt: job.attempt,
        worker_id: job.worker_id.clone(),
        provider: job.queue.clone(),
        model: job.model.clone(),
        started_us: now_us,
        ended_us: now_us,
        outcome: outcome.to_owned(),
        error_class: None,
        error_message: None,
        call_id: None,
    }
}

pub async fn status(db: &Db, id: &str) -> String {
    db.work_request(id).await.unwrap().unwrap().status
}
