//! Helpers for upstreams whose conversation is a strict exchange of turns: neighbours of one role are merged, and the
//! first turn is the user's.

use serde_json::{Map, Value, json};

use super::{
    ErrorClass, ProviderError,
    chat::{Message, Part, ToolCall},
};

/// Stands in where an upstream insists on a text and the caller gave none.
pub const PLACEHOLDER: &str = ".";

/// Turns of a conversation, each with a role and its blocks.
#[derive(Debug, Default)]
pub struct Turns(pub Vec<(&'static str, Vec<Value>)>);

impl Turns {
    /// Adds blocks, to the last turn when it has the same role. Nothing is added for no blocks.
    pub fn add(&mut self, role: &'static str, blocks: Vec<Value>) {
        match self.0.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, all)) if *last == role => all.extend(blocks),
            _ => self.0.push((role, blocks)),
        }
    }

    /// Puts a placeholder in front unless the conversation begins with the user.
    pub fn begin_with_user(&mut self, block: Value) {
        if self.0.first().is_none_or(|(role, _)| *role != "user") {
            self.0.insert(0, ("user", vec![block]));
        }
    }
}

/// The texts of some parts, one after the other. `Unsupported` when there is anything else.
pub fn texts(parts: &[Part], of: &str) -> Result<String, ProviderError> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(more) => text.push_str(more),
            _ => return Err(unsupported(format!("{of} can only hold text for this provider"))),
        }
    }
    Ok(text)
}

/// All system texts, in order, without the blank ones.
pub fn system_texts(messages: &[Message]) -> Result<Vec<String>, ProviderError> {
    let mut all = Vec::new();
    for message in messages {
        if let Message::System(parts) = message {
            let text = texts(parts, "system messages")?;
            if !text.trim().is_empty() {
                all.push(text);
            }
        }
    }
    Ok(all)
}

/// The arguments of a call as an object. Models write invalid JSON at times; it is kept as a text, so that the
/// conversation can go on.
pub fn arguments(call: &ToolCall) -> Map<String, Value> {
    match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(map)) => map,
        _ if call.arguments.trim().is_empty() => Map::new(),
        _ => Map::from_iter([("arguments".to_owned(), json!(call.arguments))]),
    }
}

/// A refusal to translate.
pub fn unsupported(message: impl Into<String>) -> ProviderError {
    ProviderError { param: Some("messages".into()), ..ProviderError::new(ErrorClass::Unsupported, message) }
}

/// The caller's mistake in a message.
pub fn invalid(message: impl Into<String>) -> ProviderError {
    ProviderError { param: Some("messages".into()), ..ProviderError::new(ErrorClass::Invalid, message) }
}
