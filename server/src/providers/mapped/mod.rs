//! Any HTTP API, described by a payload mapping in a model's configuration:
//!
//! ```json
//! {
//!   "endpoint": "/v1/complete/{model}",
//!   "method": "POST",
//!   "headers": {"Authorization": "Bearer {api_key}"},
//!   "body": {"input.prompt": "{prompt}", "max_tokens": "{max_tokens:int}", "size": "{aspect_ratio|aspectToSize}"},
//!   "response_mapping": {"text": "$.output[0].text", "tokens_used": "$.usage.total"},
//!   "defaults": {"max_tokens": 1000}
//! }
//! ```
//!
//! * **Placeholders** stand in the endpoint, in header values and anywhere in the body. A text that is exactly one
//!   placeholder takes the value with its JSON type; `:int`, `:float`, `:bool`, `:array`, `:string` force one;
//!   `|aspectToSize`, `|upper`, `|lower` transform. A field whose placeholders all have no value is left out, and an object
//!   with `"$if": "{name}"` is there only when that has one. Dotted keys nest.
//! * **Endpoint**: absolute, or joined to the provider's base URL. Values are percent-encoded; `|path` keeps slashes.
//! * **Paths** into the answer are `$`, `$.a.b`, `$.a[0].b`. A value at the path named `error` is a failure. A text answer is
//!   `text`, else `content`, else `message`; its tokens are `tokens_used`, else `usage_tokens`, or `input_tokens` and
//!   `output_tokens`; `id`, `model` and `finish_reason` are read if mapped.
//! * **Submit and poll**: the answer is not the result but names a job, which is asked for until it ends.
//!
//!   ```json
//!   "poll": {"endpoint": "/v1/jobs/{job_id}", "job_id": "$.id", "status": "$.status", "done": ["succeeded"],
//!            "failed": ["failed", "canceled"], "error": "$.error", "interval_ms": 2000, "response_mapping": {"text": "$.output"}}
//!   ```
//!
//!   `method` (GET), `headers`, `response_mapping` (those of the mapping), `failed`, `error`, `progress` (a path to percents),
//!   `interval_ms` (2000, from 100 to 60000) and `body` may be left out.
//! * **Work that takes long** is submitted by the router, which remembers the job's name and asks for it. `{reference}`,
//!   `{idempotency_key}` and `{callback_url}` are then inputs too; the header `Idempotency-Key` is sent in any case. These
//!   parts stand beside `poll`; each may be left out, and so may all but `endpoint` and `lookup.job_id` in them:
//!
//!   ```json
//!   "idempotent": true,
//!   "lookup": {"endpoint": "/v1/jobs?reference={reference}", "job_id": "$.jobs[0].id", "none_on_404": false},
//!   "cancel": {"endpoint": "/v1/jobs/{job_id}", "method": "DELETE"},
//!   "callback": {"job_id": "$.id", "status": "$.status", "done": ["succeeded"], "response_mapping": {"text": "$.output"}}
//!   ```
//!
//!   `idempotent` says that the provider carries out one submission per idempotency key. `lookup` (GET) finds the job of a
//!   submission whose answer was lost. `cancel` (POST) stops one. `callback` reads what the provider sends to
//!   `{callback_url}`; what it leaves out is as in `poll`.
//! * **Streams** are server-sent events with JSON in them.
//!
//!   ```json
//!   "stream": {"body": {"stream": true}, "text": "$.delta", "done": "[DONE]", "usage": "$.usage.total_tokens"}
//!   ```
//!
//!   `body` is put over the mapping's body. `done` is the text of the last event or a path to a value that is there and not
//!   false in the last event. `usage`, `input_tokens`, `output_tokens`, `finish_reason` and `error` are optional paths.
//!
//! Inputs of a text model: `prompt` and `user_prompt` (the conversation as one text), `system_prompt`, `messages` (OpenAI's
//! shape), `max_tokens`, `temperature`, `top_p`, `top_k`, `seed`, `stop`, `model`, `stream`, and `api_key`.

mod inputs;
pub mod mapping;
mod parts;
pub mod path;
pub mod placeholder;
pub mod remote;
#[cfg(test)]
mod remote_tests;
mod stream;
pub mod template;
#[cfg(test)]
mod tests;
mod validate;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::{
    ChatCodec, ChatDecoder, ChatInput, ErrorClass, Parsed, ProviderError, Target, UpstreamRequest,
    chat::{Choice, Completion, FinishReason, Usage},
    openai, wire,
};
pub use mapping::{Mapping, Outcome};
pub use validate::validate;

/// Something in a mapping that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("payload mapping, {path}: {message}")]
pub struct MappingProblem {
    /// Where it stands: `body.messages[0].content`; empty for the mapping as a whole.
    pub path: String,
    pub message: String,
}

impl From<MappingProblem> for ProviderError {
    fn from(problem: MappingProblem) -> Self {
        Self::new(ErrorClass::Invalid, problem.to_string())
    }
}

/// The codec; it has no state.
#[derive(Debug, Clone, Copy)]
pub struct Mapped;

fn mapping_of(target: &Target) -> Result<Mapping<'_>, ProviderError> {
    let mapping = target.mapping.as_deref().ok_or_else(|| {
        ProviderError::new(ErrorClass::Unsupported, "the model has no payload mapping that says how to call it")
    })?;
    Ok(Mapping::read(mapping)?)
}

fn parsed(outcome: Outcome) -> Result<Parsed, ProviderError> {
    match outcome {
        Outcome::Done(outputs) => completion(&outputs).map(|completion| Parsed::Done(Box::new(completion))),
        Outcome::Poll { next, wait } => Ok(Parsed::Poll { next, wait }),
    }
}

impl ChatCodec for Mapped {
    fn request(&self, target: &Target, input: &ChatInput, stream: bool) -> Result<UpstreamRequest, ProviderError> {
        let mapping = mapping_of(target)?;
        let (values, dropped) = inputs::of_chat(&mapping, target, input, stream)?;
        Ok(UpstreamRequest { dropped, ..mapping.request(target, &values, stream)? })
    }

    fn response(&self, target: &Target, _: &HeaderMap, body: Bytes) -> Result<Parsed, ProviderError> {
        parsed(mapping_of(target)?.submitted(target, &wire::parse(&body, "the answer")?)?)
    }

    fn polled(
        &self,
        target: &Target,
        asked: &UpstreamRequest,
        _: &HeaderMap,
        body: Bytes,
    ) -> Result<Parsed, ProviderError> {
        parsed(mapping_of(target)?.polled(asked, &wire::parse(&body, "the answer")?)?)
    }

    fn error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
        openai::fault::read(status, headers, body)
    }

    fn decoder(&self, target: &Target) -> Option<Box<dyn ChatDecoder>> {
        let part = mapping_of(target).ok()?.stream?;
        stream::Paths::read(part).ok()?;
        Some(Box::new(stream::Decoder::new(part)))
    }
}

/// The mapped values as an answer.
fn completion(outputs: &Map<String, Value>) -> Result<Completion, ProviderError> {
    let text = ["text", "content", "message"].into_iter().find_map(|name| text(outputs.get(name)?));
    let content = text.ok_or_else(|| {
        ProviderError::new(ErrorClass::Malformed, "the provider's answer has no text where the payload mapping says")
    })?;
    let word = |name: &str| outputs.get(name).and_then(Value::as_str);
    let finish = word("finish_reason").map_or(FinishReason::Stop, finish_of);
    Ok(Completion {
        id: word("id").unwrap_or_default().to_owned(),
        model: word("model").unwrap_or_default().to_owned(),
        choices: vec![Choice { content: Some(content), finish: Some(finish), ..Choice::default() }],
        usage: usage_of(outputs),
        raw: None,
    })
}

/// A text; a list of texts, as some APIs answer, is put together.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|texts| texts.concat()),
        _ => None,
    }
}

/// What the usual words for an answer's end mean.
fn finish_of(word: &str) -> FinishReason {
    match word.to_ascii_lowercase().as_str() {
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" | "safety" | "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

/// The usage among mapped values.
fn usage_of(outputs: &Map<String, Value>) -> Option<Usage> {
    let count = |name: &str| outputs.get(name).cloned();
    let total = count("tokens_used").or_else(|| count("usage_tokens"));
    tokens(total, count("input_tokens"), count("output_tokens"))
}

/// Usage from counts. A total without its parts counts as input, which is what a price for "tokens" is given for.
fn tokens(total: Option<Value>, input: Option<Value>, output: Option<Value>) -> Option<Usage> {
    let count = |value: Option<Value>| {
        value.and_then(|value| match value {
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_u64().or_else(|| value.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64)),
        })
    };
    let (total, input, output): (Option<u64>, Option<u64>, Option<u64>) = (count(total), count(input), count(output));
    let (input, output) = match (total, input, output) {
        (None, None, None) => return None,
        (Some(total), None, output) => (total.saturating_sub(output.unwrap_or(0)), output.unwrap_or(0)),
        (Some(total), Some(input), None) => (input, total.saturating_sub(input)),
        (_, input, output) => (input.unwrap_or(0), output.unwrap_or(0)),
    };
    Some(Usage { input, output, ..Usage::default() })
}
