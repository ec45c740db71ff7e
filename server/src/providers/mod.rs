//! Upstream wire formats. A codec is pure: it writes the upstream's request and reads its answer; `transport` does the
//! input and output, so timeouts, cancellation and size limits are the same for every provider.
//!
//! To add a provider's text format: write `<name>.rs` with a `ChatCodec`, name it in [`chat_codec`], give the simulator
//! its endpoints, and add a row to the provider catalogue.

pub mod anthropic;
pub mod chat;
pub mod cohere;
pub mod error;
pub mod gemini;
pub mod input;
pub mod mapped;
mod names;
pub mod openai;
pub mod sse;
#[cfg(test)]
mod testing;
pub mod transport;
mod turns;
pub mod wire;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

pub use chat::{ChatChunk, ChatRequest, Completion, FinishReason, Usage};
pub use error::{ErrorClass, ProviderError};
pub use input::ChatInput;

/// The text codec that an adapter's name stands for.
pub fn chat_codec(adapter: &str) -> Option<&'static dyn ChatCodec> {
    match adapter {
        "openai" => Some(&openai::OpenAi),
        "anthropic" => Some(&anthropic::Anthropic),
        "gemini" => Some(&gemini::Gemini),
        "cohere" => Some(&cohere::Cohere),
        "mapped" => Some(&mapped::Mapped),
        _ => None,
    }
}

/// A value that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Default for Secret {
    fn default() -> Self {
        Self::new("")
    }
}

impl Secret {
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value itself; only for the place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where a call goes: one provider, one model, one credential.
#[derive(Debug, Clone)]
pub struct Target {
    /// Id of the provider row (`openai`, `anthropic`, `my-vllm`).
    pub provider: Arc<str>,
    /// Base URL without a trailing slash.
    pub base_url: Arc<str>,
    /// The model's name at the upstream.
    pub model: Arc<str>,
    pub credential: Option<Secret>,
    /// How the credential is presented.
    pub auth: Auth,
    /// Extra headers of the provider row (`OpenAI-Organization`, …).
    pub headers: Arc<[(String, String)]>,
    /// Request features that the model refuses: `sampling_params`, `assistant_prefill`, `forced_tool_use`, ….
    pub lacks: Arc<[String]>,
    /// Most output tokens the model can write, if known; Anthropic needs one.
    pub max_output: Option<u32>,
    /// The payload mapping of a `mapped` model.
    pub mapping: Option<Arc<Value>>,
    /// True when the built-in simulator stands in for the provider.
    pub simulated: bool,
}

impl Target {
    pub fn lacks(&self, feature: &str) -> bool {
        self.lacks.iter().any(|f| f == feature)
    }
}

/// How a provider wants its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    None,
    /// A header and what precedes the key in it: (`authorization`, `Bearer `), (`x-api-key`, ``).
    Header {
        name: String,
        prefix: String,
    },
}

/// An HTTP request to an upstream, ready to be sent. The credential is already in `headers`, marked sensitive. A payload
/// mapping may put it into the query or the body instead, so neither is printed.
#[derive(Clone)]
pub struct UpstreamRequest {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Parameters of the caller that this upstream does not take and that were left out.
    pub dropped: Vec<&'static str>,
}

impl fmt::Debug for UpstreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamRequest")
            .field("method", &self.method)
            .field("url", &self.url.split('?').next().unwrap_or_default())
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("dropped", &self.dropped)
            .finish()
    }
}

/// What a buffered answer means.
#[derive(Debug)]
pub enum Parsed {
    Done(Box<Completion>),
    /// The work goes on at the upstream: ask again with this request after the wait.
    Poll {
        next: Box<UpstreamRequest>,
        wait: Duration,
    },
}

/// One event of a `text/event-stream` body: the joined `data:` lines and the `event:` name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    pub event: Option<String>,
    pub data: Bytes,
}

/// One provider's text format.
pub trait ChatCodec: Send + Sync {
    /// Writes the upstream request. Errors are the caller's (`Invalid`, `Unsupported`).
    fn request(&self, target: &Target, input: &ChatInput, stream: bool) -> Result<UpstreamRequest, ProviderError>;

    /// Reads a 2xx answer. `target` is the one the request was written for.
    fn response(&self, target: &Target, headers: &HeaderMap, body: Bytes) -> Result<Parsed, ProviderError>;

    /// Reads a 2xx answer to a poll; `asked` is the request of [`Parsed::Poll`] that was answered.
    fn polled(
        &self,
        target: &Target,
        _asked: &UpstreamRequest,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Parsed, ProviderError> {
        self.response(target, headers, body)
    }

    /// Reads a non-2xx answer.
    fn error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError;

    /// A reader for a streamed 2xx answer, or `None` when this format (or this model's mapping) cannot stream.
    fn decoder(&self, target: &Target) -> Option<Box<dyn ChatDecoder>>;
}

/// Reads one streamed answer.
pub trait ChatDecoder: Send {
    /// Takes one event and appends what it means. An error event of the provider is an `Err`. A chunk that is not
    /// understood is `Malformed`.
    fn event(&mut self, event: SseEvent, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError>;

    /// True once the provider's end marker was seen: what follows is ignored.
    fn is_done(&self) -> bool;

    /// The body ended. `Err(Truncated)` unless the answer was complete.
    fn end(&mut self, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError>;
}
