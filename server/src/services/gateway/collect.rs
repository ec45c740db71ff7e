//! Puts the chunks of a stream together again, for the record.

use std::collections::BTreeMap;

use crate::providers::{
    ChatChunk, Completion, FinishReason, Usage,
    chat::{Choice, ToolCall},
};

/// The answer so far; keeps at most `limit` bytes of its text.
pub struct Collector {
    limit: usize,
    kept: usize,
    /// All bytes of output, kept or not.
    output: usize,
    id: String,
    model: String,
    choices: BTreeMap<u32, Choice>,
    finish: Option<FinishReason>,
    truncated: bool,
}

impl Collector {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: 0,
            output: 0,
            id: String::new(),
            model: String::new(),
            choices: BTreeMap::new(),
            finish: None,
            truncated: false,
        }
    }

    pub fn add(&mut self, chunk: &ChatChunk) {
        let length = chunk.output_bytes();
        self.output += length;
        if chunk.finish.is_some() {
            self.finish = chunk.finish;
        }
        if self.limit == 0 || chunk.usage_only {
            return;
        }
        if let Some(id) = chunk.id.as_ref().filter(|_| self.id.is_empty()) {
            self.id.clone_from(id);
        }
        if let Some(model) = chunk.model.as_ref().filter(|_| self.model.is_empty()) {
            self.model.clone_from(model);
        }
        if self.kept + length > self.limit {
            self.truncated = true;
            return;
        }
        self.kept += length;
        let choice =
            self.choices.entry(chunk.index).or_insert_with(|| Choice { index: chunk.index, ..Choice::default() });
        append(&mut choice.content, chunk.content.as_deref());
        append(&mut choice.reasoning, chunk.reasoning.as_deref());
        append(&mut choice.refusal, chunk.refusal.as_deref());
        choice.finish = chunk.finish.or(choice.finish);
        for delta in &chunk.tool_calls {
            let at = delta.index as usize;
            // An upstream that counts its tool calls in thousands is not believed.
            if at >= 1_000 {
                continue;
            }
            while choice.tool_calls.len() <= at {
                choice.tool_calls.push(ToolCall { id: String::new(), name: String::new(), arguments: String::new() });
            }
            let call = &mut choice.tool_calls[at];
            if let Some(id) = &delta.id {
                call.id.clone_from(id);
            }
            if let Some(name) = &delta.name {
                call.name.clone_from(name);
            }
            call.arguments.push_str(&delta.arguments);
        }
    }

    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish
    }

    pub fn output_bytes(&self) -> usize {
        self.output
    }

    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The answer as if it had come in one piece.
    pub fn take(&mut self, usage: Option<Usage>) -> Completion {
        Completion {
            id: std::mem::take(&mut self.id),
            model: std::mem::take(&mut self.model),
            choices: std::mem::take(&mut self.choices).into_values().collect(),
            usage,
            raw: None,
        }
    }
}

fn append(to: &mut Option<String>, text: Option<&str>) {
    if let Some(text) = text {
        to.get_or_insert_default().push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::chat::ToolCallDelta;

    fn text(content: &str) -> ChatChunk {
        ChatChunk { content: Some(content.to_owned()), ..ChatChunk::default() }
    }

    #[test]
    fn chunks_become_one_answer() {
        let mut collector = Collector::new(100);
        collector.add(&text("Hel"));
        collector.add(&text("lo"));
        let tool = |id: Option<&str>, arguments: &str| ChatChunk {
            tool_calls: vec![ToolCallDelta {
                index: 0,
                id: id.map(Into::into),
                name: id.map(|_| "f".into()),
                arguments: arguments.into(),
            }],
            ..ChatChunk::default()
        };
        collector.add(&tool(Some("call_1"), ""));
        collector.add(&tool(None, "{\"a\":"));
        collector.add(&tool(None, "1}"));
        collector.add(&ChatChunk { finish: Some(FinishReason::ToolCalls), ..ChatChunk::default() });
        assert_eq!(collector.finish_reason(), Some(FinishReason::ToolCalls));
        let answer = collector.take(None);
        assert_eq!(answer.choices[0].content.as_deref(), Some("Hello"));
        assert_eq!(answer.choices[0].tool_calls[0].arguments, "{\"a\":1}");
        assert_eq!(answer.choices[0].finish, Some(FinishReason::ToolCalls));
    }

    #[test]
    fn what_is_too_long_is_counted_but_not_kept() {
        let mut collector = Collector::new(4);
        collector.add(&text("abcd"));
        collector.add(&text("e"));
        assert!(collector.is_truncated());
        assert_eq!(collector.output_bytes(), 5);
        assert_eq!(collector.take(None).choices[0].content.as_deref(), Some("abcd"));
    }
}
