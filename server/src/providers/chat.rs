//! The product's own words for a chat call. Names follow OpenAI's Chat Completions API, which most callers and
//! most upstreams speak; every other wire format is translated to and from these types by its codec.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A chat request, fully understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    pub messages: Vec<Message>,
    pub params: Params,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    pub response_format: Option<ResponseFormat>,
}

impl ChatRequest {
    /// Length of all texts of the conversation, in bytes.
    pub fn text_bytes(&self) -> usize {
        self.messages
            .iter()
            .flat_map(|message| match message {
                Message::System(parts) | Message::User(parts) => parts.iter(),
                Message::Assistant { content, .. } | Message::Tool { content, .. } => content.iter(),
            })
            .map(|part| match part {
                Part::Text(text) => text.len(),
                Part::Image { .. } | Part::Audio { .. } | Part::File { .. } => 0,
            })
            .sum()
    }
}

/// Sampling and length parameters; `None` leaves the choice to the upstream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    pub max_tokens: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u32>,
    pub stop: Vec<String>,
    pub seed: Option<i64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub n: Option<u32>,
    pub reasoning_effort: Option<String>,
    pub parallel_tool_calls: Option<bool>,
    pub user: Option<String>,
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// `system` and `developer` turns.
    System(Vec<Part>),
    User(Vec<Part>),
    Assistant {
        content: Vec<Part>,
        tool_calls: Vec<ToolCall>,
    },
    /// The result of a tool call.
    Tool {
        call_id: String,
        content: Vec<Part>,
    },
}

/// A piece of a turn's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Text(String),
    /// An `https:` address or a `data:` URL; `detail` is OpenAI's hint.
    Image {
        url: String,
        detail: Option<String>,
    },
    /// Base64 audio and its format (`wav`, `mp3`).
    Audio {
        data: String,
        format: String,
    },
    /// An inline file (`data:` URL) with its name.
    File {
        name: Option<String>,
        data: String,
    },
}

/// A function the model may call; `parameters` is a JSON Schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    pub parameters: Option<Value>,
    pub strict: Option<bool>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ToolChoice {
    None,
    Auto,
    Required,
    Function(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { name: String, schema: Value, description: Option<String>, strict: Option<bool> },
}

/// A call the model made; `arguments` is a JSON text that may be invalid JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

/// Tokens of one call. `input` is the whole prompt, cached parts included; `output` includes reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    /// Part of `input` that was read from the provider's cache.
    pub cached: u64,
    /// Part of `input` that was written to the provider's cache.
    pub cache_write: u64,
    pub output: u64,
    /// Part of `output` spent on reasoning.
    pub reasoning: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
}

impl FinishReason {
    /// OpenAI's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Completion {
    /// The upstream's id, or empty when it gives none.
    pub id: String,
    /// The model as the upstream names it.
    pub model: String,
    pub choices: Vec<Choice>,
    pub usage: Option<Usage>,
    /// The upstream's own body, when it already has OpenAI's shape: it is passed on unchanged.
    pub raw: Option<Bytes>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    pub index: u32,
    pub content: Option<String>,
    pub reasoning: Option<String>,
    pub refusal: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    pub finish: Option<FinishReason>,
}

/// One step of a streamed answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatChunk {
    pub index: u32,
    pub content: Option<String>,
    pub reasoning: Option<String>,
    pub refusal: Option<String>,
    pub tool_calls: Vec<ToolCallDelta>,
    pub finish: Option<FinishReason>,
    /// Totals so far; the last one seen counts.
    pub usage: Option<Usage>,
    /// Upstream id and model, when this chunk names them.
    pub id: Option<String>,
    pub model: Option<String>,
    /// The upstream's own `data:` JSON, when it already is an OpenAI chunk.
    pub raw: Option<Bytes>,
    /// True for a chunk that only carries usage (OpenAI's `choices: []`).
    pub usage_only: bool,
}

/// A fragment of a tool call. The first of an `index` has `id` and `name`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolCallDelta {
    pub index: u32,
    pub id: Option<String>,
    pub name: Option<String>,
    pub arguments: String,
}

impl ChatChunk {
    /// Whether something of the answer itself is in it.
    pub fn has_output(&self) -> bool {
        self.output_bytes() > 0 || !self.tool_calls.is_empty()
    }

    /// Length of the texts in it, in bytes.
    pub fn output_bytes(&self) -> usize {
        let texts = [&self.content, &self.reasoning, &self.refusal];
        texts.into_iter().flatten().map(String::len).sum::<usize>()
            + self.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>()
    }
}

impl Completion {
    /// Length of the texts of all choices, in bytes.
    pub fn text_bytes(&self) -> usize {
        self.choices
            .iter()
            .map(|choice| {
                let texts = [&choice.content, &choice.reasoning, &choice.refusal];
                texts.into_iter().flatten().map(String::len).sum::<usize>()
                    + choice.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>()
            })
            .sum()
    }
}
