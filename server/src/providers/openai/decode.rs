//! Reads a streamed Chat Completions answer.

use crate::providers::{
    SseEvent,
    chat::{ChatChunk, ToolCallDelta},
    error::ProviderError,
    wire,
};

use super::read::{self, Body, RawChoice, Word};
use crate::providers::ChatDecoder;

/// One stream. Chunks keep the provider's own JSON when a strict client can read it.
pub struct Decoder {
    /// Whether the body may simply end after the last finish reason, as some self-hosted servers let it.
    end_marker_optional: bool,
    done: bool,
    choices: Vec<Progress>,
    /// As the last chunk that named them had them.
    id: String,
    model: String,
}

/// What was seen of one choice.
#[derive(Default)]
struct Progress {
    index: u32,
    finished: bool,
    /// Tool calls begun so far.
    tools: Vec<u32>,
}

impl Decoder {
    pub fn new(end_marker_optional: bool) -> Self {
        Self { end_marker_optional, done: false, choices: Vec::new(), id: String::new(), model: String::new() }
    }

    fn progress(&mut self, index: u32) -> &mut Progress {
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Progress { index, ..Progress::default() });
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }

    /// One choice of a chunk, and whether a strict client could read it as it is.
    fn choice(&mut self, mut raw: RawChoice<'_>, position: u32) -> Result<(ChatChunk, bool), ProviderError> {
        let index = raw.index.unwrap_or(position);
        let message = raw.take_message();
        let texts = message.texts()?;
        let (finish, known) = read::finish(raw.finish_reason.as_ref())?;
        let mut exact = known && texts.exact && raw.index.is_some();
        let id = std::mem::take(&mut self.id);
        let progress = self.progress(index);
        progress.finished |= finish.is_some();
        let mut tool_calls = Vec::new();
        for call in message.tool_calls.into_iter().flatten() {
            let function = call.function.unwrap_or_default();
            let given = call.id.filter(|id| !id.is_empty());
            let last = progress.tools.last().copied();
            let tool = call.index.unwrap_or_else(|| {
                exact = false;
                match last {
                    Some(last) if given.is_none() && function.name.is_none() => last,
                    last => last.map_or(0, |last| last.saturating_add(1)),
                }
            });
            let begins = !progress.tools.contains(&tool);
            let id = given.or_else(|| {
                exact &= !begins;
                begins.then(|| format!("call_{id}_{tool}"))
            });
            if begins {
                progress.tools.push(tool);
            }
            let arguments = function.arguments()?;
            tool_calls.push(ToolCallDelta { index: tool, id, name: function.name, arguments });
        }
        if let Some(function) = message.function_call {
            let begins = progress.tools.is_empty();
            if begins {
                progress.tools.push(0);
            }
            let arguments = function.arguments()?;
            let id = begins.then(|| format!("call_{id}"));
            tool_calls.push(ToolCallDelta { index: 0, id, name: function.name, arguments });
        }
        self.id = id;
        let chunk = ChatChunk {
            index,
            content: texts.content,
            reasoning: texts.reasoning,
            refusal: message.refusal,
            tool_calls,
            finish,
            ..ChatChunk::default()
        };
        Ok((chunk, exact))
    }
}

/// The word, unless it is the one that was told already.
fn first_time(told: &mut String, word: Option<&Word<'_>>) -> Option<String> {
    let word = word.map(Word::as_str).filter(|word| !word.is_empty() && told != word)?;
    told.clear();
    told.push_str(word);
    Some(word.to_owned())
}

impl ChatDecoder for Decoder {
    fn event(&mut self, event: SseEvent, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.done || event.data.is_empty() {
            return Ok(());
        }
        if event.data.starts_with(b"[DONE]") {
            self.done = true;
            return Ok(());
        }
        let body = Body::parse(&event.data, "a chunk")?;
        let usage = body.usage();
        let id = first_time(&mut self.id, body.id.as_ref());
        let model = first_time(&mut self.model, body.model.as_ref());
        let named = body.id.as_ref().is_some_and(|id| !id.as_str().is_empty());
        let mut exact = named && body.is("chat.completion.chunk");
        let choices = body.choices.unwrap_or_default();
        exact &= choices.len() <= 1;
        let first = out.len();
        if choices.is_empty() {
            out.push(ChatChunk { usage_only: usage.is_some(), ..ChatChunk::default() });
        }
        for (position, raw) in choices.into_iter().enumerate() {
            let (chunk, as_is) = self.choice(raw, position as u32)?;
            exact &= as_is;
            out.push(chunk);
        }
        if let Some(chunk) = out.get_mut(first) {
            chunk.id = id;
            chunk.model = model;
            chunk.usage = usage;
            chunk.raw = exact.then_some(event.data);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        let finished = !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished);
        if self.done || self.end_marker_optional && finished { Ok(()) } else { Err(wire::truncated()) }
    }
}
