//! What can go wrong with an upstream, in one vocabulary for every provider.

use std::time::Duration;

/// Kind of failure; decides whether a retry or a fallback makes sense and which status the caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The provider refused our credential.
    Auth,
    /// No credit, quota used up: retrying cannot help.
    Billing,
    RateLimit,
    /// The provider is short of capacity.
    Overloaded,
    /// The request is wrong; the caller has to change it.
    Invalid,
    /// The provider does not know the model or path.
    NotFound,
    /// Refused for its content.
    ContentFilter,
    /// The request asks for something this provider cannot do at all.
    Unsupported,
    /// No connection could be made: nothing was sent.
    Connect,
    /// Nothing (more) arrived in time.
    Timeout,
    /// The answer ended before its end marker.
    Truncated,
    /// The answer could not be understood.
    Malformed,
    /// The provider failed (5xx, or an error inside a 200).
    Upstream,
}

impl ErrorClass {
    /// The word used in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Billing => "billing",
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::ContentFilter => "content_filter",
            Self::Unsupported => "unsupported",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Upstream => "upstream",
        }
    }

    /// Whether the same call may be made again: it may succeed, and it is unlikely that the first one was done and paid.
    /// Only asked before the first byte of an answer.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimit | Self::Overloaded | Self::Connect | Self::Truncated | Self::Upstream)
    }
}

/// A failed upstream call. Never holds a credential.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    pub class: ErrorClass,
    /// The upstream's HTTP status, when it answered.
    pub status: Option<u16>,
    /// The upstream's own words, or ours when it had none; at most 2,000 characters.
    pub message: String,
    /// The provider's machine-readable code and type (`rate_limit_exceeded`, `overloaded_error`, …).
    pub code: Option<String>,
    pub kind: Option<String>,
    pub param: Option<String>,
    /// How long the provider asks us to wait.
    pub retry_after: Option<Duration>,
}

impl ProviderError {
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(2_000) {
            message.truncate(cut);
        }
        Self { class, status: None, message, code: None, kind: None, param: None, retry_after: None }
    }

    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}
