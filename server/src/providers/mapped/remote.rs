//! Work that goes on at the provider after its request was answered: submit it, ask for it, find it again, stop it, and
//! read the provider's own message about it.
//!
//! Each function makes at most one call and decides nothing: when to ask, how often and whether to repeat is the caller's.
//! Such work costs money, so a submission is only repeated when it surely had no effect. [`SubmitError::certain`] says
//! whether that is known; where it is not, [`lookup`] finds the job of the lost answer, and
//! [`Abilities::is_idempotent`] says that a repeated submission does no harm.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Mapping, mapping_of,
    parts::{Poll, Verdict},
    usage_of,
};
use crate::providers::{ErrorClass, ProviderError, Target, UpstreamRequest, Usage, openai, transport::Transport, wire};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a mapping can do besides submitting and polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    pub can_look_up: bool,
    pub can_cancel: bool,
    pub has_callback: bool,
    /// The provider carries out one submission per idempotency key, however often it is sent.
    pub is_idempotent: bool,
    /// The wait between two polls that suits the provider.
    pub poll_interval: Duration,
}

/// A piece of work to submit.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Values for the mapping's placeholders (`prompt`, `duration`, …). `user_prompt` is `prompt` and `model` the
    /// target's, unless they are among them.
    pub inputs: &'a Map<String, Value>,
    /// Our name for the work: `{reference}`, by which [`lookup`] finds it.
    pub reference: &'a str,
    /// The same for every attempt: `{idempotency_key}`, and the header `Idempotency-Key`.
    pub idempotency_key: &'a str,
    /// Where the provider may tell the end: `{callback_url}`.
    pub callback_url: Option<&'a str>,
}

/// An accepted submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The provider's name for the work; `None` only if it has ended already.
    pub remote_id: Option<String>,
    pub state: RemoteStatus,
}

/// A submission without a usable answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct SubmitError {
    /// Whether the provider surely did not accept the work: nothing was sent, or it said no. Otherwise nobody knows.
    pub certain: bool,
    /// Class, words, and the wait that the provider asks for.
    pub error: ProviderError,
}

/// How far remote work is.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteStatus {
    /// `progress` is in percent.
    Pending {
        progress: Option<f64>,
    },
    Done(Box<RemoteOutput>),
    Failed {
        message: String,
    },
    /// The provider does not know the work (any more).
    Gone,
}

/// What finished work brought.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteOutput {
    /// The values that the response mapping found.
    pub values: Map<String, Value>,
    pub usage: Option<Usage>,
    /// The provider's answer as it came.
    pub raw: Value,
}

/// What a request to stop work led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The provider accepted it.
    Accepted,
    /// It is over already, or not known.
    TooLate,
    /// The mapping does not say how.
    Unsupported,
}

/// What the target's mapping can do; `None` when its work ends with the answer.
pub fn abilities(target: &Target) -> Option<Abilities> {
    let mapping = mapping_of(target).ok()?;
    let poll = mapping.poll.as_ref()?;
    Some(Abilities {
        can_look_up: mapping.lookup.is_some(),
        can_cancel: mapping.cancel.is_some(),
        has_callback: mapping.callback.is_some(),
        is_idempotent: mapping.is_idempotent,
        poll_interval: poll.wait,
    })
}

/// Hands work to the provider, once.
pub async fn submit(
    target: &Target,
    transport: &Transport,
    work: &Work<'_>,
    deadline: Instant,
) -> Result<Submitted, SubmitError> {
    let unsent = |error| SubmitError { certain: true, error };
    let unknown = |error| SubmitError { certain: false, error };
    let mapping = mapping_of(target).map_err(unsent)?;
    let poll = poll_of(&mapping).map_err(unsent)?;
    let request = submission(&mapping, target, work).map_err(unsent)?;
    let answer = call(transport, request, deadline)
        .await
        .map_err(|(error, sent)| SubmitError { certain: sent == Sent::No, error })?;
    if !answer.status.is_success() {
        return Err(SubmitError { certain: is_refusal(answer.status), error: answer.error() });
    }
    let body = answer.json().map_err(unknown)?;
    let remote_id = poll.job_id.find(&body).and_then(wire::text_of);
    let state = status(poll.ending.verdict(&body), body);
    if remote_id.is_none() && matches!(state, RemoteStatus::Pending { .. }) {
        let message = "the provider's answer names no job to wait for";
        return Err(unknown(ProviderError::new(ErrorClass::Malformed, message)));
    }
    Ok(Submitted { remote_id, state })
}

/// Asks how far work is. An error says nothing about the work, only that the question failed.
pub async fn poll(
    target: &Target,
    transport: &Transport,
    remote_id: &str,
    deadline: Instant,
) -> Result<RemoteStatus, ProviderError> {
    let mapping = mapping_of(target)?;
    let poll = poll_of(&mapping)?;
    let request = mapping.about(&poll.call, target, "job_id", &remote_id.into())?;
    let answer = call(transport, request, deadline).await.map_err(|(error, _)| error)?;
    match answer.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(RemoteStatus::Gone),
        status if !status.is_success() => Err(answer.error()),
        _ => {
            let body = answer.json()?;
            Ok(status(poll.ending.verdict(&body), body))
        }
    }
}

/// The provider's name of the work that was submitted under our `reference`; `None` when there is none. Only for mappings
/// with [`Abilities::can_look_up`]; an error says nothing about the work.
///
/// A submission that was broken off may still be on its way: ask after the longest time that the provider may take for it,
/// and submit again with the same idempotency key and reference.
pub async fn lookup(
    target: &Target,
    transport: &Transport,
    reference: &str,
    deadline: Instant,
) -> Result<Option<String>, ProviderError> {
    let mapping = mapping_of(target)?;
    let Some(part) = &mapping.lookup else {
        return Err(ProviderError::new(ErrorClass::Unsupported, "the payload mapping has no part lookup"));
    };
    let request = mapping.about(&part.call, target, "reference", &reference.into())?;
    let answer = call(transport, request, deadline).await.map_err(|(error, _)| error)?;
    if part.none_on_404 && answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.status.is_success() {
        return Err(answer.error());
    }
    Ok(part.job_id.find(&answer.json()?).and_then(wire::text_of))
}

/// Asks the provider to stop work.
pub async fn cancel(
    target: &Target,
    transport: &Transport,
    remote_id: &str,
    deadline: Instant,
) -> Result<Cancelled, ProviderError> {
    let mapping = mapping_of(target)?;
    let Some(part) = &mapping.cancel else { return Ok(Cancelled::Unsupported) };
    let request = mapping.about(&part.call, target, "job_id", &remote_id.into())?;
    let answer = call(transport, request, deadline).await.map_err(|(error, _)| error)?;
    match answer.status {
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::CONFLICT => Ok(Cancelled::TooLate),
        status if status.is_success() => Ok(Cancelled::Accepted),
        _ => Err(answer.error()),
    }
}

/// The provider's message about a job, as its callback brings it: the job's name and how far it is. It is only a hint
/// until the sender is known; where that matters, ask with [`poll`].
pub fn read_callback(mapping: &Value, body: &[u8]) -> Result<(String, RemoteStatus), ProviderError> {
    let mapping = Mapping::read(mapping)?;
    let Some(part) = &mapping.callback else {
        return Err(ProviderError::new(ErrorClass::Unsupported, "the payload mapping has no part callback"));
    };
    let body: Value = wire::parse(body, "the callback")?;
    let Some(remote_id) = part.job_id.find(&body).and_then(wire::text_of) else {
        return Err(ProviderError::new(ErrorClass::Malformed, "the callback of the provider names no job"));
    };
    Ok((remote_id, status(part.ending.verdict(&body), body)))
}

fn poll_of<'m, 'a>(mapping: &'m Mapping<'a>) -> Result<&'m Poll<'a>, ProviderError> {
    mapping.poll.as_ref().ok_or_else(|| {
        ProviderError::new(
            ErrorClass::Unsupported,
            "the payload mapping has no part poll: its work ends with the answer",
        )
    })
}

/// The request that submits.
fn submission(mapping: &Mapping<'_>, target: &Target, work: &Work<'_>) -> Result<UpstreamRequest, ProviderError> {
    let mut values = work.inputs.clone();
    if let Some(prompt) = work.inputs.get("prompt") {
        values.entry("user_prompt").or_insert_with(|| prompt.clone());
    }
    values.entry("model").or_insert_with(|| (&*target.model).into());
    values.insert("reference".to_owned(), work.reference.into());
    values.insert("idempotency_key".to_owned(), work.idempotency_key.into());
    values.insert("callback_url".to_owned(), work.callback_url.into());
    let mut request = mapping.request(target, &values, false)?;
    if !request.headers.contains_key(&IDEMPOTENCY_KEY)
        && let Ok(key) = HeaderValue::try_from(work.idempotency_key)
    {
        request.headers.insert(IDEMPOTENCY_KEY, key);
    }
    Ok(request)
}

/// Whether this answer means that nothing was accepted. Not 408 and 409, which an attempt that is under way may cause; nor
/// a redirect, which may lead to what was accepted; nor a failure of the server, which may come too late.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT && status != StatusCode::CONFLICT
}

fn status(verdict: Verdict, raw: Value) -> RemoteStatus {
    match verdict {
        Verdict::Running { progress } => RemoteStatus::Pending { progress },
        Verdict::Failed(message) => RemoteStatus::Failed { message },
        Verdict::Done(values) => {
            let usage = usage_of(&values);
            RemoteStatus::Done(Box::new(RemoteOutput { values, usage, raw }))
        }
    }
}

/// Whether a request that failed may have reached the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    No,
    Maybe,
}

/// A whole answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Result<Value, ProviderError> {
        wire::parse(&self.body, "the answer")
    }

    fn error(&self) -> ProviderError {
        openai::fault::read(self.status, &self.headers, &self.body)
    }
}

async fn call(
    transport: &Transport,
    request: UpstreamRequest,
    deadline: Instant,
) -> Result<Answer, (ProviderError, Sent)> {
    let upstream = transport.send(request, deadline).await.map_err(|error| {
        // Without a connection, or with an address that cannot be called, nothing left this machine.
        let sent = match error.class {
            ErrorClass::Connect | ErrorClass::Invalid => Sent::No,
            _ => Sent::Maybe,
        };
        (error, sent)
    })?;
    let (status, headers) = (upstream.status, upstream.headers.clone());
    match upstream.read(deadline).await {
        Ok(body) => Ok(Answer { status, headers, body }),
        // The status alone says what a broken error body would have said.
        Err(_) if !status.is_success() => Ok(Answer { status, headers, body: Bytes::new() }),
        Err(error) => Err((error, Sent::Maybe)),
    }
}
