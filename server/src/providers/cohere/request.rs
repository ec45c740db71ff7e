//! Writes a chat request for Cohere.

use serde_json::{Map, Value, json};

use crate::providers::{
    ChatInput, ProviderError, Target,
    chat::{ChatRequest, Message, Part, ResponseFormat, ToolCall, ToolChoice},
    names::{self, Rule},
    openai, turns,
};

const NAMES: Rule = Rule { max: 128, starts_with_letter: true };

/// The body, and the caller's parameters that had to be left out.
pub fn body(
    target: &Target,
    input: &ChatInput,
    stream: bool,
) -> Result<(Map<String, Value>, Vec<&'static str>), ProviderError> {
    let request = input.typed()?;
    let mut dropped = input.original().map(|body| openai::body::unread(body)).unwrap_or_default();
    let mut body = Map::new();
    body.insert("model".into(), json!(target.model));
    body.insert("messages".into(), request.messages.iter().map(message).collect::<Result<_, _>>()?);
    body.insert("stream".into(), json!(stream));
    tools(&request, &mut body, &mut dropped)?;
    params(target, &request, &mut body, &mut dropped);
    match &request.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonObject) => {
            body.insert("response_format".into(), json!({"type": "json_object"}));
        }
        Some(ResponseFormat::JsonSchema { schema, .. }) => {
            body.insert("response_format".into(), json!({"type": "json_object", "json_schema": schema}));
        }
    }
    Ok((body, dropped))
}

fn message(message: &Message) -> Result<Value, ProviderError> {
    Ok(match message {
        Message::System(parts) => json!({"role": "system", "content": turns::texts(parts, "system messages")?}),
        Message::User(parts) => json!({"role": "user", "content": content(parts)?}),
        Message::Tool { call_id, content } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": turns::texts(content, "tool results")?})
        }
        Message::Assistant { content, tool_calls } => {
            let mut turn = json!({"role": "assistant"});
            let text = turns::texts(content, "assistant messages")?;
            if !text.is_empty() || tool_calls.is_empty() {
                turn["content"] = text.into();
            }
            if !tool_calls.is_empty() {
                let calls: Result<Vec<_>, ProviderError> = tool_calls.iter().map(tool_call).collect();
                turn["tool_calls"] = calls?.into();
            }
            turn
        }
    })
}

fn tool_call(call: &ToolCall) -> Result<Value, ProviderError> {
    let name = names::encode(&call.name, NAMES)?.into_owned();
    let arguments = Value::Object(turns::arguments(call)).to_string();
    Ok(openai::write::tool_call(&ToolCall { id: call.id.clone(), name, arguments }))
}

fn content(parts: &[Part]) -> Result<Value, ProviderError> {
    if parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return turns::texts(parts, "user messages").map(Value::from);
    }
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Ok(json!({"type": "text", "text": text})),
            Part::Image { url, detail: None } => Ok(json!({"type": "image_url", "image_url": {"url": url}})),
            Part::Image { url, detail } => {
                Ok(json!({"type": "image_url", "image_url": {"url": url, "detail": detail}}))
            }
            _ => Err(turns::unsupported("this provider takes text and images only")),
        })
        .collect()
}

fn tools(
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<&'static str>,
) -> Result<(), ProviderError> {
    if request.tools.is_empty() {
        return Ok(());
    }
    let mut request = ChatRequest { tools: request.tools.clone(), ..request.clone() };
    // A certain function cannot be demanded, but it can be the only one.
    if let Some(ToolChoice::Function(name)) = &request.tool_choice {
        request.tools.retain(|tool| tool.name == *name);
    }
    for tool in &mut request.tools {
        tool.name = names::encode(&tool.name, NAMES)?.into_owned();
        tool.parameters.get_or_insert_with(|| json!({"type": "object", "properties": {}}));
    }
    if request.tools.iter().all(|tool| tool.strict == Some(true)) {
        body.insert("strict_tools".into(), json!(true));
    }
    for tool in &mut request.tools {
        tool.strict = None;
    }
    body.insert("tools".into(), openai::write::tools(&request));
    match request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => {
            body.insert("tool_choice".into(), json!("NONE"));
        }
        Some(ToolChoice::Required | ToolChoice::Function(_)) => {
            body.insert("tool_choice".into(), json!("REQUIRED"));
        }
    }
    if request.params.parallel_tool_calls == Some(false) {
        dropped.push("parallel_tool_calls");
    }
    Ok(())
}

fn params(target: &Target, request: &ChatRequest, body: &mut Map<String, Value>, dropped: &mut Vec<&'static str>) {
    let params = &request.params;
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    put("max_tokens", params.max_tokens.map(Value::from));
    put("stop_sequences", (!params.stop.is_empty()).then(|| params.stop.clone().into()));
    if target.lacks("sampling_params") {
        let given = [
            ("temperature", params.temperature.is_some()),
            ("top_p", params.top_p.is_some()),
            ("top_k", params.top_k.is_some()),
        ];
        dropped.extend(given.into_iter().filter(|(_, is)| *is).map(|(key, _)| key));
    } else {
        put("temperature", params.temperature.map(|t| t.clamp(0.0, 1.0).into()));
        put("p", params.top_p.map(|p| p.clamp(0.01, 0.99).into()));
        put("k", params.top_k.map(|k| k.min(500).into()));
    }
    put("seed", params.seed.filter(|seed| *seed >= 0).map(Value::from));
    let frequency = params.frequency_penalty.filter(|p| *p > 0.0).map(|p| p.min(1.0));
    put("frequency_penalty", frequency.map(Value::from));
    // Only one of the two penalties may be set, and neither may be negative.
    let presence = params.presence_penalty.filter(|p| *p > 0.0 && frequency.is_none()).map(|p| p.min(1.0));
    put("presence_penalty", presence.map(Value::from));
    let thinking = params.reasoning_effort.as_deref().map(|effort| thinking(target, effort));
    put("thinking", thinking.clone().flatten());
    for (key, lost) in [
        ("seed", params.seed.is_some_and(|seed| seed < 0)),
        ("frequency_penalty", frequency.is_none() && params.frequency_penalty.is_some_and(|p| p != 0.0)),
        ("presence_penalty", presence.is_none() && params.presence_penalty.is_some_and(|p| p != 0.0)),
        ("reasoning_effort", thinking == Some(None)),
        ("n", params.n.is_some_and(|n| n > 1)),
        ("user", params.user.is_some()),
    ] {
        if lost {
            dropped.push(key);
        }
    }
}

fn thinking(target: &Target, effort: &str) -> Option<Value> {
    if target.lacks("reasoning") {
        return None;
    }
    let budget = match effort {
        "none" | "disable" => return Some(json!({"type": "disabled"})),
        "minimal" => 512,
        "low" => 1_024,
        "medium" => 2_048,
        "high" => 4_096,
        "xhigh" => 8_192,
        "max" => 16_384,
        _ => return None,
    };
    Some(json!({"type": "enabled", "token_budget": budget}))
}
