//! Reads a stream that a mapping describes.

use serde_json::{Map, Value};

use super::{
    MappingProblem, finish_of,
    mapping::{optional_path, path, reported},
    path::Path,
    tokens,
};
use crate::providers::{
    ChatDecoder, ProviderError, SseEvent,
    chat::{ChatChunk, FinishReason, Usage},
    wire,
};

/// The `stream` part of a mapping.
#[derive(Debug)]
pub struct Paths<'a> {
    text: Path<'a>,
    done: Done<'a>,
    usage: Option<Path<'a>>,
    input_tokens: Option<Path<'a>>,
    output_tokens: Option<Path<'a>>,
    finish: Option<Path<'a>>,
    error: Option<Path<'a>>,
}

#[derive(Debug)]
enum Done<'a> {
    /// The event's text is this.
    Text(&'a str),
    /// The value there is neither absent nor false.
    Path(Path<'a>),
}

impl<'a> Paths<'a> {
    pub fn read(part: &'a Map<String, Value>) -> Result<Self, MappingProblem> {
        let done = part.get("done").and_then(Value::as_str).filter(|text| !text.is_empty());
        let done = match done {
            Some(text) if text.starts_with('$') => Done::Path(path(part, "stream", "done")?),
            Some(text) => Done::Text(text),
            None => {
                let message = "must be a path or the text of the last event: without it a cut stream looks whole";
                return Err(MappingProblem { path: "stream.done".to_owned(), message: message.to_owned() });
            }
        };
        Ok(Self {
            text: path(part, "stream", "text")?,
            done,
            usage: optional_path(part, "stream", "usage")?,
            input_tokens: optional_path(part, "stream", "input_tokens")?,
            output_tokens: optional_path(part, "stream", "output_tokens")?,
            finish: optional_path(part, "stream", "finish_reason")?,
            error: optional_path(part, "stream", "error")?,
        })
    }

    /// Takes one event; true when it was the last.
    fn event(&self, data: &[u8], out: &mut Vec<ChatChunk>) -> Result<Option<FinishReason>, ProviderError> {
        if let Done::Text(marker) = self.done
            && data.trim_ascii() == marker.as_bytes()
        {
            return Ok(Some(FinishReason::Stop));
        }
        let value: Value = wire::parse(data, "a stream event")?;
        let find = |path: &Option<Path<'_>>| path.as_ref().and_then(|path| path.find(&value)).cloned();
        if let Some(error) = find(&self.error) {
            return Err(reported(&error));
        }
        let content = self.text.find(&value).and_then(wire::text_of);
        let usage = tokens(find(&self.usage), find(&self.input_tokens), find(&self.output_tokens));
        if content.is_some() || usage.is_some() {
            out.push(ChatChunk { usage_only: content.is_none(), content, usage, ..ChatChunk::default() });
        }
        let finish = find(&self.finish).and_then(|word| word.as_str().map(finish_of));
        Ok(match &self.done {
            Done::Path(path) if path.find(&value).is_some_and(|done| *done != Value::Bool(false)) => {
                Some(finish.unwrap_or(FinishReason::Stop))
            }
            _ => None,
        })
    }
}

/// One stream. The mapping is kept as JSON and its few paths are read again for each event, which is cheap beside the
/// event itself.
pub struct Decoder {
    part: Map<String, Value>,
    done: bool,
    usage: Option<Usage>,
}

impl Decoder {
    pub fn new(part: &Map<String, Value>) -> Self {
        Self { part: part.clone(), done: false, usage: None }
    }
}

impl ChatDecoder for Decoder {
    fn event(&mut self, event: SseEvent, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.done || event.data.is_empty() {
            return Ok(());
        }
        let first = out.len();
        if let Some(finish) = Paths::read(&self.part)?.event(&event.data, out)? {
            self.done = true;
            out.push(ChatChunk { finish: Some(finish), ..ChatChunk::default() });
        }
        // Input and output tokens may come in different events.
        for step in out.iter_mut().skip(first) {
            if let Some(new) = &mut step.usage {
                let old = self.usage.unwrap_or_default();
                new.input = new.input.max(old.input);
                new.output = new.output.max(old.output);
                self.usage = Some(*new);
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.done { Ok(()) } else { Err(wire::truncated()) }
    }
}
