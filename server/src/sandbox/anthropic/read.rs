//! Reads and validates a messages request, with Anthropic's words for what is wrong.

use serde_json::Value;

use crate::sandbox::answer::{Ask, CacheWish, Format, ToolChoice};
use crate::sandbox::dialect::Failure;

const KNOWN: &[&str] = &[
    "cache_control",
    "container",
    "context_management",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
/// Models that take no sampling parameters and no started answer.
const NEWER: &[&str] = &["claude-fable-5", "claude-opus-5", "claude-sonnet-5", "claude-haiku-5"];
/// Models that cannot be forced to use a tool.
const UNFORCED: &[&str] = &["claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5"];
/// Tokens of a picture and of a document.
const PICTURE: u32 = 1600;
const DOCUMENT: u32 = 3000;
const LEAST_THINKING: u64 = 1024;

/// Reads a request; a count needs no `max_tokens`.
pub(super) fn read(body: &Value, counting: bool) -> Result<Ask, Failure> {
    let object = body.as_object().ok_or_else(|| Failure::invalid("Input should be a valid dictionary"))?;
    if let Some(unknown) = object.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(Failure::invalid(format!("{unknown}: Extra inputs are not permitted")));
    }
    let model = match body.get("model") {
        None => return Err(Failure::invalid("model: Field required")),
        Some(Value::String(model)) if !model.is_empty() => model.as_str(),
        Some(_) => return Err(Failure::invalid("model: Input should be a valid string")),
    };
    let mut ask = Ask::default();
    ask.show_reasoning = true;
    ask.cache = CacheWish::Unmarked;
    ask.max_tokens = match body.get("max_tokens") {
        None if counting => None,
        None => return Err(Failure::invalid("max_tokens: Field required")),
        Some(limit) => match limit.as_i64() {
            Some(limit) if limit < 1 => {
                return Err(Failure::invalid("max_tokens: Input should be greater than or equal to 1"));
            }
            Some(limit) => Some(u32::try_from(limit).unwrap_or(u32::MAX)),
            None => return Err(Failure::invalid("max_tokens: Input should be a valid integer")),
        },
    };
    sampling(model, body)?;
    tools(body, &mut ask)?;
    system(body, &mut ask)?;
    messages(model, body, &mut ask)?;
    thinking(model, body, &mut ask)?;
    stops(body, &mut ask)?;
    if let Some(format) = body.pointer("/output_config/format").or_else(|| body.get("output_format")) {
        match (format.get("type").and_then(Value::as_str), format.get("schema")) {
            (Some("json_schema"), Some(schema)) => ask.format = Format::Schema(schema.clone()),
            (Some("json_schema"), None) => {
                return Err(Failure::invalid("output_config.format.schema: Field required"));
            }
            _ => return Err(Failure::invalid("output_config.format.type: Input should be 'json_schema'")),
        }
    }
    ask.stream = body.get("stream") == Some(&Value::Bool(true));
    if let Some(mark) = body.get("cache_control").filter(|mark| !mark.is_null()) {
        ask.cache = marked(&ask, mark);
    }
    Ok(ask)
}

fn sampling(model: &str, body: &Value) -> Result<(), Failure> {
    for name in ["temperature", "top_p"] {
        match body.get(name).filter(|value| !value.is_null()).map(Value::as_f64) {
            None => {}
            Some(None) => return Err(Failure::invalid(format!("{name}: Input should be a valid number"))),
            Some(Some(value)) if !(0.0..=1.0).contains(&value) => {
                let side = if value > 1.0 { "less than or equal to 1" } else { "greater than or equal to 0" };
                return Err(Failure::invalid(format!("{name}: Input should be {side}")));
            }
            Some(Some(_)) => {}
        }
    }
    if is(model, NEWER) {
        for name in ["temperature", "top_p", "top_k"] {
            let given = body.get(name).filter(|value| !value.is_null());
            if given.is_some_and(|value| name != "temperature" || value.as_f64() != Some(1.0)) {
                return Err(Failure::invalid(format!("{name}: this model does not support sampling parameters")));
            }
        }
    }
    Ok(())
}

fn system(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    match body.get("system") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) => {
            ask.turn("system");
            ask.read(text);
            ask.system.clone_from(text);
            Ok(())
        }
        Some(Value::Array(blocks)) => {
            ask.turn("system");
            for (place, block) in blocks.iter().enumerate() {
                let text = block
                    .get("text")
                    .and_then(Value::as_str)
                    .ok_or_else(|| Failure::invalid(format!("system.{place}: Input should be a valid text block")))?;
                if text.is_empty() {
                    return Err(Failure::invalid("system: text content blocks must be non-empty"));
                }
                ask.read(text);
                ask.system.push_str(text);
                ask.system.push('\n');
                note_mark(ask, block);
            }
            Ok(())
        }
        Some(_) => Err(Failure::invalid("system: Input should be a valid string or list")),
    }
}

fn messages(model: &str, body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let messages = match body.get("messages") {
        None => return Err(Failure::invalid("messages: Field required")),
        Some(Value::Array(messages)) if messages.is_empty() => {
            return Err(Failure::invalid("messages: at least one message is required"));
        }
        Some(Value::Array(messages)) => messages,
        Some(_) => return Err(Failure::invalid("messages: Input should be a valid list")),
    };
    // Tool uses of the turn before that still lack their result.
    let mut open: Vec<&str> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let at = format!("messages.{place}");
        let role = match message.get("role").and_then(Value::as_str) {
            Some(role @ ("user" | "assistant")) => role,
            Some("system") if place > 0 && is(model, NEWER) => "system",
            _ => return Err(Failure::invalid(format!("{at}.role: Input should be 'user' or 'assistant'"))),
        };
        if place == 0 && role != "user" {
            return Err(Failure::invalid("messages: first message must use the \"user\" role"));
        }
        ask.turn(role);
        let last = place + 1 == messages.len();
        let mut turn = Turn { role, at: at.clone(), open: std::mem::take(&mut open), ..Turn::default() };
        match message.get("content") {
            None => return Err(Failure::invalid(format!("{at}.content: Field required"))),
            Some(Value::String(text)) => {
                if text.is_empty() && !(last && role == "assistant") {
                    return Err(Failure::invalid(format!("{at}: user messages must have non-empty content")));
                }
                ask.read(text);
                turn.text.push_str(text);
            }
            Some(Value::Array(blocks)) if blocks.is_empty() && !(last && role == "assistant") => {
                return Err(Failure::invalid(format!("{at}: user messages must have non-empty content")));
            }
            Some(Value::Array(blocks)) => {
                for (place, block) in blocks.iter().enumerate() {
                    turn.block(place, block, ask)?;
                    note_mark(ask, block);
                }
            }
            Some(_) => return Err(Failure::invalid(format!("{at}.content: Input should be a valid string or list"))),
        }
        if role != "system" && !turn.open.is_empty() {
            return Err(Failure::invalid(format!(
                "{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                turn.open.join(", ")
            )));
        }
        if last && role == "assistant" {
            if is(model, NEWER) {
                return Err(Failure::invalid(
                    "This model does not support assistant message prefill. The conversation must end with a user message.",
                ));
            }
            if turn.text.ends_with(char::is_whitespace) {
                return Err(Failure::invalid("messages: final assistant content cannot end with trailing whitespace"));
            }
        }
        open = turn.uses;
        if role == "user" {
            ask.tool_result = (!turn.results.is_empty()).then(|| turn.results.join("; "));
            if !turn.text.is_empty() {
                ask.prompt = turn.text;
            }
        }
    }
    match open.is_empty() {
        true => Ok(()),
        false => Err(Failure::invalid(format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}",
            messages.len() - 1,
            open.join(", ")
        ))),
    }
}

#[derive(Default)]
struct Turn<'a> {
    role: &'a str,
    at: String,
    /// Tool uses to be answered in this turn.
    open: Vec<&'a str>,
    /// Tool uses made in this turn.
    uses: Vec<&'a str>,
    text: String,
    results: Vec<String>,
}

impl<'a> Turn<'a> {
    fn block(&mut self, place: usize, block: &'a Value, ask: &mut Ask) -> Result<(), Failure> {
        let at = format!("{}.content.{place}", self.at);
        let field = |name: &str| block.get(name).and_then(Value::as_str);
        let missing = |name: &str| Failure::invalid(format!("{at}.{name}: Field required"));
        match (field("type"), self.role) {
            (Some("text"), _) => {
                let text = field("text").ok_or_else(|| missing("text.text"))?;
                if text.is_empty() {
                    return Err(Failure::invalid("messages: text content blocks must be non-empty"));
                }
                ask.read(text);
                if !self.text.is_empty() {
                    self.text.push(' ');
                }
                self.text.push_str(text);
            }
            (Some("image"), "user") => {
                picture(&at, block)?;
                ask.see(PICTURE);
            }
            (Some("document"), "user") => {
                block.get("source").ok_or_else(|| missing("document.source"))?;
                ask.attach(DOCUMENT);
            }
            (Some("tool_use"), "assistant") => {
                let id = field("id").ok_or_else(|| missing("tool_use.id"))?;
                ask.read(field("name").ok_or_else(|| missing("tool_use.name"))?);
                let input = block.get("input").ok_or_else(|| missing("tool_use.input"))?;
                if !input.is_object() {
                    return Err(Failure::invalid(format!("{at}.tool_use.input: Input should be a valid dictionary")));
                }
                ask.read(&input.to_string());
                self.uses.push(id);
            }
            (Some("tool_result"), "user") => {
                let id = field("tool_use_id").ok_or_else(|| missing("tool_result.tool_use_id"))?;
                let Some(found) = self.open.iter().position(|open| *open == id) else {
                    return Err(Failure::invalid(format!(
                        "{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                    )));
                };
                self.open.swap_remove(found);
                let said = result_text(block.get("content"));
                ask.read(&said);
                self.results.push(said);
            }
            (Some("thinking"), "assistant") => {
                field("signature").ok_or_else(|| missing("thinking.signature"))?;
                ask.read(field("thinking").ok_or_else(|| missing("thinking.thinking"))?);
            }
            (Some("redacted_thinking"), "assistant") => {}
            (kind, role) => {
                let kind = kind.unwrap_or_default();
                return Err(Failure::invalid(format!(
                    "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags of a {role} message"
                )));
            }
        }
        Ok(())
    }
}

fn picture(at: &str, block: &Value) -> Result<(), Failure> {
    let source = |name: &str| block.pointer(&format!("/source/{name}")).and_then(Value::as_str);
    match (source("type"), source("media_type"), source("data"), source("url"), source("file_id")) {
        (Some("base64"), Some("image/jpeg" | "image/png" | "image/gif" | "image/webp"), Some(_), ..)
        | (Some("url"), _, _, Some(_), _)
        | (Some("file"), _, _, _, Some(_)) => Ok(()),
        (Some("base64"), Some(_), Some(_), ..) => Err(Failure::invalid(format!(
            "{at}.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
        ))),
        _ => Err(Failure::invalid(format!("{at}.image.source: Field required"))),
    }
}

fn result_text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

fn tools(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    for (place, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let at = format!("tools.{place}");
        if tool.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "custom") {
            // A tool that the provider runs itself; nothing of it is simulated.
            continue;
        }
        let name = tool
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| Failure::invalid(format!("{at}.custom.name: Field required")))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
            return Err(Failure::invalid(format!(
                "{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        let schema = tool
            .get("input_schema")
            .ok_or_else(|| Failure::invalid(format!("{at}.custom.input_schema: Field required")))?;
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(Failure::invalid(format!("{at}.custom.input_schema.type: Input should be 'object'")));
        }
        ask.offer(name, schema.clone());
        note_mark(ask, tool);
    }
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else { return Ok(()) };
    if body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Err(Failure::invalid("tool_choice: tool_choice may only be specified while providing tools."));
    }
    ask.one_call = choice.get("disable_parallel_tool_use") == Some(&Value::Bool(true));
    ask.tool_choice = match (choice.get("type").and_then(Value::as_str), choice.get("name").and_then(Value::as_str)) {
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("any"), _) => ToolChoice::Required,
        (Some("none"), _) => ToolChoice::None,
        (Some("tool"), Some(name)) if ask.tools.iter().any(|tool| tool.name == name) => {
            ToolChoice::Named(vec![name.to_owned()])
        }
        (Some("tool"), Some(name)) => {
            return Err(Failure::invalid(format!("tool_choice: Tool '{name}' not found in provided tools")));
        }
        (Some("tool"), None) => return Err(Failure::invalid("tool_choice.tool.name: Field required")),
        _ => {
            return Err(Failure::invalid(
                "tool_choice: Input tag found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
            ));
        }
    };
    Ok(())
}

fn thinking(model: &str, body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let forced = matches!(ask.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    if forced && is(model, UNFORCED) {
        return Err(Failure::invalid("tool_choice: this model does not support forced tool use"));
    }
    let effort = match body.pointer("/output_config/effort").and_then(Value::as_str) {
        Some("low") => 64,
        Some("high") => 256,
        Some("xhigh" | "max") => 512,
        _ => 128,
    };
    ask.reasoning = match body.get("thinking").filter(|thinking| !thinking.is_null()) {
        None => return Ok(()),
        Some(thinking) => match thinking.get("type").and_then(Value::as_str) {
            Some("disabled") => return Ok(()),
            Some("adaptive") => effort,
            Some("enabled") => match thinking.get("budget_tokens").and_then(Value::as_u64) {
                None => return Err(Failure::invalid("thinking.enabled.budget_tokens: Field required")),
                Some(budget) if budget < LEAST_THINKING => {
                    return Err(Failure::invalid(
                        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
                    ));
                }
                Some(budget) if ask.max_tokens.is_some_and(|limit| budget >= u64::from(limit)) => {
                    return Err(Failure::invalid("`max_tokens` must be greater than `thinking.budget_tokens`."));
                }
                // A real model rarely spends its whole budget.
                Some(budget) => u32::try_from(budget / 16).unwrap_or(512).min(512),
            },
            _ => {
                return Err(Failure::invalid(
                    "thinking: Input tag found using 'type' does not match any of the expected tags: 'disabled', 'enabled', 'adaptive'",
                ));
            }
        },
    };
    if forced {
        return Err(Failure::invalid("Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok(())
}

fn stops(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    for (place, stop) in body.get("stop_sequences").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let stop = stop
            .as_str()
            .ok_or_else(|| Failure::invalid(format!("stop_sequences.{place}: Input should be a valid string")))?;
        if stop.trim().is_empty() {
            return Err(Failure::invalid("stop_sequences: each stop sequence must contain non-whitespace"));
        }
        ask.stops.push(stop.to_owned());
    }
    Ok(())
}

/// Everything up to here may be cached when the block is marked.
fn note_mark(ask: &mut Ask, block: &Value) {
    if let Some(mark) = block.get("cache_control").filter(|mark| !mark.is_null()) {
        ask.cache = marked(ask, mark);
    }
}

fn marked(ask: &Ask, mark: &Value) -> CacheWish {
    CacheWish::Marked { bytes: ask.position(), hour: mark.get("ttl").and_then(Value::as_str) == Some("1h") }
}

fn is(model: &str, families: &[&str]) -> bool {
    families.iter().any(|family| model.starts_with(family))
}
