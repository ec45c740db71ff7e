//! A conversation and the request it becomes; and back, from a request that was kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::params::{Param, Params};
use crate::types::ModelCard;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::User => "You",
            Self::Assistant => "Assistant",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::User => Self::Assistant,
            Self::Assistant => Self::User,
        }
    }
}

/// What one side says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub text: String,
}

impl Message {
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, text: text.into() }
    }

    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, text: text.into() }
    }
}

/// Why nothing can be sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    NoModel,
    NoMessage,
    /// The last message is the assistant's: there is nothing to answer.
    NothingToAnswer,
    Param(Param, String),
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoModel => f.write_str("Choose a model first."),
            Self::NoMessage => f.write_str("Write a message first."),
            Self::NothingToAnswer => f.write_str("The last message is the assistant's: write what it should answer."),
            Self::Param(param, fault) => write!(f, "{}: {fault}", param.label()),
        }
    }
}

/// A request for `/v1/chat/completions`: its fields in the order they are sent, each as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRequest {
    pub fields: Vec<(&'static str, String)>,
    pub stream: bool,
}

impl ChatRequest {
    /// Builds the request; `card` is the model's catalogue entry, where it is known.
    pub fn new(
        model: &str,
        card: Option<&ModelCard>,
        system: &str,
        messages: &[Message],
        params: &Params,
        stream: bool,
    ) -> Result<Self, NotReady> {
        if model.trim().is_empty() {
            return Err(NotReady::NoModel);
        }
        match messages.iter().rfind(|message| !message.text.trim().is_empty()).map(|message| message.role) {
            None => return Err(NotReady::NoMessage),
            Some(Role::Assistant) => return Err(NotReady::NothingToAnswer),
            Some(Role::User) => {}
        }
        let set = params.fields(card).map_err(|(param, fault)| NotReady::Param(param, fault))?;
        let mut fields = vec![("model", json(model.trim())), ("messages", messages_json(system, messages))];
        fields.extend(set);
        if stream {
            fields.push(("stream", "true".to_owned()));
            fields.push(("stream_options", r#"{"include_usage": true}"#.to_owned()));
        }
        Ok(Self { fields, stream })
    }

    /// The body to send, laid out for reading.
    pub fn body(&self) -> String {
        let lines: Vec<_> =
            self.fields.iter().map(|(name, value)| format!("  \"{name}\": {}", indented(value, "  "))).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

/// A request that was kept, taken apart again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restored {
    pub model: String,
    pub system: String,
    pub messages: Vec<Message>,
    pub params: Params,
    pub stream: bool,
    /// It had parts that the console cannot hold: images, tools, tool results.
    pub partial: bool,
}

impl Restored {
    /// Reads the body of a call to any of the text surfaces; `None` when there is no conversation in it.
    pub fn from_body(body: &str) -> Option<Self> {
        let request: Value = serde_json::from_str(body).ok()?;
        let name = |key: &str| request.get(key).and_then(Value::as_str);
        let mut restored = Self {
            model: name("model").or_else(|| name("model_id")).unwrap_or_default().to_owned(),
            params: Params::from_request(request.get("options").unwrap_or(&request)),
            stream: request.get("stream").and_then(Value::as_bool).unwrap_or_default(),
            partial: request.get("tools").and_then(Value::as_array).is_some_and(|tools| !tools.is_empty()),
            ..Self::default()
        };
        let mut system: Vec<String> = Vec::new();
        if let Some(prompt) = request.get("system") {
            system.push(restored.text_of(prompt));
        }
        for message in request.get("messages").and_then(Value::as_array).into_iter().flatten() {
            let text = message.get("content").map(|content| restored.text_of(content)).unwrap_or_default();
            match message.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => system.push(text),
                Some("user") => restored.messages.push(Message::user(text)),
                Some("assistant") if !text.is_empty() => restored.messages.push(Message::assistant(text)),
                _ => restored.partial = true,
            }
        }
        if restored.messages.is_empty() {
            restored.messages.push(Message::user(name("prompt")?));
        }
        restored.system = system.join("\n\n");
        Some(restored)
    }

    fn text_of(&mut self, content: &Value) -> String {
        match content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts: Vec<_> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
                self.partial |= texts.len() < parts.len();
                texts.join("\n")
            }
            _ => String::new(),
        }
    }
}

fn messages_json(system: &str, messages: &[Message]) -> String {
    let line = |role: &str, text: &str| format!("  {{\"role\": \"{role}\", \"content\": {}}}", json(text));
    let mut lines = Vec::new();
    if !system.trim().is_empty() {
        lines.push(line("system", system));
    }
    let said = messages.iter().filter(|message| !message.text.trim().is_empty());
    lines.extend(said.map(|message| line(message.role.name(), &message.text)));
    format!("[\n{}\n]", lines.join(",\n"))
}

/// A text as JSON.
pub fn json(text: &str) -> String {
    Value::from(text).to_string()
}

/// Several lines, all but the first moved in.
pub fn indented(lines: &str, by: &str) -> String {
    lines.replace('\n', &format!("\n{by}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::{super::params::tests::card, *};

    fn build(messages: &[Message], stream: bool) -> Result<ChatRequest, NotReady> {
        let mut params = Params::default();
        params.set(Param::MaxTokens, "50");
        ChatRequest::new("m", Some(&card("m")), "Be \"brief\".", messages, &params, stream)
    }

    #[test]
    fn the_body_is_what_the_api_expects() {
        let messages =
            [Message::user("Hi\nthere"), Message::assistant("Yes?"), Message::user(" "), Message::user("Go.")];
        let body: Value = serde_json::from_str(&build(&messages, true).unwrap().body()).unwrap();
        let expected = value!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be \"brief\"."},
                {"role": "user", "content": "Hi\nthere"},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "Go."},
            ],
            "max_tokens": 50,
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        assert_eq!(body, expected);
        assert!(!build(&messages, false).unwrap().body().contains("stream"));
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        assert_eq!(build(&[], true), Err(NotReady::NoMessage));
        assert_eq!(build(&[Message::user(" \n")], true), Err(NotReady::NoMessage));
        assert_eq!(build(&[Message::user("a"), Message::assistant("b")], true), Err(NotReady::NothingToAnswer));
        let mut params = Params::default();
        params.set(Param::TopP, "7");
        let wrong = ChatRequest::new("m", None, "", &[Message::user("a")], &params, true);
        assert_eq!(wrong.map_err(|e| e.to_string()), Err("Top p: A number from 0 to 1.".to_owned()));
        assert_eq!(ChatRequest::new(" ", None, "", &[], &params, true), Err(NotReady::NoModel));
    }

    #[test]
    fn a_request_can_be_taken_apart_again() {
        let messages = [Message::user("Hi"), Message::assistant("Yes?"), Message::user("Go.")];
        let restored = Restored::from_body(&build(&messages, true).unwrap().body()).unwrap();
        assert_eq!((restored.model.as_str(), restored.system.as_str()), ("m", "Be \"brief\"."));
        assert_eq!(restored.messages, messages);
        assert_eq!(restored.params.get(Param::MaxTokens), "50");
        assert!(restored.stream && !restored.partial);
    }

    #[test]
    fn other_surfaces_and_parts_are_understood() {
        let prompt = value!({"model_id": "x", "prompt": "Hi", "options": {"temperature": 0.5}}).to_string();
        let restored = Restored::from_body(&prompt).unwrap();
        assert_eq!((restored.model.as_str(), &restored.messages[..]), ("x", &[Message::user("Hi")][..]));
        assert_eq!(restored.params.get(Param::Temperature), "0.5");

        let parts = value!({"system": [{"type": "text", "text": "S"}], "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {}}]},
        ]});
        let restored = Restored::from_body(&parts.to_string()).unwrap();
        assert_eq!((restored.system.as_str(), restored.messages[0].text.as_str()), ("S", "See"));
        assert!(restored.partial);

        for nothing in ["", "[]", "{}", r#"{"messages": []}"#] {
            assert_eq!(Restored::from_body(nothing), None, "{nothing}");
        }
    }
}
