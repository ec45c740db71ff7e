//! Writes answers in OpenAI's format, for callers of an upstream that speaks another one.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::providers::chat::{ChatChunk, Choice, Completion, FinishReason, ToolCall, ToolCallDelta, Usage};

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOut>,
    system_fingerprint: Option<&'static str>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: u32,
    message: MessageOut<'a>,
    logprobs: Option<&'a RawValue>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    annotations: [u8; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
}

#[derive(Serialize)]
struct CallOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionOut<'a>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_tokens: u64,
    audio_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<&Usage> for UsageOut {
    fn from(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input.saturating_add(usage.output),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cached,
                cache_write_tokens: usage.cache_write,
                audio_tokens: 0,
            },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}

impl<'a> From<&'a ToolCall> for CallOut<'a> {
    fn from(call: &'a ToolCall) -> Self {
        Self {
            index: None,
            id: Some(&call.id),
            kind: Some("function"),
            function: FunctionOut { name: Some(&call.name), arguments: &call.arguments },
        }
    }
}

impl<'a> From<&'a Choice> for ChoiceOut<'a> {
    fn from(choice: &'a Choice) -> Self {
        let implied = if choice.tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        Self {
            index: choice.index,
            message: MessageOut {
                role: "assistant",
                content: choice.content.as_deref(),
                refusal: choice.refusal.as_deref(),
                annotations: [],
                reasoning_content: choice.reasoning.as_deref(),
                tool_calls: choice.tool_calls.iter().map(CallOut::from).collect(),
            },
            logprobs: None,
            finish_reason: choice.finish.unwrap_or(implied).as_str(),
        }
    }
}

/// A `chat.completion` body. `created` is in Unix seconds; `id` and `model` are what the caller shall see.
pub fn completion(answer: &Completion, id: &str, created: i64, model: &str) -> Bytes {
    json(&Body {
        id,
        object: "chat.completion",
        created,
        model,
        choices: answer.choices.iter().map(ChoiceOut::from).collect(),
        usage: answer.usage.as_ref().map(UsageOut::from),
        system_fingerprint: None,
    })
}

#[derive(Serialize)]
struct ChunkBody<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [DeltaChoice<'a>],
    /// Null in every chunk but the last when the caller asked for usage, else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageOut>>,
    system_fingerprint: Option<&'static str>,
}

#[derive(Serialize)]
struct DeltaChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<&'a RawValue>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
}

impl<'a> From<&'a ToolCallDelta> for CallOut<'a> {
    fn from(call: &'a ToolCallDelta) -> Self {
        Self {
            index: Some(call.index),
            id: call.id.as_deref(),
            kind: call.id.is_some().then_some("function"),
            function: FunctionOut { name: call.name.as_deref(), arguments: &call.arguments },
        }
    }
}

/// Writes the chunks of one stream: the `data:` JSON of each, without the frame around it.
#[derive(Debug)]
pub struct ChunkWriter {
    id: String,
    created: i64,
    model: String,
    include_usage: bool,
    /// Choices whose role was announced.
    opened: Vec<u32>,
}

impl ChunkWriter {
    /// `created` is in Unix seconds; with `include_usage` every chunk has a `usage` field, as OpenAI sends it.
    pub fn new(id: &str, created: i64, model: &str, include_usage: bool) -> Self {
        Self { id: id.to_owned(), created, model: model.to_owned(), include_usage, opened: Vec::new() }
    }

    /// Appends what one step becomes: the role first, then the content, the finish reason in a chunk of its own. Usage is
    /// not written here, see [`ChunkWriter::usage`].
    pub fn step(&mut self, step: &ChatChunk, out: &mut Vec<Bytes>) {
        let delta = Delta {
            role: None,
            content: step.content.as_deref(),
            reasoning_content: step.reasoning.as_deref(),
            refusal: step.refusal.as_deref(),
            tool_calls: step.tool_calls.iter().map(CallOut::from).collect(),
        };
        let says = delta.content.is_some()
            || delta.reasoning_content.is_some()
            || delta.refusal.is_some()
            || !delta.tool_calls.is_empty();
        if !says && step.finish.is_none() {
            return;
        }
        if !self.opened.contains(&step.index) {
            self.opened.push(step.index);
            let role = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            out.push(self.chunk(step.index, role, None));
        }
        if says {
            out.push(self.chunk(step.index, delta, None));
        }
        if let Some(finish) = step.finish {
            out.push(self.chunk(step.index, Delta::default(), Some(finish)));
        }
    }

    /// The chunk that only carries usage; the last before `[DONE]`.
    pub fn usage(&self, usage: &Usage) -> Bytes {
        self.body(&[], Some(Some(usage.into())))
    }

    fn chunk(&self, index: u32, delta: Delta<'_>, finish: Option<FinishReason>) -> Bytes {
        let choice = DeltaChoice { index, delta, logprobs: None, finish_reason: finish.map(FinishReason::as_str) };
        self.body(&[choice], self.include_usage.then_some(None))
    }

    fn body(&self, choices: &[DeltaChoice<'_>], usage: Option<Option<UsageOut>>) -> Bytes {
        json(&ChunkBody {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage,
            system_fingerprint: None,
        })
    }
}

/// These types hold only texts, numbers and lists, so writing them cannot fail.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_completion_has_every_field() {
        let answer = Completion {
            choices: vec![Choice {
                content: Some("Hi".into()),
                reasoning: Some("hm".into()),
                tool_calls: vec![ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into() }],
                ..Choice::default()
            }],
            usage: Some(Usage { input: 9, cached: 4, cache_write: 0, output: 2, reasoning: 1 }),
            ..Completion::default()
        };
        assert_eq!(
            value(&completion(&answer, "id", 7, "m")),
            json!({
                "id": "id", "object": "chat.completion", "created": 7, "model": "m",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi", "refusal": null, "annotations": [],
                    "reasoning_content": "hm",
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                    "logprobs": null, "finish_reason": "tool_calls"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11,
                    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
                "system_fingerprint": null,
            })
        );
    }

    #[test]
    fn a_stream_has_openais_order() {
        let mut writer = ChunkWriter::new("id", 7, "m", true);
        let mut out = Vec::new();
        let text = |text: &str| ChatChunk { content: Some(text.into()), ..ChatChunk::default() };
        let call = ToolCallDelta { index: 0, id: Some("c".into()), name: Some("f".into()), arguments: String::new() };
        let fragment = ToolCallDelta { arguments: "{}".into(), ..ToolCallDelta::default() };
        writer.step(&ChatChunk { model: Some("x".into()), ..ChatChunk::default() }, &mut out);
        assert!(out.is_empty());
        writer.step(&text("Hi"), &mut out);
        writer.step(&ChatChunk { tool_calls: vec![call], ..ChatChunk::default() }, &mut out);
        writer.step(&ChatChunk { tool_calls: vec![fragment], ..ChatChunk::default() }, &mut out);
        writer.step(&ChatChunk { finish: Some(FinishReason::ToolCalls), ..ChatChunk::default() }, &mut out);
        let usage = value(&writer.usage(&Usage { input: 1, output: 2, ..Usage::default() }));
        let deltas: Vec<Value> = out
            .iter()
            .map(|chunk| {
                let chunk = value(chunk);
                assert_eq!(chunk["id"], "id");
                assert_eq!(chunk["object"], "chat.completion.chunk");
                assert!(chunk.as_object().unwrap().contains_key("usage") && chunk["usage"].is_null());
                json!([chunk["choices"][0]["delta"], chunk["choices"][0]["finish_reason"]])
            })
            .collect();
        assert_eq!(
            deltas,
            [
                json!([{"role": "assistant", "content": ""}, null]),
                json!([{"content": "Hi"}, null]),
                json!([{"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]}, null]),
                json!([{"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, null]),
                json!([{}, "tool_calls"]),
            ]
        );
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["total_tokens"], 3);
    }
}
