//! Reads and validates a chat completion request, with OpenAI's words for what is wrong.

use serde_json::Value;

use super::{Flavour, UsagePlace};
use crate::sandbox::answer::{Ask, Format, ToolChoice};
use crate::sandbox::dialect::Failure;

/// Arguments of the endpoint; others are refused by strict hosts.
const KNOWN: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];
const ROLES: &[&str] = &["system", "assistant", "user", "function", "tool", "developer"];
/// Tokens of a picture in full and in low detail.
const PICTURE: u32 = 765;
const SMALL_PICTURE: u32 = 85;
/// Tokens of a sound or a file.
const ATTACHMENT: u32 = 500;

pub(super) fn read(flavour: &Flavour, body: &Value) -> Result<Ask, Failure> {
    let Some(object) = body.as_object() else {
        return Err(Failure::invalid("Invalid body: expected a JSON object."));
    };
    if flavour.strict
        && let Some(unknown) = object.keys().find(|key| !KNOWN.contains(&key.as_str()))
    {
        return Err(Failure::invalid(format!("Unrecognized request argument supplied: {unknown}")));
    }
    let model = match body.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model.as_str(),
        _ => return Err(Failure::invalid("you must provide a model parameter")),
    };
    let mut ask = Ask::default();
    ask.choices = whole_number(body, "n", 1, 128)?.unwrap_or(1);
    numbers(flavour, model, body, &mut ask)?;
    tools(body, &mut ask)?;
    messages(body, &mut ask)?;
    format(body, &mut ask)?;
    ask.stream = body.get("stream") == Some(&Value::Bool(true));
    match body.get("stream_options") {
        None | Some(Value::Null) => {}
        Some(_) if !ask.stream => {
            return Err(Failure::invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
                .param("stream_options"));
        }
        Some(options) => ask.stream_usage = options.get("include_usage") == Some(&Value::Bool(true)),
    }
    if flavour.usage == UsagePlace::LastChoice {
        ask.stream_usage = false;
    }
    ask.stops = stops(body)?;
    ask.seed = body.get("seed").or(body.get("random_seed")).and_then(Value::as_i64).unwrap_or(0);
    ask.reasoning = reasoning(body)?;
    Ok(ask)
}

fn numbers(flavour: &Flavour, model: &str, body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    range(body, "presence_penalty", -2.0, 2.0)?;
    range(body, "frequency_penalty", -2.0, 2.0)?;
    if whole_number(body, "top_logprobs", 0, 20)?.is_some() && body.get("logprobs") != Some(&Value::Bool(true)) {
        return Err(Failure::invalid("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
            .param("top_logprobs"));
    }
    let legacy = whole_number(body, "max_tokens", 1, u32::MAX)?;
    let current = whole_number(body, "max_completion_tokens", 1, u32::MAX)?;
    let reasons = ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| model.starts_with(family));
    if legacy.is_some() && reasons && flavour.name == "openai" {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(Failure::invalid(message).param("max_tokens").code("unsupported_parameter"));
    }
    if legacy.is_some() && current.is_some() {
        return Err(Failure::invalid(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        )
        .code("invalid_parameter_combination"));
    }
    ask.max_tokens = current.or(legacy);
    Ok(())
}

fn messages(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let messages = match body.get("messages") {
        None | Some(Value::Null) => {
            return Err(Failure::invalid("Missing required parameter: 'messages'.")
                .param("messages")
                .code("missing_required_parameter"));
        }
        Some(Value::Array(messages)) if messages.is_empty() => {
            let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
            return Err(Failure::invalid(message).param("messages").code("empty_array"));
        }
        Some(Value::Array(messages)) => messages,
        Some(other) => {
            let message = format!(
                "Invalid type for 'messages': expected an array of objects, but got {} instead.",
                a_kind(other)
            );
            return Err(Failure::invalid(message).param("messages").code("invalid_type"));
        }
    };
    // Ids of tool calls that still lack their answer.
    let mut open: Vec<&str> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let at = format!("messages[{place}]");
        let role = message.get("role").and_then(Value::as_str).ok_or_else(|| {
            Failure::invalid(format!("Missing required parameter: '{at}.role'."))
                .param(format!("{at}.role"))
                .code("missing_required_parameter")
        })?;
        if !ROLES.contains(&role) {
            let message = format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            );
            return Err(Failure::invalid(message).param(format!("{at}.role")).code("invalid_value"));
        }
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str).ok_or_else(|| {
                Failure::invalid(
                    "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.",
                )
                .param(format!("{at}.tool_call_id"))
            })?;
            let Some(found) = open.iter().position(|known| *known == id) else {
                let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                return Err(Failure::invalid(message).param(format!("{at}.role")));
            };
            open.swap_remove(found);
        } else if !open.is_empty() {
            return Err(unanswered(&open));
        }
        ask.turn(role);
        let mut text = String::new();
        content(message.get("content"), role, &at, ask, &mut text)?;
        let calls = message.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if message.get("content").is_none_or(Value::is_null)
            && (role != "assistant"
                || (calls.is_empty() && message.get("refusal").is_none() && message.get("function_call").is_none()))
        {
            let message = "Invalid value for 'content': expected a string, got null.";
            return Err(Failure::invalid(message).param(format!("{at}.content")));
        }
        for call in calls {
            let function = call.get("function");
            let part = |name: &str| function.and_then(|function| function.get(name)).and_then(Value::as_str);
            let (Some(id), Some(name), Some(arguments)) =
                (call.get("id").and_then(Value::as_str), part("name"), part("arguments"))
            else {
                let message = format!("Missing required parameter in '{at}.tool_calls'.");
                return Err(Failure::invalid(message)
                    .param(format!("{at}.tool_calls"))
                    .code("missing_required_parameter"));
            };
            ask.read(name);
            ask.read(arguments);
            open.push(id);
        }
        match role {
            "system" | "developer" => {
                ask.system.push_str(&text);
                ask.system.push('\n');
            }
            "user" => ask.prompt = text,
            "tool" | "function" => {
                let earlier = ask.tool_result.take().map(|earlier| format!("{earlier}; ")).unwrap_or_default();
                ask.tool_result = Some(earlier + &text);
                continue;
            }
            _ => {}
        }
        ask.tool_result = None;
    }
    if open.is_empty() { Ok(()) } else { Err(unanswered(&open)) }
}

fn unanswered(open: &[&str]) -> Failure {
    Failure::invalid(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    ))
    .param("messages")
}

fn content(content: Option<&Value>, role: &str, at: &str, ask: &mut Ask, text: &mut String) -> Result<(), Failure> {
    match content {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(said)) => {
            ask.read(said);
            text.push_str(said);
            Ok(())
        }
        Some(Value::Array(parts)) if !parts.is_empty() => parts
            .iter()
            .enumerate()
            .try_for_each(|(place, part)| content_part(part, role, &format!("{at}.content[{place}]"), ask, text)),
        Some(other) => {
            let message = format!(
                "Invalid type for '{at}.content': expected one of a string or array of objects, but got {} instead.",
                a_kind(other)
            );
            Err(Failure::invalid(message).param(format!("{at}.content")).code("invalid_type"))
        }
    }
}

fn content_part(part: &Value, role: &str, at: &str, ask: &mut Ask, text: &mut String) -> Result<(), Failure> {
    let missing = |name: &str| {
        let param = format!("{at}.{name}");
        Failure::invalid(format!("Missing required parameter: '{param}'."))
            .param(param)
            .code("missing_required_parameter")
    };
    match part.get("type").and_then(Value::as_str) {
        Some("text" | "refusal") => {
            let said =
                part.get("text").or(part.get("refusal")).and_then(Value::as_str).ok_or_else(|| missing("text"))?;
            ask.read(said);
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(said);
        }
        Some("image_url") if role == "user" => {
            let url = part.pointer("/image_url/url").and_then(Value::as_str).ok_or_else(|| missing("image_url.url"))?;
            if !(url.starts_with("https://") || url.starts_with("http://") || url.starts_with("data:image/")) {
                let message = format!(
                    "Invalid '{at}.image_url.url'. Expected a valid URL, but got a value with an invalid format."
                );
                return Err(Failure::invalid(message).param(format!("{at}.image_url.url")).code("invalid_value"));
            }
            ask.see(if part.pointer("/image_url/detail").and_then(Value::as_str) == Some("low") {
                SMALL_PICTURE
            } else {
                PICTURE
            });
        }
        Some("input_audio" | "file") if role == "user" => ask.attach(ATTACHMENT),
        Some("thinking") if role == "assistant" => {}
        Some(other) => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', 'audio', and 'file'."
            );
            return Err(Failure::invalid(message).param(format!("{at}.type")).code("invalid_value"));
        }
        None => return Err(missing("type")),
    }
    Ok(())
}

fn tools(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let tools = match body.get("tools") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(tools)) if !tools.is_empty() => tools,
        Some(Value::Array(_)) => {
            let message = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.";
            return Err(Failure::invalid(message).param("tools").code("empty_array"));
        }
        Some(other) => {
            let message =
                format!("Invalid type for 'tools': expected an array of objects, but got {} instead.", a_kind(other));
            return Err(Failure::invalid(message).param("tools").code("invalid_type"));
        }
    };
    for (place, tool) in tools.iter().enumerate() {
        if tool.get("type").and_then(Value::as_str) != Some("function") {
            let message = "Invalid value. Supported values are: 'function' and 'custom'.";
            return Err(Failure::invalid(message).param(format!("tools[{place}].type")).code("invalid_value"));
        }
        let param = format!("tools[{place}].function.name");
        let name = tool.pointer("/function/name").and_then(Value::as_str).ok_or_else(|| {
            Failure::invalid(format!("Missing required parameter: '{param}'."))
                .param(param.clone())
                .code("missing_required_parameter")
        })?;
        if name.is_empty()
            || name.len() > 64
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        {
            let message = format!(
                "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            );
            return Err(Failure::invalid(message).param(param).code("invalid_value"));
        }
        let schema = tool
            .pointer("/function/parameters")
            .cloned()
            .unwrap_or_else(|| serde_json::json!({"type": "object", "properties": {}}));
        if schema.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "object") {
            let message =
                format!("Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'.");
            return Err(Failure::invalid(message)
                .param(format!("tools[{place}].function.parameters"))
                .code("invalid_function_parameters"));
        }
        ask.offer(name, schema);
    }
    ask.one_call = body.get("parallel_tool_calls") == Some(&Value::Bool(false));
    let choice = match body.get("tool_choice") {
        None | Some(Value::Null) => return Ok(()),
        Some(_) if ask.tools.is_empty() => {
            return Err(Failure::invalid(
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            )
            .param("tool_choice"));
        }
        Some(choice) => choice,
    };
    ask.tool_choice = match (choice.as_str(), choice.pointer("/function/name").and_then(Value::as_str)) {
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("none"), _) => ToolChoice::None,
        (Some("required" | "any"), _) => ToolChoice::Required,
        (None, Some(name)) if ask.tools.iter().any(|tool| tool.name == name) => {
            ToolChoice::Named(vec![name.to_owned()])
        }
        (None, Some(name)) => {
            return Err(
                Failure::invalid(format!("Tool choice '{name}' not found in 'tools' parameter.")).param("tool_choice")
            );
        }
        _ => {
            let message = "Invalid value for 'tool_choice'. Supported values are: 'none', 'auto', and 'required'.";
            return Err(Failure::invalid(message).param("tool_choice").code("invalid_value"));
        }
    };
    Ok(())
}

fn format(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let Some(wish) = body.get("response_format").filter(|wish| !wish.is_null()) else { return Ok(()) };
    ask.format = match wish.get("type").and_then(Value::as_str) {
        Some("text") => Format::Text,
        Some("json_object") => {
            if !body["messages"].to_string().to_lowercase().contains("json") {
                let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
                return Err(Failure::invalid(message).param("messages"));
            }
            Format::Json
        }
        Some("json_schema") => {
            let missing = |name: &str| {
                let param = format!("response_format.json_schema{name}");
                Failure::invalid(format!("Missing required parameter: '{param}'."))
                    .param(param)
                    .code("missing_required_parameter")
            };
            let described = wish.get("json_schema").ok_or_else(|| missing(""))?;
            described.get("name").and_then(Value::as_str).ok_or_else(|| missing(".name"))?;
            Format::Schema(described.get("schema").cloned().ok_or_else(|| missing(".schema"))?)
        }
        _ => {
            let message = "Invalid value for 'response_format.type'. Supported values are: 'json_object', 'json_schema', and 'text'.";
            return Err(Failure::invalid(message).param("response_format.type").code("invalid_value"));
        }
    };
    Ok(())
}

fn stops(body: &Value) -> Result<Vec<String>, Failure> {
    match body.get("stop") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop.clone()]),
        Some(Value::Array(stops)) if stops.len() > 4 => {
            let message = format!(
                "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length {} instead.",
                stops.len()
            );
            Err(Failure::invalid(message).param("stop").code("array_above_max_length"))
        }
        Some(Value::Array(stops)) if stops.iter().all(Value::is_string) => {
            Ok(stops.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(_) => Err(Failure::invalid("Invalid type for 'stop': expected a string or an array of strings.")
            .param("stop")
            .code("invalid_type")),
    }
}

/// Reasoning is asked for with an effort, or with the switches of the other hosts.
fn reasoning(body: &Value) -> Result<u32, Failure> {
    let effort = body.get("reasoning_effort").or(body.pointer("/reasoning/effort"));
    let enabled = body.pointer("/thinking/type").and_then(Value::as_str) == Some("enabled")
        || body.pointer("/reasoning/enabled") == Some(&Value::Bool(true));
    match effort.and_then(Value::as_str) {
        None if effort.is_none_or(Value::is_null) => Ok(if enabled { 128 } else { 0 }),
        Some("none") => Ok(0),
        Some("minimal") => Ok(16),
        Some("low") => Ok(64),
        Some("medium" | "default") => Ok(128),
        Some("high") => Ok(256),
        Some("xhigh" | "max") => Ok(512),
        _ => {
            let message = "Invalid value for 'reasoning_effort'. Supported values are: 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'.";
            Err(Failure::invalid(message).param("reasoning_effort").code("invalid_value"))
        }
    }
}

fn range(body: &Value, name: &str, low: f64, high: f64) -> Result<(), Failure> {
    let bound = |word: &str, limit: f64, code| {
        let message = format!(
            "Invalid '{name}': decimal {word} value. Expected a value {} {limit}, but got {} instead.",
            if word == "above maximum" { "<=" } else { ">=" },
            body[name]
        );
        Err(Failure::invalid(message).param(name).code(code))
    };
    match body.get(name) {
        None | Some(Value::Null) => Ok(()),
        Some(value) => match value.as_f64() {
            None => Err(Failure::invalid(format!(
                "Invalid type for '{name}': expected a decimal, but got {} instead.",
                a_kind(value)
            ))
            .param(name)
            .code("invalid_type")),
            Some(number) if number > high => bound("above maximum", high, "decimal_above_max_value"),
            Some(number) if number < low => bound("below minimum", low, "decimal_below_min_value"),
            Some(_) => Ok(()),
        },
    }
}

fn whole_number(body: &Value, name: &str, low: u32, high: u32) -> Result<Option<u32>, Failure> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match (value.as_i64(), value.as_u64().and_then(|number| u32::try_from(number).ok())) {
            (_, Some(number)) if (low..=high).contains(&number) => Ok(Some(number)),
            (Some(number), _) if number < i64::from(low) => {
                let message = format!(
                    "Invalid '{name}': integer below minimum value. Expected a value >= {low}, but got {number} instead."
                );
                Err(Failure::invalid(message).param(name).code("integer_below_min_value"))
            }
            (Some(number), _) => {
                let message = format!(
                    "Invalid '{name}': integer above maximum value. Expected a value <= {high}, but got {number} instead."
                );
                Err(Failure::invalid(message).param(name).code("integer_above_max_value"))
            }
            _ => Err(Failure::invalid(format!(
                "Invalid type for '{name}': expected an integer, but got {} instead.",
                a_kind(value)
            ))
            .param(name)
            .code("invalid_type")),
        },
    }
}

fn a_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
