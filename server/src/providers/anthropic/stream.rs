//! Reads a streamed message.

use serde::Deserialize;

use super::{
    fault,
    response::{Block, Counts, StopDetails, finish},
};
use crate::providers::{
    ChatDecoder, ProviderError, SseEvent,
    chat::{ChatChunk, ToolCallDelta},
    wire,
};

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<Start>,
    index: Option<u64>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    delta: Option<Delta>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Start {
    id: Option<String>,
    model: Option<String>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    thinking: Option<String>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
}

const KNOWN: &[&str] = &[
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
];

/// One stream.
#[derive(Default)]
pub struct Decoder {
    done: bool,
    counts: Counts,
    /// Tool calls begun so far.
    tools: u32,
    /// The tool calls that are being written, by the index of their block.
    open: Vec<(u64, OpenCall)>,
}

struct OpenCall {
    index: u32,
    /// What the call's arguments are if no fragment of them comes.
    otherwise: String,
    has_arguments: bool,
}

impl Decoder {
    fn read(&mut self, event: Event<'_>, out: &mut Vec<ChatChunk>) {
        match event.kind.as_deref() {
            Some("message_start") => {
                let start = event.message.unwrap_or(Start { id: None, model: None, usage: None });
                self.counts.merge(start.usage.unwrap_or_default());
                let usage = start.usage.map(|_| self.counts.usage());
                out.push(ChatChunk { id: start.id, model: start.model, usage, ..ChatChunk::default() });
            }
            Some("content_block_start") => {
                if let Some(block) = event.content_block {
                    self.begin(event.index.unwrap_or(0), block, out);
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = event.delta {
                    self.delta(event.index.unwrap_or(0), delta, out);
                }
            }
            Some("content_block_stop") => {
                let index = event.index.unwrap_or(0);
                if let Some(at) = self.open.iter().position(|(block, _)| *block == index) {
                    let (_, call) = self.open.swap_remove(at);
                    if !call.has_arguments {
                        out.push(fragment(call.index, call.otherwise));
                    }
                }
            }
            Some("message_delta") => {
                self.counts.merge(event.usage.unwrap_or_default());
                let (stop_reason, details) = event.delta.map(|d| (d.stop_reason, d.stop_details)).unwrap_or_default();
                out.push(ChatChunk {
                    finish: stop_reason.as_deref().map(finish),
                    refusal: details.and_then(StopDetails::refusal),
                    usage: event.usage.map(|_| self.counts.usage()),
                    ..ChatChunk::default()
                });
            }
            Some("message_stop") => self.done = true,
            _ => {}
        }
    }

    fn begin(&mut self, index: u64, block: Block<'_>, out: &mut Vec<ChatChunk>) {
        if !block.is_tool() {
            text(block.text, out);
            thought(block.thinking, out);
            return;
        }
        let call = OpenCall { index: self.tools, otherwise: block.arguments(), has_arguments: false };
        self.tools = self.tools.saturating_add(1);
        let delta = ToolCallDelta {
            index: call.index,
            name: Some(block.call_name()),
            id: block.id.or_else(|| Some(String::new())),
            arguments: String::new(),
        };
        self.open.push((index, call));
        out.push(ChatChunk { tool_calls: vec![delta], ..ChatChunk::default() });
    }

    fn delta(&mut self, index: u64, delta: Delta, out: &mut Vec<ChatChunk>) {
        text(delta.text, out);
        thought(delta.thinking, out);
        let json = delta.partial_json.filter(|json| !json.is_empty());
        if let (Some(json), Some((_, call))) = (json, self.open.iter_mut().find(|(block, _)| *block == index)) {
            call.has_arguments = true;
            out.push(fragment(call.index, json));
        }
    }
}

fn text(text: Option<String>, out: &mut Vec<ChatChunk>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.push(ChatChunk { content: Some(text), ..ChatChunk::default() });
    }
}

fn thought(text: Option<String>, out: &mut Vec<ChatChunk>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.push(ChatChunk { reasoning: Some(text), ..ChatChunk::default() });
    }
}

fn fragment(index: u32, arguments: String) -> ChatChunk {
    ChatChunk {
        tool_calls: vec![ToolCallDelta { index, arguments, ..ToolCallDelta::default() }],
        ..ChatChunk::default()
    }
}

impl ChatDecoder for Decoder {
    fn event(&mut self, event: SseEvent, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.done || event.data.is_empty() {
            return Ok(());
        }
        let named_error = event.event.as_deref() == Some("error");
        match serde_json::from_slice::<Event<'_>>(&event.data) {
            Ok(parsed) if named_error || parsed.kind.as_deref() == Some("error") => {
                Err(fault::inside_answer(&event.data))
            }
            Ok(parsed) => {
                self.read(parsed, out);
                Ok(())
            }
            Err(_) if named_error => Err(fault::inside_answer(&event.data)),
            Err(error) => match serde_json::from_slice::<Kind>(&event.data) {
                // An event of a kind that we do not know may look as it likes.
                Ok(Kind { kind: Some(kind) }) if !KNOWN.contains(&kind.as_str()) => Ok(()),
                _ => Err(wire::malformed(&error, "a stream event")),
            },
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.done { Ok(()) } else { Err(wire::truncated()) }
    }
}
