//! Results from outside: of external providers, and of whoever else works on a request.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::{
    Delivery, DeliveryError, Report, Verdict, allowed,
    conclude::{self, Conclusion},
    signature,
};
use crate::{
    clock::rfc3339,
    services::{
        events::storable,
        identity::{Caller, Deed},
    },
    store::jobs::{Ending, Guard, JobRow, RequestChange, RequestRow, Then},
};

/// Tries when the job changes hands just then.
const TRIES: usize = 3;

/// Who brings a result.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// Somebody with a key or a session.
    Caller(&'a Caller),
    /// The secret of the request, from its callback address.
    Token(&'a str),
    /// A provider that showed its own secret; for its own requests.
    Provider(&'a str),
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    pub request_id: String,
    pub deliverable_id: String,
    pub verdict: Verdict,
    pub score: f64,
    pub retry: bool,
}

impl Delivery {
    /// Takes the result of a request that is not over. `id` is ours, or the provider's own id of the job.
    pub async fn deliver(
        &self,
        who: Told<'_>,
        id: &str,
        report: impl Fn(&RequestRow) -> Report,
    ) -> Result<Delivered, DeliveryError> {
        let mut request = self.find(who, id).await?;
        for _ in 0..TRIES {
            if matches!(request.status.as_str(), "completed" | "failed" | "cancelled") {
                break;
            }
            let Some(job) = self.db.job(&request.id).await? else { break };
            let done = conclude::conclude(&self.clock, &self.profile(&request), &request, report(&request));
            let delivered = Delivered {
                request_id: request.id.clone(),
                deliverable_id: done.deliverable.as_ref().map(|row| row.id.clone()).unwrap_or_default(),
                verdict: done.verdict,
                score: done.deliverable.as_ref().map_or(0.0, |row| row.quality_score),
                retry: done.retry,
            };
            let ending = self.ending(&request, job, done);
            if Box::pin(self.db.finish_jobs(std::slice::from_ref(&ending))).await?.contains(&request.id) {
                self.tell();
                return Ok(delivered);
            }
            request = self.db.work_request(&request.id).await?.ok_or(DeliveryError::NotFound("Request"))?;
        }
        Err(DeliveryError::Status { what: "deliver a result for request", status: request.status })
    }

    /// What a provider tells of a job that is asked for by its model's payload mapping is only a hint to ask at once, if the
    /// mapping says how to read it. The request's id, if it was one.
    pub async fn hint(&self, who: Told<'_>, id: &str, body: &Value) -> Result<Option<String>, DeliveryError> {
        let request = self.find(who, id).await?;
        let Some(mut job) = self.db.job(&request.id).await?.filter(|job| job.kind == "remote") else { return Ok(None) };
        let snapshot = self.catalog.snapshot();
        let has_callback = [job.model.as_str(), &request.model]
            .iter()
            .find_map(|name| snapshot.models.get(*name))
            .and_then(|model| model.mapping.as_ref()?.get("callback").map(|_| ()));
        if has_callback.is_none() {
            return Ok(None);
        }
        if let Value::Object(remote) = &mut job.remote {
            remote.insert("callback".to_owned(), storable(body.clone()));
        }
        self.db.hint_remote(&job, self.clock.now_us()).await?;
        Ok(Some(request.id))
    }

    /// Whether a provider's message carries its secret: in `X-Webhook-Secret`, or as a signature of the body, as Standard
    /// Webhooks and ElevenLabs make them. `None` when it carries none, or the provider has none in the settings.
    pub fn is_signed(&self, provider: &str, headers: &HeaderMap, body: &[u8]) -> Option<bool> {
        let snapshot = self.catalog.snapshot();
        let secret = snapshot.provider(provider)?.webhook_secret.as_ref()?;
        signature::fits(secret.reveal(), headers, body, self.clock.now_us())
    }

    /// The request of our id, else the only one whose job has this name at its provider, if they may bring its result.
    async fn find(&self, who: Told<'_>, id: &str) -> Result<RequestRow, DeliveryError> {
        let missing = || DeliveryError::NotFound("Request");
        if let Some(request) = self.db.work_request(id).await? {
            self.may_deliver(who, &request)?;
            return Ok(request);
        }
        // Two providers may use the same name: it counts where it is the caller's to use.
        let mut found = None;
        for job in self.db.jobs_by_remote_id(id).await? {
            let Some(request) = self.db.work_request(&job.id).await? else { continue };
            if self.may_deliver(who, &request).is_ok() && found.replace(request).is_some() {
                return Err(DeliveryError::Invalid {
                    field: "request_id",
                    message: "several requests have a job of this name; name the request".to_owned(),
                });
            }
        }
        found.ok_or_else(missing)
    }

    fn may_deliver(&self, who: Told<'_>, request: &RequestRow) -> Result<(), DeliveryError> {
        match who {
            Told::Caller(caller) => allowed(caller, Deed::Jobs, &request.org_id, &request.instance_id, "Request"),
            Told::Token(token) if self.token_fits(&request.id, token) => Ok(()),
            Told::Provider(provider) => {
                let snapshot = self.catalog.snapshot();
                let id =
                    |name: &str| snapshot.provider(name).map_or_else(|| name.to_owned(), |found| found.id.to_string());
                if id(provider) == id(&request.provider) { Ok(()) } else { Err(DeliveryError::NotFound("Request")) }
            }
            Told::Token(_) => Err(DeliveryError::Signature),
        }
    }

    /// The address at which the result of one request is taken without a key: it carries a secret of its own.
    pub fn callback_url(&self, public_url: &str, request_id: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("request_id", request_id)
            .append_pair("token", &self.token(request_id))
            .finish();
        format!("{}/delivery/webhook?{query}", public_url.trim_end_matches('/'))
    }

    fn token(&self, request_id: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.vault.derive(&["callback token", request_id]))
    }

    fn token_fits(&self, request_id: &str, token: &str) -> bool {
        self.token(request_id).as_bytes().ct_eq(token.as_bytes()).into()
    }

    fn ending(&self, request: &RequestRow, job: JobRow, done: Conclusion) -> Ending {
        let now_us = self.clock.now_us();
        let is_over = done.status != "processing";
        let (error_message, error_class) = done.error.unzip();
        let mut change = RequestChange {
            id: request.id.clone(),
            status: done.status.to_owned(),
            provider: request.provider.clone(),
            model: request.model.clone(),
            epoch: job.epoch,
            retry_count: request.retry_count,
            error_message,
            error_class,
            completed_us: is_over.then_some(now_us),
            result: done.result,
        };
        let then = if is_over {
            Then::Over
        } else {
            let mut next = job.clone();
            if done.retry {
                change.status = "queued".to_owned();
                change.retry_count += 1;
                next.state = "waiting".to_owned();
                (next.remote_id, next.remote) = (None, serde_json::json!({}));
                next.reason = Some("the result was not good enough".to_owned());
            } else {
                next.state = "held".to_owned();
                // People take the time they need.
                next.deadline_us = None;
                next.reason = Some(format!("waiting for review since {}", rfc3339(now_us)));
            }
            Then::Goes(Box::new(next))
        };
        Ending {
            job_id: job.id.clone(),
            epoch: job.epoch,
            guard: Guard::Live,
            then,
            attempt: None,
            request: Some(change),
            deliverable: done.deliverable,
            events: done.events,
            outbox: done.outbox,
            jobs: Vec::new(),
        }
    }
}
