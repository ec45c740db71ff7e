//! Taking requests in: what is asked for, by whom, where it goes, and the promise that it will not be lost.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Router, RouterError,
    decide::{Asked, decide},
    kinds::TASK_TYPES,
};
use crate::{
    services::identity::{Caller, Deed, Visit, may},
    store::{
        events::NewEvent,
        jobs::{BodyRow, Idempotency, JobRow, RequestRow, Submission, rank_us},
        rows::without_nul,
    },
};

/// The beginning of a query that lists show.
const TITLE: usize = 200;
const LONGEST_QUERY: usize = 1_000_000;
const MOST_TAGS: usize = 20;
/// Places in a queue are counted so far; behind that they are estimated.
const COUNTED: i64 = 10_000;
/// External work is waited for so long, if its caller says nothing.
const EXTERNAL_US: i64 = 24 * 3_600_000_000;
const PRIORITIES: std::ops::RangeInclusive<i64> = -1_000..=1_000;

/// Work as somebody asks for it.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub query: String,
    pub app_id: Option<String>,
    pub task_type: Option<String>,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub priority: i64,
    pub callback_url: Option<String>,
    pub metadata: Value,
    /// What the kind of job needs besides the query: `options`, …
    pub input: Map<String, Value>,
    pub tags: Vec<String>,
    /// Not before.
    pub delay_us: Option<i64>,
    /// From now on; what is not done by then fails.
    pub deadline_us: Option<i64>,
    pub max_retries: Option<i64>,
    /// Refused while another live request of the instance has it.
    pub unique_key: Option<String>,
    pub project_id: Option<String>,
}

/// An idempotency key, where it was used, and for what.
#[derive(Debug, Clone)]
pub struct Once {
    pub key: String,
    pub route: &'static str,
    pub body_hash: String,
}

impl Once {
    pub fn new(key: String, route: &'static str, body: &[u8]) -> Self {
        let body_hash = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { key, route, body_hash }
    }
}

/// What the caller is told of accepted work.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    pub request_id: String,
    pub status: String,
    pub queue_position: i64,
    pub estimated_wait_ms: i64,
    /// From the measured throughput of the queue, where there is any.
    pub measured_wait_ms: Option<i64>,
    pub provider: String,
    pub model: String,
    pub task_type: String,
}

impl Router {
    /// Takes requests in, all or none, durably. The same [`Once`] gives the same receipts.
    pub async fn accept(
        &self,
        caller: &Caller,
        surface: &'static str,
        visit: &Visit,
        drafts: Vec<Draft>,
        once: Option<Once>,
    ) -> Result<Vec<Receipt>, RouterError> {
        may(caller, Deed::Jobs, caller.place())?;
        let scope = once.as_ref().map(|once| self.scope(caller, once));
        if let (Some(once), Some(scope)) = (&once, &scope)
            && let Some(before) = self.0.db.answered(scope, &once.key).await?
        {
            return replay(once, before);
        }
        self.check_room(caller, drafts.len()).await?;
        let batch_id = (drafts.len() > 1).then(|| self.0.clock.new_id().to_string());
        let mut submissions = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let mut made = self.submission(caller, surface, visit, draft)?;
            made.request.batch_id.clone_from(&batch_id);
            submissions.push(made);
        }
        let receipts = self.receipts(&submissions).await?;
        let kept = once.as_ref().zip(scope).map(|(once, scope)| Idempotency {
            scope,
            key: once.key.clone(),
            body_hash: once.body_hash.clone(),
            status: 202,
            answer: json!({ "receipts": receipts }),
            created_us: self.0.now_us(),
        });
        let before = self.0.db.submit(&submissions, kept.as_ref()).await?;
        if let (Some(once), Some(before)) = (&once, before) {
            return replay(once, before);
        }
        self.0.wake.notify_one();
        self.0.tell();
        Ok(receipts)
    }

    /// Idempotency keys belong to the caller and the route.
    fn scope(&self, caller: &Caller, once: &Once) -> String {
        let who = caller.key_id.as_deref().or(caller.user_id.as_deref()).unwrap_or("");
        format!("{who} {}", once.route)
    }

    async fn check_room(&self, caller: &Caller, more: usize) -> Result<(), RouterError> {
        let most = self.0.settings.max_waiting;
        // Counting is cheap as long as there is little, and a full instance is the exception.
        let sample = self.0.db.tenant_jobs(&caller.instance.id, COUNTED.min(most)).await?;
        let waiting =
            if sample < COUNTED.min(most) { sample } else { self.0.db.tenant_jobs(&caller.instance.id, most).await? };
        if waiting + i64::try_from(more).unwrap_or(i64::MAX) > most {
            return Err(RouterError::Full { waiting, most });
        }
        Ok(())
    }

    /// Checks a draft, decides where it goes, and makes its rows.
    fn submission(
        &self,
        caller: &Caller,
        surface: &'static str,
        visit: &Visit,
        draft: Draft,
    ) -> Result<Submission, RouterError> {
        let query = draft.query.trim().to_owned();
        if query.is_empty() {
            return Err(RouterError::MissingQuery);
        }
        check(query.len() <= LONGEST_QUERY, "query", || format!("query is longer than {LONGEST_QUERY} bytes"))?;
        check(PRIORITIES.contains(&draft.priority), "priority", || {
            format!("priority must be between {} and {}", PRIORITIES.start(), PRIORITIES.end())
        })?;
        if let Some(task_type) = &draft.task_type {
            check(TASK_TYPES.contains(&task_type.as_str()), "task_type", || {
                format!("task_type must be one of {}", TASK_TYPES.join(", "))
            })?;
        }
        if let Some(url) = &draft.callback_url {
            let parsed = reqwest::Url::parse(url);
            check(
                parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
                "callback_url",
                || "callback_url must be an http or https address".to_owned(),
            )?;
        }
        check(draft.tags.len() <= MOST_TAGS && draft.tags.iter().all(|tag| tag.len() <= 100), "tags", || {
            format!("tags are at most {MOST_TAGS} texts of at most 100 bytes")
        })?;
        let retries = draft.max_retries.unwrap_or(3);
        check((0..=20).contains(&retries), "max_retries", || "max_retries must be between 0 and 20".to_owned())?;

        let inner = &self.0;
        let snapshot = inner.catalog.snapshot();
        let asked = Asked {
            task_type: draft.task_type.as_deref(),
            provider: draft.provider.as_deref(),
            model: draft.model.as_deref(),
        };
        let decision = decide(&snapshot, &query, asked, caller, inner.clock.fraction())?;
        let now_us = inner.now_us();
        let id = inner.clock.new_id().to_string();
        let run_at_us = now_us.saturating_add(draft.delay_us.unwrap_or(0).max(0));
        let deadline_us = draft
            .deadline_us
            .or((decision.kind == "external").then_some(EXTERNAL_US))
            .map(|from_now| now_us.saturating_add(from_now));
        let mut input = draft.input;
        input.insert("classification".to_owned(), decision.explanation);
        let request = RequestRow {
            id: id.clone(),
            org_id: caller.instance.org_id.clone(),
            instance_id: caller.instance.id.clone(),
            project_id: draft.project_id.or_else(|| caller.project_id.clone()),
            key_id: caller.key_id.clone(),
            user_id: caller.user_id.clone(),
            app_id: clip(draft.app_id.as_deref().unwrap_or("anonymous"), 200),
            batch_id: None,
            surface: surface.to_owned(),
            kind: decision.kind.to_owned(),
            task_type: decision.task_type,
            subtask: decision.subtask,
            provider: decision.provider,
            model: decision.model,
            status: "queued".to_owned(),
            title: clip(&query, TITLE),
            priority: draft.priority,
            tags: json!({ "items": draft.tags }),
            epoch: 0,
            retry_count: 0,
            max_retries: retries,
            error_message: None,
            error_class: None,
            callback_url: draft.callback_url,
            run_at_us,
            deadline_us,
            created_us: now_us,
            queued_us: Some(now_us),
            started_us: None,
            completed_us: None,
        };
        let job = JobRow { unique_key: draft.unique_key, ..job_of(&request, decision.queue, now_us) };
        let body = BodyRow {
            request_id: id,
            query: without_nul(&query).into_owned(),
            input: clean(Value::Object(input)),
            metadata: clean(if draft.metadata.is_null() { json!({}) } else { draft.metadata }),
            result: None,
        };
        let mut events: Vec<NewEvent> = ["request.created", "request.queued"]
            .into_iter()
            .map(|action| {
                inner.event(&request, action, json!({ "app_id": request.app_id, "priority": request.priority }))
            })
            .collect();
        for new in &mut events {
            (new.event.ip_address, new.event.user_agent) = (visit.ip.clone(), visit.user_agent.clone());
        }
        Ok(Submission { request, body, job, events })
    }

    /// Where new requests stand.
    async fn receipts(&self, submissions: &[Submission]) -> Result<Vec<Receipt>, RouterError> {
        let mut before: std::collections::HashMap<&str, i64> = std::collections::HashMap::new();
        let mut receipts = Vec::with_capacity(submissions.len());
        for Submission { request, job, .. } in submissions {
            let ahead = match before.get_mut(&*job.queue) {
                // The others of the batch go before it.
                Some(ahead) => {
                    *ahead += 1;
                    *ahead
                }
                None => {
                    let ahead = self.0.db.jobs_before(&job.queue, job.rank_us, &job.id, COUNTED).await?;
                    before.insert(&job.queue, ahead);
                    ahead
                }
            };
            receipts.push(self.0.receipt(request, ahead + 1));
        }
        Ok(receipts)
    }
}

/// The job of a request that is to be done now, or anew.
pub(super) fn job_of(request: &RequestRow, queue: String, now_us: i64) -> JobRow {
    JobRow {
        id: request.id.clone(),
        request_id: Some(request.id.clone()),
        org_id: request.org_id.clone(),
        user_id: request.user_id.clone(),
        kind: request.kind.clone(),
        queue,
        tenant: request.instance_id.clone(),
        model: request.model.clone(),
        state: if request.run_at_us > now_us { "scheduled" } else { "waiting" }.to_owned(),
        priority: request.priority,
        rank_us: rank_us(request.run_at_us.max(now_us), request.priority),
        run_at_us: request.run_at_us,
        deadline_us: request.deadline_us,
        attempt: 0,
        max_attempts: request.max_retries + 1,
        epoch: request.epoch,
        worker_id: None,
        lease_until_us: None,
        claimed_us: None,
        cancel_us: None,
        reason: None,
        unique_key: None,
        remote_id: None,
        remote: json!({}),
        payload: json!({}),
        created_us: now_us,
    }
}

/// The receipts of before, if it was the same that was asked for.
fn replay(once: &Once, before: Idempotency) -> Result<Vec<Receipt>, RouterError> {
    if before.body_hash != once.body_hash {
        return Err(RouterError::KeyReused);
    }
    let receipts = before.answer.get("receipts").cloned().unwrap_or_default();
    Ok(serde_json::from_value(receipts).unwrap_or_default())
}

fn check(holds: bool, field: &'static str, message: impl FnOnce() -> String) -> Result<(), RouterError> {
    if holds { Ok(()) } else { Err(RouterError::Invalid { field, message: message() }) }
}

fn clip(text: &str, most: usize) -> String {
    without_nul(text).chars().take(most).collect()
}

/// JSON as every database takes it.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => without_nul(&text).into_owned().into(),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (without_nul(&name).into_owned(), clean(value))).collect()
        }
        other => other,
    }
}
