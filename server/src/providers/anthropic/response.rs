//! Reads a message, and the parts that messages and their streams share.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault;
use crate::providers::{
    ProviderError,
    chat::{Choice, Completion, FinishReason, ToolCall, Usage},
    names, wire,
};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub text: Option<String>,
    pub thinking: Option<String>,
    pub id: Option<String>,
    pub name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

impl Block<'_> {
    pub fn is_tool(&self) -> bool {
        self.kind.as_deref() == Some("tool_use")
    }

    /// The input as JSON text; `{}` when there is none.
    pub fn arguments(&self) -> String {
        self.input.map_or("{}", RawValue::get).to_owned()
    }

    pub fn call_name(&self) -> String {
        names::decode(self.name.as_deref().unwrap_or_default())
    }
}

#[derive(Deserialize)]
pub(super) struct StopDetails {
    explanation: Option<String>,
}

impl StopDetails {
    pub fn refusal(self) -> Option<String> {
        self.explanation.filter(|text| !text.is_empty())
    }
}

/// Token counts; in a stream they grow, and fields may be repeated or missing.
#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Counts are cumulative: the greater of two is the later.
    pub fn merge(&mut self, later: Self) {
        self.input_tokens = self.input_tokens.max(later.input_tokens);
        self.cache_creation_input_tokens = self.cache_creation_input_tokens.max(later.cache_creation_input_tokens);
        self.cache_read_input_tokens = self.cache_read_input_tokens.max(later.cache_read_input_tokens);
        self.output_tokens = self.output_tokens.max(later.output_tokens);
        let thinking = self.thinking().max(later.thinking());
        self.output_tokens_details = Some(OutputDetails { thinking_tokens: thinking });
    }

    fn thinking(&self) -> Option<u64> {
        self.output_tokens_details.and_then(|details| details.thinking_tokens)
    }

    /// Anthropic counts cached parts beside `input_tokens`; the whole prompt is the sum.
    pub fn usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_creation_input_tokens.unwrap_or(0);
        Usage {
            input: self.input_tokens.unwrap_or(0).saturating_add(cached).saturating_add(cache_write),
            cached,
            cache_write,
            output: self.output_tokens.unwrap_or(0),
            reasoning: self.thinking().unwrap_or(0),
        }
    }
}

pub(super) fn finish(stop_reason: &str) -> FinishReason {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" | "pause_turn" | "compaction" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

/// Reads a buffered answer.
pub fn completion(body: &[u8]) -> Result<Completion, ProviderError> {
    let parsed: Body<'_> = match serde_json::from_slice(body) {
        Ok(parsed) => parsed,
        Err(error) => return Err(wire::malformed(&error, "the answer")),
    };
    let Some(content) = parsed.content.filter(|_| parsed.kind.as_deref() != Some("error")) else {
        return Err(fault::inside_answer(body));
    };
    let mut choice = Choice::default();
    for block in content {
        match block.kind.as_deref() {
            Some("text") => choice.content.get_or_insert_default().push_str(block.text.as_deref().unwrap_or_default()),
            Some("thinking") => {
                let thought = block.thinking.as_deref().unwrap_or_default();
                if !thought.is_empty() {
                    choice.reasoning.get_or_insert_default().push_str(thought);
                }
            }
            Some("tool_use") => choice.tool_calls.push(ToolCall {
                name: block.call_name(),
                arguments: block.arguments(),
                id: block.id.unwrap_or_default(),
            }),
            _ => {}
        }
    }
    choice.finish = Some(parsed.stop_reason.as_deref().map_or(FinishReason::Stop, finish));
    choice.refusal = parsed.stop_details.and_then(StopDetails::refusal);
    Ok(Completion {
        id: parsed.id.unwrap_or_default(),
        model: parsed.model.unwrap_or_default(),
        choices: vec![choice],
        usage: parsed.usage.map(|counts| counts.usage()),
        raw: None,
    })
}
