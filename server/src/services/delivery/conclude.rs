//! What follows from a result: a pure decision whose rows are written together with the change of the job.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{
    assess::{Assessment, assess},
    profile::{OnReject, Profile},
};
use crate::{
    clock::{Clock, rfc3339},
    services::events::{self, Draft},
    store::{deliverables::DeliverableRow, events::NewEvent, jobs::RequestRow, outbox::OutboxRow, rows::without_nul},
};

/// Longest message that is kept with a request.
const LONGEST_MESSAGE: usize = 2_000;

/// What somebody made for a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// `text`, `image_url`, `audio_url`, `video_url` or `json`.
    pub content_type: String,
    pub content: String,
    /// What the provider answered.
    pub raw: Option<Value>,
    pub provider: String,
    pub model: String,
    pub usage: Option<Value>,
}

/// How the work ended, as it was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    Done(Output),
    /// For good: nobody tries again.
    Failed {
        message: String,
        class: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approved,
    Rejected,
    PendingReview,
    Failed,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::PendingReview => "pending_review",
            Self::Failed => "failed",
        }
    }
}

/// What a report means for its request.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// Of the request: `completed`, `failed` or, while a person or another try is awaited, `processing`.
    pub status: &'static str,
    /// Message and class, for the request.
    pub error: Option<(String, String)>,
    pub result: Option<Value>,
    pub deliverable: Option<DeliverableRow>,
    pub events: Vec<NewEvent>,
    pub outbox: Vec<OutboxRow>,
    pub verdict: Verdict,
    /// The result was not good enough and the profile wants another try: the job goes back to its queue, with one more
    /// retry counted. The request has some left.
    pub retry: bool,
}

/// Decides what a report means. A result that a person has to look at leaves the request processing, and the job has to wait
/// for them.
pub fn conclude(clock: &Clock, profile: &Profile, request: &RequestRow, report: Report) -> Conclusion {
    match report {
        Report::Done(output) => assessed(clock, profile, request, output),
        Report::Failed { message, class } => {
            let message = storable_message(&message);
            let row = DeliverableRow {
                quality_metadata: json!({ "passed": false, "approved": false, "issues": [message] }),
                status: "failed".to_owned(),
                ..deliverable(clock, request, "text", String::new(), None)
            };
            let mut story = Story::new(clock, request);
            story.created(&row);
            story.failed(&message, &class, &message);
            story.end("failed", Some((message, class)), None, Some(row), Verdict::Failed)
        }
    }
}

fn assessed(clock: &Clock, profile: &Profile, request: &RequestRow, output: Output) -> Conclusion {
    let content = without_nul(&output.content).into_owned();
    let mut found = assess(&output.content_type, &content);
    if let Some(issue) = profile.schema.as_deref().and_then(|schema| mismatch(schema, &output.content_type, &content)) {
        found = found.refused(issue);
    }
    let verdict = judge(profile, &found);
    let mut row = DeliverableRow {
        quality_score: found.score,
        quality_metadata: events::storable(found.to_json()),
        ..deliverable(clock, request, &without_nul(&output.content_type), content, output.raw.map(events::storable))
    };
    if let (Value::Object(metadata), Some(usage)) = (&mut row.quality_metadata, output.usage) {
        metadata.insert("usage".to_owned(), events::storable(usage));
    }
    let mut story = Story::new(clock, request);
    (story.provider, story.model) = (output.provider, output.model);
    match verdict {
        Verdict::Approved => {
            let result = deliver(&mut row, clock.now_us());
            story.created(&row);
            story.delivered(&row);
            story.end("completed", None, Some(result), Some(row), verdict)
        }
        Verdict::PendingReview => {
            story.created(&row);
            story.end("processing", None, None, Some(row), verdict)
        }
        Verdict::Rejected | Verdict::Failed => {
            row.status = "rejected".to_owned();
            let reason = reason(&found);
            row.review_reason = Some(reason.clone());
            story.created(&row);
            story.rejected(&row, &reason);
            if profile.on_reject == OnReject::Retry && request.retry_count < request.max_retries {
                let conclusion = story.end("processing", None, None, Some(row), Verdict::Rejected);
                return Conclusion { retry: true, ..conclusion };
            }
            let message = "Quality check failed".to_owned();
            story.failed(&message, "quality", &reason);
            story.end("failed", Some((message, "quality".to_owned())), None, Some(row), Verdict::Rejected)
        }
    }
}

/// Where a result that should be JSON differs from what is expected of it.
fn mismatch(schema: &Validator, content_type: &str, content: &str) -> Option<String> {
    if !matches!(content_type, "json" | "text") {
        return None;
    }
    let Ok(value) = serde_json::from_str::<Value>(content) else {
        // Of JSON it is said already.
        return (content_type == "text").then(|| "Invalid JSON content".to_owned());
    };
    let error = schema.iter_errors(&value).next()?;
    let message: String = error.to_string().chars().take(200).collect();
    Some(format!("Does not fit the schema at \"{}\": {message}", error.instance_path()))
}

fn judge(profile: &Profile, found: &Assessment) -> Verdict {
    if found.score < profile.reject_below {
        return if profile.on_reject == OnReject::Review { Verdict::PendingReview } else { Verdict::Rejected };
    }
    let is_good = found.score >= profile.approve_from && found.issues.is_empty();
    if is_good && profile.auto_approve { Verdict::Approved } else { Verdict::PendingReview }
}

/// `Quality check failed: issue1, issue2`.
fn reason(found: &Assessment) -> String {
    if found.issues.is_empty() {
        return "Quality check failed".to_owned();
    }
    format!("Quality check failed: {}", found.issues.join(", "))
}

/// Makes a deliverable a delivered one; the request's result.
pub(super) fn deliver(row: &mut DeliverableRow, now_us: i64) -> Value {
    row.status = "delivered".to_owned();
    row.final_output = Some(json!({ "content": row.content, "content_type": row.content_type }));
    (row.delivered_us, row.updated_us) = (Some(now_us), now_us);
    json!({
        "deliverable_id": row.id,
        "content_type": row.content_type,
        "content": row.content,
        "quality_score": row.quality_score,
    })
}

fn deliverable(
    clock: &Clock,
    request: &RequestRow,
    content_type: &str,
    content: String,
    raw: Option<Value>,
) -> DeliverableRow {
    let now_us = clock.now_us();
    DeliverableRow {
        id: clock.new_id().to_string(),
        request_id: request.id.clone(),
        org_id: request.org_id.clone(),
        instance_id: request.instance_id.clone(),
        content_type: content_type.to_owned(),
        content,
        provider_response: raw,
        quality_score: 0.0,
        quality_metadata: json!({}),
        status: "pending_review".to_owned(),
        final_output: None,
        post_processing_chain: None,
        post_processing_status: None,
        claimed_by: None,
        claimed_until_us: None,
        reviewed_by: None,
        reviewed_us: None,
        review_reason: None,
        delivered_us: None,
        created_us: now_us,
        updated_us: now_us,
    }
}

/// A message as it is kept and told: short, and without what cannot be stored.
pub(super) fn storable_message(message: &str) -> String {
    let message = without_nul(message.trim());
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.into_owned(),
    }
}

/// The events and calls to the caller that a change of a request brings with it.
pub(super) struct Story<'a> {
    clock: &'a Clock,
    request: &'a RequestRow,
    pub provider: String,
    pub model: String,
    /// Who did it, where it was a person.
    pub user_id: Option<String>,
    pub events: Vec<NewEvent>,
    pub outbox: Vec<OutboxRow>,
}

impl<'a> Story<'a> {
    pub fn new(clock: &'a Clock, request: &'a RequestRow) -> Self {
        let (provider, model) = (request.provider.clone(), request.model.clone());
        Self {
            clock,
            request,
            provider,
            model,
            user_id: request.user_id.clone(),
            events: Vec::new(),
            outbox: Vec::new(),
        }
    }

    fn event(&mut self, action: &str, eventable: (&str, &str), particulars: Value) {
        let draft = Draft {
            action,
            org_id: &self.request.org_id,
            tenant_id: &self.request.instance_id,
            user_id: self.user_id.as_deref(),
            eventable,
            particulars,
            ip_address: None,
            user_agent: None,
        };
        let mut new = events::build(self.clock, draft);
        // Events are put in order by their times.
        let place = i64::try_from(self.events.len()).unwrap_or(0);
        new.event.created_us += place;
        if let Some(feed) = &mut new.feed {
            feed.created_us += place;
        }
        self.events.push(new);
    }

    fn about(&mut self, action: &str, row: &DeliverableRow, reason: Option<&str>) {
        let mut particulars = json!({
            "request_id": row.request_id,
            "content_type": row.content_type,
            "quality_score": row.quality_score,
            "status": row.status,
        });
        if let (Value::Object(particulars), Some(reason)) = (&mut particulars, reason) {
            particulars.insert("reason".to_owned(), reason.into());
        }
        self.event(action, ("deliverable", &row.id), particulars);
    }

    fn about_request(&mut self, action: &str, extra: &[(&str, Value)]) {
        let request = self.request;
        let since = request.started_us.unwrap_or(request.created_us);
        let mut particulars = json!({
            "task_type": request.task_type,
            "provider": self.provider,
            "model": self.model,
            "app_id": request.app_id,
            "duration": (self.clock.now_us() - since).max(0) / 1_000,
        });
        if let Value::Object(particulars) = &mut particulars {
            particulars.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        self.event(action, ("request", &request.id), particulars);
    }

    /// A result came in.
    pub fn created(&mut self, row: &DeliverableRow) {
        self.about("deliverable.created", row, None);
    }

    /// It was good, and is told.
    pub fn delivered(&mut self, row: &DeliverableRow) {
        self.about("deliverable.approved", row, None);
        self.about("deliverable.delivered", row, None);
        let facts = [("deliverable_id", json!(row.id)), ("quality_score", json!(row.quality_score))];
        self.about_request("request.completed", &facts);
        self.call(json!({
            "request_id": self.request.id,
            "status": "completed",
            "deliverable_id": row.id,
            "content_type": row.content_type,
            "content": row.content,
            "quality_score": row.quality_score,
            "timestamp": rfc3339(self.clock.now_us()),
        }));
    }

    pub fn rejected(&mut self, row: &DeliverableRow, reason: &str) {
        self.about("deliverable.rejected", row, Some(reason));
    }

    /// The request failed for good; `told` is what the caller's address hears.
    pub fn failed(&mut self, message: &str, class: &str, told: &str) {
        self.about_request("request.failed", &[("error", json!(message)), ("error_class", json!(class))]);
        self.call(json!({
            "request_id": self.request.id,
            "status": "failed",
            "error": told,
            "timestamp": rfc3339(self.clock.now_us()),
        }));
    }

    /// It is tried again.
    pub fn queued(&mut self, provider: &str, model: &str, reason: &str) {
        (self.provider, self.model) = (provider.to_owned(), model.to_owned());
        let retry = self.request.retry_count + 1;
        self.about_request("request.queued", &[("retry", json!(retry)), ("reason", json!(reason))]);
    }

    fn call(&mut self, body: Value) {
        let Some(url) = self.request.callback_url.as_deref().filter(|url| !url.is_empty()) else { return };
        let now_us = self.clock.now_us();
        self.outbox.push(OutboxRow {
            id: self.clock.new_id().to_string(),
            org_id: self.request.org_id.clone(),
            instance_id: self.request.instance_id.clone(),
            request_id: self.request.id.clone(),
            url: url.to_owned(),
            body: body.to_string(),
            state: "pending".to_owned(),
            attempts: 0,
            epoch: 0,
            next_attempt_us: now_us,
            lease_until_us: None,
            last_status: None,
            last_error: None,
            created_us: now_us,
            completed_us: None,
        });
    }

    fn end(
        self,
        status: &'static str,
        error: Option<(String, String)>,
        result: Option<Value>,
        deliverable: Option<DeliverableRow>,
        verdict: Verdict,
    ) -> Conclusion {
        Conclusion {
            status,
            error,
            result,
            deliverable,
            events: self.events,
            outbox: self.outbox,
            verdict,
            retry: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_132_800_000_000;

    fn request() -> RequestRow {
        RequestRow {
            id: "r1".to_owned(),
            org_id: "org".to_owned(),
            instance_id: "production".to_owned(),
            project_id: None,
            key_id: None,
            user_id: Some("u1".to_owned()),
            app_id: "shop".to_owned(),
            batch_id: None,
            surface: "intake".to_owned(),
            kind: "text".to_owned(),
            task_type: "text".to_owned(),
            subtask: None,
            provider: "openai".to_owned(),
            model: "gpt-4o".to_owned(),
            status: "processing".to_owned(),
            title: "Write".to_owned(),
            priority: 0,
            tags: json!({ "items": [] }),
            epoch: 1,
            retry_count: 0,
            max_retries: 3,
            error_message: None,
            error_class: None,
            callback_url: Some("https://shop.example/done".to_owned()),
            run_at_us: NOW,
            deadline_us: None,
            created_us: NOW - 5_000_000,
            queued_us: None,
            started_us: Some(NOW - 1_500_000),
            completed_us: None,
        }
    }

    fn text(content: &str) -> Report {
        Report::Done(Output {
            content_type: "text".to_owned(),
            content: content.to_owned(),
            raw: None,
            provider: "anthropic".to_owned(),
            model: "claude".to_owned(),
            usage: Some(json!({ "tokens": 7 })),
        })
    }

    fn concluded(profile: &Profile, report: Report) -> Conclusion {
        conclude(&Clock::fixed(NOW), profile, &request(), report)
    }

    fn actions(conclusion: &Conclusion) -> Vec<&str> {
        conclusion.events.iter().map(|new| new.event.action.as_str()).collect()
    }

    fn calls(conclusion: &Conclusion) -> Vec<Value> {
        conclusion.outbox.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
    }

    #[test]
    fn a_good_result_completes_its_request() {
        let done = concluded(&Profile::default(), text("A clean paragraph about the sea."));
        assert_eq!((done.status, done.verdict, &done.error), ("completed", Verdict::Approved, &None));
        assert_eq!(
            actions(&done),
            ["deliverable.created", "deliverable.approved", "deliverable.delivered", "request.completed"]
        );
        let times: Vec<i64> = done.events.iter().map(|new| new.event.created_us - NOW).collect();
        assert_eq!(times, [0, 1, 2, 3]);
        let row = done.deliverable.as_ref().unwrap();
        assert_eq!(row.status, "delivered");
        assert_eq!(row.final_output, Some(json!({ "content": row.content, "content_type": "text" })));
        assert_eq!(row.quality_metadata["usage"]["tokens"], 7);
        let completed = &done.events[3].event;
        assert_eq!(
            (&completed.particulars["duration"], &completed.particulars["provider"]),
            (&json!(1500), &json!("anthropic"))
        );
        assert_eq!(
            calls(&done),
            [json!({
                "request_id": "r1", "status": "completed", "deliverable_id": row.id, "content_type": "text",
                "content": "A clean paragraph about the sea.", "quality_score": 1.0,
                "timestamp": "2026-11-20T00:00:00.000000Z",
            })]
        );
    }

    #[test]
    fn a_bad_result_fails_its_request() {
        let done = concluded(&Profile::default(), text(" "));
        assert_eq!((done.status, done.verdict), ("failed", Verdict::Rejected));
        assert_eq!(done.error, Some(("Quality check failed".to_owned(), "quality".to_owned())));
        assert_eq!(actions(&done), ["deliverable.created", "deliverable.rejected", "request.failed"]);
        assert_eq!(calls(&done)[0]["error"], "Quality check failed: Content is empty");
        assert_eq!(done.deliverable.unwrap().status, "rejected");
    }

    #[test]
    fn what_is_in_between_waits_for_a_person() {
        let done = concluded(&Profile::default(), text("Hi"));
        assert_eq!((done.status, done.verdict, &done.result), ("processing", Verdict::PendingReview, &None));
        assert_eq!(actions(&done), ["deliverable.created"]);
        assert!(done.outbox.is_empty());
        assert_eq!(done.deliverable.unwrap().status, "pending_review");
    }

    #[test]
    fn a_failure_is_told_once() {
        let report = Report::Failed { message: "out of\0 paper".to_owned(), class: "provider".to_owned() };
        let done = concluded(&Profile::default(), report);
        assert_eq!((done.status, done.verdict), ("failed", Verdict::Failed));
        assert_eq!(calls(&done)[0]["error"], "out of\u{fffd} paper");
        let row = done.deliverable.as_ref().unwrap();
        assert_eq!((row.status.as_str(), row.quality_score.to_bits()), ("failed", 0));
        assert_eq!(actions(&done), ["deliverable.created", "request.failed"]);
        let nowhere = RequestRow { callback_url: None, ..request() };
        let report = Report::Failed { message: "no".to_owned(), class: "provider".to_owned() };
        assert!(conclude(&Clock::fixed(NOW), &Profile::default(), &nowhere, report).outbox.is_empty());
    }

    #[test]
    fn profiles_decide_otherwise() {
        let careful = Profile { auto_approve: false, ..Profile::default() };
        assert_eq!(concluded(&careful, text("A clean paragraph about the sea.")).verdict, Verdict::PendingReview);
        let kind = Profile { on_reject: OnReject::Review, ..Profile::default() };
        assert_eq!(concluded(&kind, text("")).verdict, Verdict::PendingReview);
        let strict = Profile { reject_below: 0.75, ..Profile::default() };
        assert_eq!(concluded(&strict, text("Hi")).verdict, Verdict::Rejected);
        let stubborn = Profile { on_reject: OnReject::Retry, ..Profile::default() };
        let again = concluded(&stubborn, text(""));
        assert_eq!((again.retry, again.status, again.verdict), (true, "processing", Verdict::Rejected));
        assert!(again.outbox.is_empty());
        let schema = super::super::schema_of(&json!({ "type": "object", "required": ["name"] })).unwrap();
        let shaped = Profile { schema: Some(std::sync::Arc::new(schema)), ..Profile::default() };
        assert_eq!(concluded(&shaped, text("{\"name\": \"Ada Lovelace\"}")).verdict, Verdict::Approved);
        let told = calls(&concluded(&shaped, text("{\"nom\": \"Ada Lovelace\"}")))[0]["error"].to_string();
        assert!(told.contains("Does not fit the schema") && told.contains("name"), "{told}");
        assert_eq!(concluded(&shaped, text("A clean paragraph about the sea.")).verdict, Verdict::Rejected);
        let tired = RequestRow { retry_count: 3, ..request() };
        let done = conclude(&Clock::fixed(NOW), &stubborn, &tired, text(""));
        assert_eq!((done.retry, done.status), (false, "failed"));
    }
}
