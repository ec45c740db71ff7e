//! What a chat answer says: the chunks of a stream and the whole body, in OpenAI's shape.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{failure::ApiError, sse::SseParser};

/// Tokens of one call. `input` includes `cached`, `output` includes `reasoning`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
}

/// What has been said so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    pub text: String,
    /// The model's reasoning, where it shows it.
    pub thinking: String,
    /// A refusal in the model's own words, and calls of tools, which this console only shows.
    pub refusal: String,
    pub tool_calls: Vec<ToolCall>,
    pub finish: Option<String>,
    pub usage: Option<Usage>,
    /// The model as the upstream names it.
    pub model: Option<String>,
    pub error: Option<ApiError>,
    /// The end marker (or the whole body) has arrived.
    pub complete: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolCall {
    pub name: String,
    pub arguments: String,
}

impl Heard {
    /// Takes one `data:` of a stream.
    pub fn take_event(&mut self, data: &str) {
        if data.trim() == "[DONE]" {
            self.complete = true;
            return;
        }
        match serde_json::from_str::<Value>(data) {
            Ok(chunk) => self.take(&chunk, "delta"),
            Err(_) => self.error = Some(ApiError::unreadable("A part of the stream is not valid JSON.")),
        }
    }

    /// Takes the whole answer of a call that does not stream.
    pub fn take_body(&mut self, body: &str) {
        match serde_json::from_str::<Value>(body) {
            Ok(value) if value.get("choices").is_some() || value.get("error").is_some() => {
                self.take(&value, "message");
                self.complete = true;
            }
            _ => self.error = Some(ApiError::unreadable("The answer does not have the shape of a chat completion.")),
        }
    }

    /// Reads a stored answer, which may be a body or the lines of a stream. `None` when it is neither.
    pub fn from_stored(stored: &str) -> Option<Self> {
        let mut heard = Self::default();
        if stored.trim_start().starts_with('{') {
            heard.take_body(stored);
            return heard.complete.then_some(heard);
        }
        let mut parser = SseParser::default();
        let mut events = parser.push(stored);
        events.extend(parser.push("\n\n"));
        if events.is_empty() {
            return None;
        }
        for event in events {
            heard.take_event(&event.data);
        }
        Some(heard)
    }

    fn take(&mut self, value: &Value, part: &str) {
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            self.error = Some(ApiError::from_object(error));
        }
        if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
            self.usage = Some(read_usage(usage));
        }
        if let Some(model) = value.get("model").and_then(Value::as_str) {
            self.model = Some(model.to_owned());
        }
        let Some(choice) = value.get("choices").and_then(|choices| choices.get(0)) else { return };
        if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
        let Some(said) = choice.get(part) else { return };
        let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        self.text.push_str(text("content"));
        self.refusal.push_str(text("refusal"));
        // Both names are in use among OpenAI-compatible servers.
        let thinking = text("reasoning_content");
        self.thinking.push_str(if thinking.is_empty() { text("reasoning") } else { thinking });
        for (position, call) in said.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
            self.take_tool_call(position, call);
        }
    }

    fn take_tool_call(&mut self, position: usize, call: &Value) {
        let index =
            call.get("index").and_then(Value::as_u64).and_then(|index| index.try_into().ok()).unwrap_or(position);
        // Only the next free place is opened: a wild index from outside must not allocate.
        if index == self.tool_calls.len() {
            self.tool_calls.push(ToolCall::default());
        }
        let (Some(slot), Some(function)) = (self.tool_calls.get_mut(index), call.get("function")) else { return };
        let text = |name: &str| function.get(name).and_then(Value::as_str).unwrap_or_default();
        slot.name.push_str(text("name"));
        slot.arguments.push_str(text("arguments"));
    }
}

fn read_usage(usage: &Value) -> Usage {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or_default();
    let detail = |of: &str, name: &str| number(usage.get(of).and_then(|details| details.get(name)));
    Usage {
        input: number(usage.get("prompt_tokens")),
        cached: detail("prompt_tokens_details", "cached_tokens"),
        output: number(usage.get("completion_tokens")),
        reasoning: detail("completion_tokens_details", "reasoning_tokens"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,",
        "\"prompt_tokens_details\":{\"cached_tokens\":3},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n",
    );

    #[test]
    fn a_stream_adds_up() {
        let heard = Heard::from_stored(&format!("{STREAM}data: [DONE]\n\n")).unwrap();
        assert_eq!((heard.text.as_str(), heard.thinking.as_str()), ("Hello", "hm"));
        assert_eq!(heard.finish.as_deref(), Some("stop"));
        assert_eq!(heard.model.as_deref(), Some("m-1"));
        assert_eq!(heard.usage, Some(Usage { input: 9, cached: 3, output: 4, reasoning: 2 }));
        assert!(heard.complete && heard.error.is_none());
    }

    #[test]
    fn a_cut_stream_is_not_complete() {
        let heard = Heard::from_stored(STREAM).unwrap();
        assert_eq!(heard.text, "Hello");
        assert!(!heard.complete);
    }

    #[test]
    fn an_error_in_the_stream_keeps_the_text() {
        let mut heard = Heard::default();
        heard.take_event(r#"{"choices":[{"delta":{"content":"par"}}]}"#);
        heard.take_event(r#"{"error":{"message":"The provider failed.","type":"server_error","source":"provider"}}"#);
        assert_eq!(heard.text, "par");
        let error = heard.error.unwrap();
        assert_eq!((error.message.as_str(), error.source.as_deref()), ("The provider failed.", Some("provider")));
    }

    #[test]
    fn a_body_is_read_whole() {
        let mut heard = Heard::default();
        heard.take_body(
            r#"{"model":"m","choices":[{"message":{"content":"Hi","reasoning":"why"},"finish_reason":"length"}],
                "usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        );
        assert_eq!((heard.text.as_str(), heard.thinking.as_str()), ("Hi", "why"));
        assert_eq!(heard.finish.as_deref(), Some("length"));
        assert!(heard.complete);
    }

    #[test]
    fn what_is_not_an_answer_says_so() {
        let mut heard = Heard::default();
        heard.take_body("<html>");
        assert!(heard.error.is_some() && !heard.complete);
        assert_eq!(Heard::from_stored("just words"), None);
        assert_eq!(Heard::from_stored("{}"), None);
    }

    #[test]
    fn tool_calls_are_put_together_and_wild_indexes_ignored() {
        let mut heard = Heard::default();
        for call in [
            r#"{"index":0,"function":{"name":"find","arguments":"{\"a\""}}"#,
            r#"{"index":0,"function":{"arguments":":1}"}}"#,
            r#"{"index":4000000000,"function":{"name":"x","arguments":""}}"#,
        ] {
            heard.take_event(&format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{call}]}}}}]}}"#));
        }
        assert_eq!(heard.tool_calls, [ToolCall { name: "find".into(), arguments: "{\"a\":1}".into() }]);
    }
}
