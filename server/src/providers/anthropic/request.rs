//! Writes a Messages request.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::providers::{
    ChatInput, ProviderError, Target,
    chat::{ChatRequest, Message, Part, ResponseFormat, ToolChoice},
    names::{self, Rule},
    openai,
    turns::{self, PLACEHOLDER, Turns},
    wire,
};

const NAMES: Rule = Rule { max: 128, starts_with_letter: false };

/// Length of an answer when neither the caller nor the catalogue names one; every model can write that much.
const MAX_TOKENS: u32 = 4_096;

/// The least that Anthropic accepts as a thinking budget.
const LEAST_BUDGET: u32 = 1_024;

/// The body, and the caller's parameters that had to be left out.
pub fn body(
    target: &Target,
    input: &ChatInput,
    stream: bool,
) -> Result<(Map<String, Value>, Vec<&'static str>), ProviderError> {
    let request = input.typed()?;
    let mut dropped = input.original().map(|body| openai::body::unread(body)).unwrap_or_default();
    let mut body = Map::new();
    let asked = request.params.max_tokens.or(target.max_output).unwrap_or(MAX_TOKENS);
    let max_tokens = target.max_output.map_or(asked, |most| asked.min(most));
    body.insert("model".into(), json!(target.model));
    body.insert("max_tokens".into(), json!(max_tokens));
    let mut system = turns::system_texts(&request.messages)?;
    body.insert("messages".into(), messages(target, &request)?);
    if stream {
        body.insert("stream".into(), json!(true));
    }
    let forced = tools(target, &request, &mut body, &mut dropped)?;
    let mut output = Map::new();
    let thinks = thinking(target, &request, max_tokens, forced, &mut body, &mut output, &mut dropped);
    sampling(target, &request, thinks, &mut body, &mut dropped);
    system.extend(format(target, &request, &mut output));
    if !output.is_empty() {
        body.insert("output_config".into(), output.into());
    }
    if !system.is_empty() {
        body.insert("system".into(), system.into_iter().map(|text| json!({"type": "text", "text": text})).collect());
    }
    Ok((body, dropped))
}

fn messages(target: &Target, request: &ChatRequest) -> Result<Value, ProviderError> {
    let mut turns = Turns::default();
    let last = request.messages.len().saturating_sub(1);
    for (index, message) in request.messages.iter().enumerate() {
        match message {
            Message::System(_) => {}
            Message::User(parts) => {
                let mut blocks = blocks(parts)?;
                if blocks.is_empty() {
                    blocks.push(text(PLACEHOLDER));
                }
                turns.add("user", blocks);
            }
            Message::Assistant { content, tool_calls } => {
                if index == last && tool_calls.is_empty() && target.lacks("assistant_prefill") {
                    return Err(turns::unsupported(
                        "this model cannot continue an assistant message: the last message must be the user's",
                    ));
                }
                let mut blocks = blocks(content)?;
                // A beginning that the model shall continue must not end with a space.
                if index == last
                    && let Some(Value::String(text)) = blocks.last_mut().and_then(|block| block.get_mut("text"))
                {
                    text.truncate(text.trim_end().len());
                }
                for call in tool_calls {
                    blocks.push(json!({"type": "tool_use", "id": tool_id(&call.id),
                        "name": names::encode(&call.name, NAMES)?, "input": turns::arguments(call)}));
                }
                turns.add("assistant", blocks);
            }
            Message::Tool { call_id, content } => {
                let content = match &content[..] {
                    [Part::Text(text)] => json!(text),
                    parts => blocks(parts)?.into(),
                };
                let result = json!({"type": "tool_result", "tool_use_id": tool_id(call_id), "content": content});
                turns.add("user", vec![result]);
            }
        }
    }
    turns.begin_with_user(text(PLACEHOLDER));
    Ok(turns.0.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect())
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// Ids of other providers may have characters that Anthropic refuses.
fn tool_id(id: &str) -> String {
    let id: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect();
    if id.is_empty() { "_".to_owned() } else { id }
}

/// Content blocks; blank texts, which Anthropic refuses, are left out.
fn blocks(parts: &[Part]) -> Result<Vec<Value>, ProviderError> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text(content) if content.trim().is_empty() => {}
            Part::Text(content) => blocks.push(text(content)),
            Part::Image { url, .. } => blocks.push(json!({"type": "image", "source": source(url)?})),
            Part::File { name, data } => {
                let mut document = json!({"type": "document", "source": source(data)?});
                if let Some(name) = name {
                    document["title"] = json!(name);
                }
                blocks.push(document);
            }
            Part::Audio { .. } => return Err(turns::unsupported("this provider does not take audio in messages")),
        }
    }
    Ok(blocks)
}

fn source(url: &str) -> Result<Value, ProviderError> {
    if !url.starts_with("data:") {
        return Ok(json!({"type": "url", "url": url}));
    }
    let (kind, data) = wire::data_url(url).ok_or_else(|| turns::invalid("a data: URL must be base64"))?;
    if !kind.starts_with("text/") {
        return Ok(json!({"type": "base64", "media_type": kind, "data": data}));
    }
    let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| turns::invalid("a text file must be UTF-8 in base64"))?;
    Ok(json!({"type": "text", "media_type": "text/plain", "data": text}))
}

/// Tools and the choice among them; true when a call is forced.
fn tools(
    target: &Target,
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<&'static str>,
) -> Result<bool, ProviderError> {
    if request.tools.is_empty() {
        return used_tools(request, body).map(|()| false);
    }
    let mut tools = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        let mut schema = tool.parameters.clone().unwrap_or_else(|| json!({"properties": {}}));
        if let Some(map) = schema.as_object_mut() {
            map.entry("type").or_insert_with(|| "object".into());
        }
        let mut entry = json!({"name": names::encode(&tool.name, NAMES)?, "input_schema": schema});
        if let Some(description) = &tool.description {
            entry["description"] = json!(description);
        }
        if tool.strict == Some(true) && !target.lacks("response_schema") {
            entry["strict"] = json!(true);
        }
        tools.push(entry);
    }
    body.insert("tools".into(), tools.into());
    let wanted = match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Function(_)) if target.lacks("forced_tool_use") => {
            dropped.push("tool_choice");
            None
        }
        choice => choice.as_ref(),
    };
    let mut choice = match wanted {
        None => json!({"type": "auto"}),
        Some(ToolChoice::Auto) => json!({"type": "auto"}),
        Some(ToolChoice::None) => json!({"type": "none"}),
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Function(name)) => json!({"type": "tool", "name": names::encode(name, NAMES)?}),
    };
    let one_by_one = request.params.parallel_tool_calls == Some(false) && wanted != Some(&ToolChoice::None);
    if one_by_one {
        choice["disable_parallel_tool_use"] = json!(true);
    }
    if wanted.is_some() || one_by_one {
        body.insert("tool_choice".into(), choice);
    }
    Ok(matches!(wanted, Some(ToolChoice::Required | ToolChoice::Function(_))))
}

/// Anthropic wants the tools of earlier calls declared, also when no more calls are wanted.
fn used_tools(request: &ChatRequest, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
    let mut used: Vec<&str> = Vec::new();
    for message in &request.messages {
        if let Message::Assistant { tool_calls, .. } = message {
            used.extend(tool_calls.iter().map(|call| call.name.as_str()));
        }
    }
    used.sort_unstable();
    used.dedup();
    if used.is_empty() {
        return Ok(());
    }
    let declare = |name: &str| {
        Ok(json!({"name": names::encode(name, NAMES)?, "input_schema": {"type": "object", "properties": {}}}))
    };
    let declared: Result<Value, ProviderError> = used.into_iter().map(declare).collect();
    body.insert("tools".into(), declared?);
    body.insert("tool_choice".into(), json!({"type": "none"}));
    Ok(())
}

/// Sets how much the model thinks; true when it thinks with a budget. Models that refuse sampling parameters are those
/// that set their budget themselves ("adaptive") and take an effort.
fn thinking(
    target: &Target,
    request: &ChatRequest,
    max_tokens: u32,
    forced: bool,
    body: &mut Map<String, Value>,
    output: &mut Map<String, Value>,
    dropped: &mut Vec<&'static str>,
) -> bool {
    let Some(effort) = request.params.reasoning_effort.as_deref() else { return false };
    let adaptive = target.lacks("sampling_params") || target.lacks("thinking_budget");
    let (word, budget) = match effort {
        "none" | "disable" => {
            if adaptive {
                body.insert("thinking".into(), json!({"type": "disabled"}));
            }
            return false;
        }
        "minimal" | "low" => ("low", 1_024),
        "medium" => ("medium", 2_048),
        "high" => ("high", 4_096),
        "xhigh" => ("xhigh", 8_192),
        "max" => ("max", 16_384),
        _ => {
            dropped.push("reasoning_effort");
            return false;
        }
    };
    if adaptive {
        output.insert("effort".into(), json!(word));
        // Thinking and a forced call exclude each other; the effort also works without.
        if !forced {
            body.insert("thinking".into(), json!({"type": "adaptive"}));
        }
        return false;
    }
    let budget = budget.min(max_tokens.saturating_sub(1));
    // With a budget, Anthropic wants the thoughts before earlier calls back, which this format cannot carry.
    let calls_open = request.messages.iter().any(|m| matches!(m, Message::Tool { .. }));
    if forced || calls_open || budget < LEAST_BUDGET || target.lacks("reasoning") {
        dropped.push("reasoning_effort");
        return false;
    }
    body.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": budget}));
    true
}

fn sampling(
    target: &Target,
    request: &ChatRequest,
    thinks: bool,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<&'static str>,
) {
    let params = &request.params;
    let refused = thinks || target.lacks("sampling_params");
    let mut put = |key: &'static str, value: Option<Value>, taken: bool, is_default: bool| match value {
        Some(value) if taken => {
            body.insert(key.to_owned(), value);
        }
        Some(_) if !is_default => dropped.push(key),
        _ => {}
    };
    // Anthropic's scale ends at 1, where the others' ends at 2.
    let temperature = params.temperature.map(|t| t.clamp(0.0, 1.0));
    put("temperature", temperature.map(Value::from), !refused, temperature == Some(1.0));
    // Newer models refuse the two together.
    let top_p_taken = !refused && temperature.is_none();
    put("top_p", params.top_p.map(Value::from), top_p_taken, params.top_p.is_some_and(|p| p >= 1.0));
    put("top_k", params.top_k.map(Value::from), !refused, false);
    let stop: Vec<_> = params.stop.iter().filter(|stop| !stop.trim().is_empty()).collect();
    if !stop.is_empty() {
        body.insert("stop_sequences".into(), json!(stop));
    } else if !params.stop.is_empty() {
        dropped.push("stop");
    }
    match &params.user {
        // The id must not identify a person.
        Some(user) if user.contains('@') => dropped.push("user"),
        Some(user) => {
            body.insert("metadata".into(), json!({"user_id": user}));
        }
        None => {}
    }
    for (key, lost) in [
        ("seed", params.seed.is_some()),
        ("presence_penalty", params.presence_penalty.is_some_and(|p| p != 0.0)),
        ("frequency_penalty", params.frequency_penalty.is_some_and(|p| p != 0.0)),
        ("n", params.n.is_some_and(|n| n > 1)),
    ] {
        if lost {
            dropped.push(key);
        }
    }
}

/// Sets the answer's format where the model has one, else returns the instruction that asks for it.
fn format(target: &Target, request: &ChatRequest, output: &mut Map<String, Value>) -> Option<String> {
    match request.response_format.as_ref()? {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some("Answer with one valid JSON object and nothing else.".to_owned()),
        ResponseFormat::JsonSchema { schema, .. } if target.lacks("response_schema") => Some(format!(
            "Answer with one JSON value that is valid under this JSON Schema, and with nothing else:\n{schema}"
        )),
        ResponseFormat::JsonSchema { schema, .. } => {
            let mut schema = schema.clone();
            close_objects(&mut schema);
            output.insert("format".into(), json!({"type": "json_schema", "schema": schema}));
            None
        }
    }
}

/// Anthropic insists that every object says it takes no further properties.
fn close_objects(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("type").is_some_and(|kind| kind == "object") {
                map.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            map.values_mut().for_each(close_objects);
        }
        Value::Array(list) => list.iter_mut().for_each(close_objects),
        _ => {}
    }
}
