//! What differs between providers: who may call, how failures look, and how an answer is written.

use std::fmt::Display;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::answer::{Answer, Ask};
use super::stream::Event;

/// A provider's manners outside any particular endpoint.
pub(crate) trait Dialect: Sync {
    /// The provider's id.
    fn name(&self) -> &'static str;
    /// Checks the key where this provider expects it.
    fn authorize(&self, headers: &HeaderMap, query: &str) -> Result<(), Failure>;
    /// The body of a failure.
    fn failure(&self, failure: &Failure, request_id: &str) -> Value;
    /// Headers of every answer: request id, rate limits, waiting time.
    fn head(&self, facts: &Facts, headers: &mut HeaderMap);
}

/// A provider that answers chats.
pub(crate) trait Chat: Dialect {
    /// Reads and validates a request. `model` comes from the address where the provider has it there.
    fn read(&self, body: &Value, model: Option<&str>) -> Result<Ask, Failure>;
    /// The buffered body.
    fn whole(&self, ask: &Ask, answer: &Answer, meta: &Meta) -> Value;
    /// The streamed body.
    fn events(&self, ask: &Ask, answer: &Answer, meta: &Meta) -> Vec<Event>;
    /// The event of a failure inside a stream.
    fn stream_failure(&self, meta: &Meta) -> Event;
    /// A legal but empty event (`empty-choices`), where the provider has one.
    fn stream_oddity(&self, ask: &Ask, meta: &Meta) -> Option<Event>;
    /// The model as the request names it, faults included.
    fn model<'a>(&self, body: &'a Value, model: Option<&'a str>) -> Option<&'a str> {
        model.or_else(|| body.get("model").and_then(Value::as_str))
    }
}

/// What the writers of bodies need to know about the exchange.
pub(crate) struct Meta {
    pub(crate) request_id: String,
    /// Unix seconds.
    pub(crate) created: u64,
}

/// What the writers of heads need to know.
pub(crate) struct Facts<'a> {
    pub(crate) request_id: &'a str,
    /// Requests answered in the current minute.
    pub(crate) used: u32,
    /// Tokens read and written by this call.
    pub(crate) tokens: u32,
    /// Unix milliseconds.
    pub(crate) now_ms: u64,
    pub(crate) failure: Option<&'a Failure>,
}

impl Facts<'_> {
    /// The simulated account's requests per minute.
    pub(crate) const REQUESTS: u32 = 10_000;
    /// The simulated account's tokens per minute.
    pub(crate) const TOKENS: u32 = 2_000_000;

    /// Requests and tokens left; nothing is left on a 429.
    pub(crate) fn remaining(&self) -> (u32, u32) {
        match self.failure {
            Some(failure) if failure.status == 429 => (0, 0),
            _ => (Self::REQUESTS - self.used.min(Self::REQUESTS), Self::TOKENS - self.tokens.min(Self::TOKENS)),
        }
    }

    /// Seconds to wait, when the failure says so.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        self.failure.and_then(|failure| failure.retry_after)
    }
}

/// A refused request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    /// Empty: the provider's usual words for this status.
    pub(crate) message: String,
    /// The field at fault.
    pub(crate) param: Option<String>,
    /// The provider's code, where the status does not settle it.
    pub(crate) code: Option<&'static str>,
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reason {
    #[default]
    Status,
    NoKey,
    BadKey,
    Quota,
}

impl Failure {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn because(status: u16, reason: Reason) -> Self {
        Self { status, reason, ..Self::default() }
    }

    /// A 400 with the provider's words.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), ..Self::default() }
    }

    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The message, or `usual` when there is none.
    pub(crate) fn words<'a>(&'a self, usual: &'a str) -> &'a str {
        if self.message.is_empty() { usual } else { &self.message }
    }
}

/// Sets a header; a value that cannot be one is left out.
pub(crate) fn put(headers: &mut HeaderMap, name: &'static str, value: impl Display) {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The key of an `authorization: Bearer` header: absent, or the text after the scheme.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Any key is good but an empty one and the word `invalid`.
pub(crate) fn check_key(key: Option<&str>, missing: u16, bad: u16) -> Result<(), Failure> {
    match key {
        None | Some("") => Err(Failure::because(missing, Reason::NoKey)),
        Some("invalid") => Err(Failure::because(bad, Reason::BadKey)),
        Some(_) => Ok(()),
    }
}
