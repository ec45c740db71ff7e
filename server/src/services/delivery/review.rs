//! The review desk: what waits for a person, who has it, and what they decide.

use serde_json::{Value, json};

use super::{
    Delivery, DeliveryError, allowed,
    conclude::{self, Story, storable_message},
};
use crate::{
    services::{
        events::storable,
        gateway::resolve,
        identity::{Caller, Deed, may},
    },
    store::{
        Page,
        deliverables::{DeliverableRow, PendingRow, Review, Reviewed},
        jobs::{JobRow, RequestChange, RequestRow, rank_us},
        rows::without_nul,
    },
};

const MINUTE_US: i64 = 60_000_000;
/// Longest time that an item is one reviewer's.
const LONGEST_CLAIM: i64 = 24 * 60;
/// Most bytes of content that a reviewer writes.
const LONGEST_EDIT: usize = 1 << 20;

/// What a reviewer changed before approving.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    pub content: Option<String>,
}

/// Another try after a rejection.
#[derive(Debug, Clone, Default)]
pub struct Again {
    /// On this model; without one, on the same.
    pub model: Option<String>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    pub deliverable: DeliverableRow,
    /// What the request is now: `completed`, `failed` or `queued`.
    pub request_status: &'static str,
}

impl Delivery {
    /// A deliverable, if they may see it.
    pub async fn deliverable(&self, who: &Caller, id: &str) -> Result<DeliverableRow, DeliveryError> {
        self.reachable(who, Deed::Read, id).await
    }

    /// What waits for a person in the caller's instance, oldest first.
    pub async fn pending(&self, who: &Caller, page: &Page) -> Result<Vec<PendingRow>, DeliveryError> {
        may(who, Deed::Read, who.place())?;
        Ok(self.db.pending_deliverables(&who.instance.id, page).await?)
    }

    /// Gives an item to the caller for some minutes, so that nobody else decides meanwhile.
    pub async fn claim(&self, who: &Caller, id: &str, minutes: i64) -> Result<DeliverableRow, DeliveryError> {
        if !(1..=LONGEST_CLAIM).contains(&minutes) {
            let message = format!("minutes must be a number from 1 to {LONGEST_CLAIM}");
            return Err(DeliveryError::Invalid { field: "minutes", message });
        }
        let row = self.reachable(who, Deed::Jobs, id).await?;
        waits(&row, "claim deliverable")?;
        let now_us = self.clock.now_us();
        let claimed = self.db.claim_review(id, &reviewer(who), now_us, now_us + minutes * MINUTE_US).await?;
        match claimed {
            Some(row) => Ok(row),
            None => {
                waits(&self.reachable(who, Deed::Jobs, id).await?, "claim deliverable")?;
                Err(DeliveryError::Claimed)
            }
        }
    }

    /// Gives an item back.
    pub async fn release(&self, who: &Caller, id: &str) -> Result<(), DeliveryError> {
        self.reachable(who, Deed::Jobs, id).await?;
        if self.db.release_review(id, &reviewer(who)).await? { Ok(()) } else { Err(DeliveryError::Claimed) }
    }

    /// A person finds a result good, perhaps after changing it: the request is completed.
    pub async fn approve(&self, who: &Caller, id: &str, edit: Edit) -> Result<Decided, DeliveryError> {
        let mut row = self.reachable(who, Deed::Jobs, id).await?;
        waits(&row, "approve deliverable")?;
        let request = self.request_of(&row).await?;
        let now_us = self.clock.now_us();
        if let Some(content) = edit.content.filter(|content| *content != row.content) {
            if content.len() > LONGEST_EDIT {
                let message = format!("content has at most {LONGEST_EDIT} bytes");
                return Err(DeliveryError::Invalid { field: "content", message });
            }
            if let Value::Object(metadata) = &mut row.quality_metadata {
                metadata.insert("edited_by".to_owned(), reviewer(who).into());
                metadata.insert("original_content".to_owned(), row.content.as_str().into());
            }
            row.content = without_nul(&content).into_owned();
        }
        let result = conclude::deliver(&mut row, now_us);
        let mut story = Story::new(&self.clock, &request);
        story.delivered(&row);
        let change = change(&request, "completed", None, Some(now_us), Some(result));
        let deliverable = self.decide(who, "approve deliverable", row, &change, None, story).await?;
        Ok(Decided { deliverable, request_status: "completed" })
    }

    /// A person finds a result bad: the request fails, or is tried again.
    pub async fn reject(
        &self,
        who: &Caller,
        id: &str,
        reason: &str,
        again: Option<Again>,
    ) -> Result<Decided, DeliveryError> {
        let mut row = self.reachable(who, Deed::Jobs, id).await?;
        waits(&row, "reject deliverable")?;
        let request = self.request_of(&row).await?;
        let now_us = self.clock.now_us();
        let reason = storable_message(reason);
        row.status = "rejected".to_owned();
        (row.review_reason, row.updated_us) = (Some(reason.clone()), now_us);
        let mut story = Story::new(&self.clock, &request);
        story.rejected(&row, &reason);
        let Some(again) = again else {
            story.failed(&reason, "rejected", &reason);
            let error = Some((reason, "rejected"));
            let change = change(&request, "failed", error, Some(now_us), None);
            let deliverable = self.decide(who, "reject deliverable", row, &change, None, story).await?;
            return Ok(Decided { deliverable, request_status: "failed" });
        };
        let job = self.next_job(who, &request, &again).await?;
        story.queued(&job.queue, &job.model, &reason);
        let mut change = change(&request, "queued", Some((reason, "rejected")), None, None);
        (change.provider, change.model) = (job.queue.clone(), job.model.clone());
        (change.retry_count, change.epoch) = (request.retry_count + 1, job.epoch);
        let deliverable = self.decide(who, "reject deliverable", row, &change, Some(&job), story).await?;
        Ok(Decided { deliverable, request_status: "queued" })
    }

    async fn decide(
        &self,
        who: &Caller,
        what: &'static str,
        mut row: DeliverableRow,
        request: &RequestChange,
        job: Option<&JobRow>,
        story: Story<'_>,
    ) -> Result<DeliverableRow, DeliveryError> {
        let now_us = self.clock.now_us();
        let reviewer = reviewer(who);
        row.quality_metadata = storable(row.quality_metadata);
        let review = Review {
            after: &row,
            reviewer: &reviewer,
            now_us,
            request,
            job,
            events: &story.events,
            outbox: &story.outbox,
        };
        match Box::pin(self.db.review(&review)).await? {
            Reviewed::Done => {
                self.tell();
                (row.reviewed_by, row.reviewed_us) = (Some(reviewer), Some(now_us));
                Ok(row)
            }
            Reviewed::Claimed => Err(DeliveryError::Claimed),
            Reviewed::Status(status) => Err(DeliveryError::Status { what, status }),
        }
    }

    async fn reachable(&self, who: &Caller, deed: Deed, id: &str) -> Result<DeliverableRow, DeliveryError> {
        let row = self.db.deliverable(id).await?.ok_or(DeliveryError::NotFound("Deliverable"))?;
        allowed(who, deed, &row.org_id, &row.instance_id, "Deliverable")?;
        Ok(row)
    }

    async fn request_of(&self, row: &DeliverableRow) -> Result<RequestRow, DeliveryError> {
        self.db.work_request(&row.request_id).await?.ok_or(DeliveryError::NotFound("Request"))
    }

    /// The job that tries a request again, from its beginning.
    async fn next_job(&self, who: &Caller, request: &RequestRow, again: &Again) -> Result<JobRow, DeliveryError> {
        let over = || DeliveryError::Status { what: "retry request", status: request.status.clone() };
        let mut job = self.db.job(&request.id).await?.ok_or_else(over)?;
        if let Some(name) = &again.model {
            let snapshot = self.catalog.snapshot();
            let model = resolve::model(&snapshot, name, who)
                .map_err(|error| DeliveryError::Invalid { field: "model", message: error.to_string() })?;
            job.queue = model.provider.id.to_string();
            job.model.clone_from(&model.id);
            job.kind = if model.mapping.as_ref().is_some_and(|mapping| mapping.get("poll").is_some()) {
                "remote"
            } else if model.codec.is_some() && model.can("text") {
                "text"
            } else {
                "external"
            }
            .to_owned();
        }
        let now_us = self.clock.now_us();
        Ok(JobRow {
            state: "waiting".to_owned(),
            rank_us: rank_us(now_us, job.priority),
            run_at_us: now_us,
            deadline_us: request.deadline_us.filter(|deadline_us| *deadline_us > now_us),
            attempt: 0,
            worker_id: None,
            lease_until_us: None,
            claimed_us: None,
            cancel_us: None,
            reason: None,
            remote_id: None,
            remote: json!({}),
            ..job
        })
    }
}

/// Who reviews: the person, or the key of a project.
fn reviewer(who: &Caller) -> String {
    who.user_id.clone().or_else(|| who.key_id.clone()).unwrap_or_default()
}

fn waits(row: &DeliverableRow, what: &'static str) -> Result<(), DeliveryError> {
    if row.status == "pending_review" {
        return Ok(());
    }
    Err(DeliveryError::Status { what, status: row.status.clone() })
}

fn change(
    request: &RequestRow,
    status: &str,
    error: Option<(String, &str)>,
    completed_us: Option<i64>,
    result: Option<Value>,
) -> RequestChange {
    let (error_message, error_class) = error.unzip();
    RequestChange {
        id: request.id.clone(),
        status: status.to_owned(),
        provider: request.provider.clone(),
        model: request.model.clone(),
        epoch: request.epoch,
        retry_count: request.retry_count,
        error_message,
        error_class: error_class.map(str::to_owned),
        completed_us,
        result,
    }
}
