//! The inputs that a chat call offers to a mapping.

use serde_json::{Map, Value, json};

use super::{Mapping, MappingProblem};
use crate::providers::{
    ChatInput, ProviderError, Target,
    chat::{ChatRequest, Message, Part, ResponseFormat},
    openai, turns,
};

/// The inputs, and the caller's parameters that the mapping has no place for.
pub fn of_chat(
    mapping: &Mapping<'_>,
    target: &Target,
    input: &ChatInput,
    stream: bool,
) -> Result<(Map<String, Value>, Vec<&'static str>), ProviderError> {
    let request = input.typed()?;
    let mut dropped = input.original().map(|body| openai::body::unread(body)).unwrap_or_default();
    let mentions = |name: &str| mapping.mentions(name, stream);
    if !["prompt", "user_prompt", "messages"].into_iter().any(mentions) {
        let message = "has no place for the prompt: {prompt}, {user_prompt} or {messages}".to_owned();
        return Err(MappingProblem { path: "body".to_owned(), message }.into());
    }
    let mut values = Map::new();
    if mentions("messages") {
        values.insert("messages".into(), openai::write::messages(&request));
    }
    let system = turns::system_texts(&request.messages)?.join("\n\n");
    if mentions("prompt") || mentions("user_prompt") {
        let mut prompt = transcript(&request)?;
        // A mapping without a place for it must not lose the system prompt.
        if !system.is_empty() && !mentions("system_prompt") && !mentions("messages") {
            prompt = format!("{system}\n\n{prompt}");
        }
        values.insert("prompt".into(), json!(prompt));
        values.insert("user_prompt".into(), json!(prompt));
    }
    if !system.is_empty() {
        values.insert("system_prompt".into(), json!(system));
    }
    values.insert("model".into(), json!(target.model));
    values.insert("stream".into(), json!(stream));
    let params = &request.params;
    for (name, value) in [
        ("max_tokens", params.max_tokens.map(Value::from)),
        ("temperature", params.temperature.map(Value::from)),
        ("top_p", params.top_p.map(Value::from)),
        ("top_k", params.top_k.map(Value::from)),
        ("seed", params.seed.map(Value::from)),
        ("stop", (!params.stop.is_empty()).then(|| json!(params.stop))),
    ] {
        match value {
            Some(value) if mentions(name) => {
                values.insert(name.into(), value);
            }
            Some(_) => dropped.push(name),
            None => {}
        }
    }
    for (name, given) in [
        ("tools", !request.tools.is_empty()),
        ("response_format", request.response_format.as_ref().is_some_and(|f| *f != ResponseFormat::Text)),
        ("reasoning_effort", params.reasoning_effort.is_some()),
        ("presence_penalty", params.presence_penalty.is_some_and(|p| p != 0.0)),
        ("frequency_penalty", params.frequency_penalty.is_some_and(|p| p != 0.0)),
        ("n", params.n.is_some_and(|n| n > 1)),
        ("user", params.user.is_some()),
    ] {
        if given {
            dropped.push(name);
        }
    }
    Ok((values, dropped))
}

/// The conversation as one text: a single question is just its text, several turns say who speaks.
fn transcript(request: &ChatRequest) -> Result<String, ProviderError> {
    let turns: Vec<(&str, &[Part])> = request
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::System(_) => None,
            Message::User(parts) => Some(("User", &parts[..])),
            Message::Assistant { content, .. } => Some(("Assistant", &content[..])),
            Message::Tool { content, .. } => Some(("Tool", &content[..])),
        })
        .collect();
    if let [("User", parts)] = turns[..] {
        return turns::texts(parts, "messages");
    }
    let mut lines = Vec::with_capacity(turns.len());
    for (speaker, parts) in turns {
        lines.push(format!("{speaker}: {}", turns::texts(parts, "messages")?));
    }
    Ok(lines.join("\n\n"))
}
