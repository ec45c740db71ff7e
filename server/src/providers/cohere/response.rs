//! Reads Cohere's answers, whole and streamed.

use serde::Deserialize;

use crate::providers::{
    ChatDecoder, ErrorClass, ProviderError, SseEvent,
    chat::{ChatChunk, Choice, Completion, FinishReason, ToolCall, ToolCallDelta, Usage},
    names, wire,
};

#[derive(Deserialize)]
struct Body {
    id: Option<String>,
    finish_reason: Option<String>,
    message: Option<Message>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Turn(Turn),
    /// An error's text.
    Text(String),
}

#[derive(Default, Deserialize)]
struct Turn {
    content: Option<Vec<Block>>,
    tool_plan: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Block {
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Default, Deserialize)]
struct Call {
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Default, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Counts {
    billed_units: Option<Tokens>,
    tokens: Option<Tokens>,
    cached_tokens: Option<f64>,
}

/// Cohere writes counts as floats at times.
#[derive(Deserialize)]
struct Tokens {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

impl Counts {
    /// What is billed counts; the plain token counts stand in where it is missing.
    fn usage(&self) -> Usage {
        let count = |read: fn(&Tokens) -> Option<f64>| {
            self.billed_units.as_ref().and_then(read).or_else(|| self.tokens.as_ref().and_then(read))
        };
        let input = whole(count(|tokens| tokens.input_tokens));
        Usage {
            input,
            cached: whole(self.cached_tokens).min(input),
            output: whole(count(|tokens| tokens.output_tokens)),
            ..Usage::default()
        }
    }
}

/// Casting saturates, so nonsense becomes 0 or the maximum.
fn whole(count: Option<f64>) -> u64 {
    count.unwrap_or(0.0).round() as u64
}

/// What a finish reason means; a failed generation is an error.
fn finish(reason: &str, message: Option<String>) -> Result<FinishReason, ProviderError> {
    let failed = |class, fallback: &str| Err(ProviderError::new(class, message.unwrap_or_else(|| fallback.to_owned())));
    match reason {
        "MAX_TOKENS" => Ok(FinishReason::Length),
        "TOOL_CALL" => Ok(FinishReason::ToolCalls),
        "ERROR_TOXIC" => Ok(FinishReason::ContentFilter),
        "ERROR" => failed(ErrorClass::Upstream, "the provider failed while it generated the answer"),
        "TIMEOUT" => failed(ErrorClass::Timeout, "the provider ran out of time"),
        _ => Ok(FinishReason::Stop),
    }
}

/// Reads a buffered answer.
pub fn completion(body: &[u8]) -> Result<Completion, ProviderError> {
    let parsed: Body = wire::parse(body, "the answer")?;
    let turn = match parsed.message {
        Some(Message::Turn(turn)) => turn,
        Some(Message::Text(message)) => return Err(ProviderError::new(ErrorClass::Upstream, message)),
        None => return Err(ProviderError::new(ErrorClass::Malformed, "the provider's answer holds no message")),
    };
    let mut choice = Choice { reasoning: turn.tool_plan.filter(|plan| !plan.is_empty()), ..Choice::default() };
    for block in turn.content.into_iter().flatten() {
        for (to, text) in [(&mut choice.content, block.text), (&mut choice.reasoning, block.thinking)] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                to.get_or_insert_default().push_str(&text);
            }
        }
    }
    for call in turn.tool_calls.into_iter().flatten() {
        let function = call.function.unwrap_or_default();
        choice.tool_calls.push(ToolCall {
            id: call.id.unwrap_or_default(),
            name: names::decode(function.name.as_deref().unwrap_or_default()),
            arguments: function.arguments.filter(|text| !text.is_empty()).unwrap_or_else(|| "{}".to_owned()),
        });
    }
    choice.finish = Some(finish(parsed.finish_reason.as_deref().unwrap_or_default(), None)?);
    Ok(Completion {
        id: parsed.id.unwrap_or_default(),
        model: String::new(),
        choices: vec![choice],
        usage: parsed.usage.map(|counts| counts.usage()),
        raw: None,
    })
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    id: Option<String>,
    index: Option<u64>,
    delta: Option<Delta>,
    /// Only in an error.
    message: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    message: Option<DeltaMessage>,
    finish_reason: Option<String>,
    usage: Option<Counts>,
    error: Option<String>,
}

#[derive(Default, Deserialize)]
struct DeltaMessage {
    content: Option<OneOrMany<Block>>,
    tool_plan: Option<String>,
    tool_calls: Option<OneOrMany<Call>>,
}

/// In a stream Cohere sends an object where the whole answer has a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn first(self) -> Option<T> {
        match self {
            Self::One(one) => Some(one),
            Self::Many(many) => many.into_iter().next(),
        }
    }
}

/// One stream.
#[derive(Default)]
pub struct Decoder {
    done: bool,
    /// Tool calls begun so far: Cohere's index of each, and whether arguments came.
    tools: Vec<(u64, bool)>,
}

impl Decoder {
    fn read(&mut self, kind: &str, event: Event, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        let index = event.index.unwrap_or(0);
        let delta = event.delta.unwrap_or_default();
        let message = delta.message.unwrap_or_default();
        match kind {
            "message-start" => out.push(ChatChunk { id: event.id, ..ChatChunk::default() }),
            "content-start" | "content-delta" => {
                if let Some(block) = message.content.and_then(OneOrMany::first) {
                    say(block.text, block.thinking, out);
                }
            }
            "tool-plan-delta" => say(None, message.tool_plan, out),
            "tool-call-start" => {
                let call = message.tool_calls.and_then(OneOrMany::first).unwrap_or_default();
                let function = call.function.unwrap_or_default();
                let arguments = function.arguments.unwrap_or_default();
                self.tools.push((index, !arguments.is_empty()));
                let delta = ToolCallDelta {
                    index: self.tools.len() as u32 - 1,
                    id: Some(call.id.unwrap_or_default()),
                    name: Some(names::decode(function.name.as_deref().unwrap_or_default())),
                    arguments,
                };
                out.push(ChatChunk { tool_calls: vec![delta], ..ChatChunk::default() });
            }
            "tool-call-delta" => {
                let function = message.tool_calls.and_then(OneOrMany::first).and_then(|call| call.function);
                let arguments = function.and_then(|f| f.arguments).unwrap_or_default();
                if !arguments.is_empty() {
                    self.arguments(index, arguments, out);
                }
            }
            "tool-call-end" if self.tools.contains(&(index, false)) => self.arguments(index, "{}".to_owned(), out),
            "message-end" => {
                self.done = true;
                let finish = finish(delta.finish_reason.as_deref().unwrap_or_default(), delta.error)?;
                let usage = delta.usage.map(|counts| counts.usage());
                out.push(ChatChunk { id: event.id, finish: Some(finish), usage, ..ChatChunk::default() });
            }
            _ => {}
        }
        Ok(())
    }

    fn arguments(&mut self, index: u64, arguments: String, out: &mut Vec<ChatChunk>) {
        if let Some(at) = self.tools.iter().rposition(|(tool, _)| *tool == index) {
            self.tools[at].1 = true;
            let delta = ToolCallDelta { index: at as u32, arguments, ..ToolCallDelta::default() };
            out.push(ChatChunk { tool_calls: vec![delta], ..ChatChunk::default() });
        }
    }
}

fn say(content: Option<String>, reasoning: Option<String>, out: &mut Vec<ChatChunk>) {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let step = ChatChunk { content: filled(content), reasoning: filled(reasoning), ..ChatChunk::default() };
    if step.content.is_some() || step.reasoning.is_some() {
        out.push(step);
    }
}

pub(super) const KNOWN: &[&str] = &[
    "message-start",
    "content-start",
    "content-delta",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "tool-call-end",
    "message-end",
];

impl ChatDecoder for Decoder {
    fn event(&mut self, event: SseEvent, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.done || event.data.is_empty() {
            return Ok(());
        }
        let kind = serde_json::from_slice::<Kind>(&event.data).ok().and_then(|kind| kind.kind).or(event.event);
        match (kind.as_deref(), serde_json::from_slice::<Event>(&event.data)) {
            (Some(kind), Ok(parsed)) if KNOWN.contains(&kind) => self.read(kind, parsed, out),
            (Some(kind), Err(error)) if KNOWN.contains(&kind) => Err(wire::malformed(&error, "a stream event")),
            // An error's body in place of an event.
            (_, Ok(Event { message: Some(message), .. })) => Err(ProviderError::new(ErrorClass::Upstream, message)),
            (None, Err(error)) => Err(wire::malformed(&error, "a stream event")),
            _ => Ok(()),
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.done { Ok(()) } else { Err(wire::truncated()) }
    }
}
