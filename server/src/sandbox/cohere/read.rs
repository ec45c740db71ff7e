//! Reads and validates a chat request, with Cohere's words for what is wrong.

use serde_json::{Value, json};

use crate::sandbox::answer::{Ask, Format, ToolChoice};
use crate::sandbox::dialect::Failure;

const PICTURE: u32 = 256;

pub(super) fn read(body: &Value) -> Result<Ask, Failure> {
    if !body.is_object() {
        return Err(Failure::invalid("invalid request: expected a JSON object"));
    }
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Failure::invalid("invalid request: model is required"));
    }
    let mut ask = Ask::default();
    ask.show_reasoning = true;
    tools(body, &mut ask)?;
    documents(body, &mut ask);
    messages(body, &mut ask)?;
    numbers(body, &mut ask)?;
    let wish = body.get("response_format");
    ask.format = match wish.and_then(|wish| wish.get("type")).and_then(Value::as_str) {
        None | Some("text") => Format::Text,
        Some("json_object") => {
            let schema = wish.and_then(|wish| wish.get("json_schema").or_else(|| wish.get("schema")));
            schema.filter(|schema| !schema.is_null()).map_or(Format::Json, |schema| Format::Schema(schema.clone()))
        }
        Some(_) => {
            return Err(Failure::invalid("invalid request: response_format.type must be one of text, json_object"));
        }
    };
    ask.stream = body.get("stream") == Some(&Value::Bool(true));
    ask.seed = body.get("seed").and_then(Value::as_i64).unwrap_or(0);
    Ok(ask)
}

fn messages(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let messages = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if messages.is_empty() {
        return Err(Failure::invalid("invalid request: messages must not be empty"));
    }
    let mut open: Vec<&str> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let wrong = |what: &str| Failure::invalid(format!("invalid request: messages[{place}] {what}"));
        let role = match message.get("role").and_then(Value::as_str) {
            Some(role @ ("system" | "user" | "assistant" | "tool")) => role,
            _ => return Err(wrong("role must be one of system, user, assistant, tool")),
        };
        ask.turn(role);
        let calls = message.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let text = match message.get("content") {
            Some(content) if !content.is_null() => {
                content_text(content, ask).ok_or_else(|| wrong("has invalid content"))?
            }
            _ if role == "assistant" && !calls.is_empty() => String::new(),
            _ => return Err(wrong("must have non-empty content")),
        };
        if role == "tool" {
            let id =
                message.get("tool_call_id").and_then(Value::as_str).ok_or_else(|| wrong("must have a tool_call_id"))?;
            let found = open.iter().position(|known| *known == id);
            open.swap_remove(found.ok_or_else(|| wrong("tool_call_id was not found in the tool calls before it"))?);
            let earlier = ask.tool_result.take().map(|earlier| format!("{earlier}; ")).unwrap_or_default();
            ask.tool_result = Some(earlier + &text);
            continue;
        }
        if !open.is_empty() {
            return Err(wrong("must be a tool message: the tool calls before it have no results"));
        }
        ask.tool_result = None;
        for call in calls {
            ask.read(call.pointer("/function/name").and_then(Value::as_str).unwrap_or_default());
            ask.read(call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or_default());
            open.push(call.get("id").and_then(Value::as_str).ok_or_else(|| wrong("tool call must have an id"))?);
        }
        match role {
            "system" => ask.system.push_str(&text),
            "user" => ask.prompt = text,
            _ => {}
        }
    }
    if open.is_empty() { Ok(()) } else { Err(Failure::invalid("invalid request: the last tool calls have no results")) }
}

fn content_text(content: &Value, ask: &mut Ask) -> Option<String> {
    let mut text = String::new();
    match content {
        Value::String(said) => text.clone_from(said),
        Value::Array(parts) => {
            for part in parts {
                match part.get("type")?.as_str()? {
                    "text" => text.push_str(part.get("text")?.as_str()?),
                    "thinking" => text.push_str(part.get("thinking")?.as_str()?),
                    "image_url" => {
                        part.pointer("/image_url/url")?.as_str()?;
                        ask.see(PICTURE);
                    }
                    "document" => text.push_str(&part.get("document")?.to_string()),
                    _ => return None,
                }
            }
        }
        _ => return None,
    }
    ask.read(&text);
    Some(text)
}

fn documents(body: &Value, ask: &mut Ask) {
    for document in body.get("documents").and_then(Value::as_array).into_iter().flatten() {
        ask.read(&document.as_str().map_or_else(|| document.to_string(), str::to_owned));
    }
}

fn tools(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    for (place, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let name = tool.pointer("/function/name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| Failure::invalid(format!("invalid request: tools[{place}].function.name is required")))?;
        ask.offer(name, tool.pointer("/function/parameters").cloned().unwrap_or_else(|| json!({"type": "object"})));
    }
    ask.tool_choice = match body.get("tool_choice").and_then(Value::as_str) {
        None => ToolChoice::Auto,
        Some(_) if ask.tools.is_empty() => {
            return Err(Failure::invalid("invalid request: tool_choice requires tools to be specified"));
        }
        Some("REQUIRED") => ToolChoice::Required,
        Some("NONE") => ToolChoice::None,
        Some(_) => return Err(Failure::invalid("invalid request: tool_choice must be one of REQUIRED, NONE")),
    };
    Ok(())
}

fn numbers(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let ranges = [
        ("temperature", 0.0, 1.0),
        ("p", 0.01, 0.99),
        ("k", 0.0, 500.0),
        ("frequency_penalty", 0.0, 1.0),
        ("presence_penalty", 0.0, 1.0),
    ];
    for (name, low, high) in ranges {
        if let Some(value) = body.get(name).filter(|value| !value.is_null())
            && !value.as_f64().is_some_and(|value| (low..=high).contains(&value))
        {
            return Err(Failure::invalid(format!(
                "invalid request: {name} must be between {low} and {high} inclusive"
            )));
        }
    }
    let set = |name: &str| body.get(name).and_then(Value::as_f64).is_some_and(|value| value > 0.0);
    if set("frequency_penalty") && set("presence_penalty") {
        return Err(Failure::invalid("invalid request: only one of frequency_penalty and presence_penalty may be set"));
    }
    ask.max_tokens = match body.get("max_tokens").filter(|limit| !limit.is_null()) {
        None => None,
        Some(limit) => match limit.as_u64() {
            Some(limit) if limit > 0 => Some(u32::try_from(limit).unwrap_or(u32::MAX)),
            _ => return Err(Failure::invalid("invalid request: max_tokens must be a positive integer")),
        },
    };
    let stops = body.get("stop_sequences").and_then(Value::as_array).into_iter().flatten();
    ask.stops = stops.filter_map(Value::as_str).map(str::to_owned).collect();
    if ask.stops.len() > 5 {
        return Err(Failure::invalid("invalid request: stop_sequences may hold at most 5 items"));
    }
    if body.pointer("/thinking/type").and_then(Value::as_str) == Some("enabled") {
        let budget = body.pointer("/thinking/token_budget").and_then(Value::as_u64);
        ask.reasoning = budget.map_or(128, |budget| u32::try_from(budget / 4).unwrap_or(512).clamp(1, 512));
    }
    Ok(())
}
