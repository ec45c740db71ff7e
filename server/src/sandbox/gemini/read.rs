//! Reads and validates a generateContent request, with Google's words for what is wrong.

use serde_json::{Map, Value, json};

use crate::sandbox::answer::{Ask, Format, ToolChoice};
use crate::sandbox::dialect::Failure;

const KNOWN: &[&str] = &[
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "labels",
];
const KNOWN_CONFIG: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "imageConfig",
    "thinkingConfig",
    "speechConfig",
    "mediaResolution",
    "enableEnhancedCivicAnswers",
];
/// Objects whose keys belong to the caller and stay as they are.
const FREE: &[&str] = &[
    "args",
    "response",
    "parameters",
    "parametersJsonSchema",
    "responseSchema",
    "responseJsonSchema",
    "labels",
    "properties",
];
const PICTURE: u32 = 258;

pub(super) fn read(model: &str, body: &Value) -> Result<Ask, Failure> {
    let body = camel(body);
    let object =
        body.as_object().ok_or_else(|| Failure::invalid("Invalid JSON payload received. Expected an object."))?;
    known(object, KNOWN, "")?;
    let mut ask = Ask::default();
    tools(&body, &mut ask)?;
    if let Some(system) = body.get("systemInstruction").filter(|system| !system.is_null()) {
        ask.turn("system");
        for part in parts(system, "system_instruction")? {
            let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
            ask.read(text);
            ask.system.push_str(text);
        }
    }
    contents(&body, &mut ask)?;
    config(model, &body, &mut ask)?;
    Ok(ask)
}

fn contents(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let contents = body.get("contents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if contents.is_empty() {
        return Err(Failure::invalid("* GenerateContentRequest.contents: contents is not specified\n"));
    }
    // Function calls of the turn before that still lack their response.
    let mut open = 0_usize;
    for (place, content) in contents.iter().enumerate() {
        let role = content.get("role").and_then(Value::as_str).unwrap_or("user");
        if !matches!(role, "user" | "model" | "function") {
            return Err(Failure::invalid("Please use a valid role: user, model."));
        }
        ask.turn(role);
        let (mut text, mut results, mut calls) = (String::new(), Vec::new(), 0_usize);
        for (number, part) in parts(content, &format!("contents[{place}]"))?.iter().enumerate() {
            let at = format!("contents[{place}].parts[{number}]");
            match read_part(part, ask) {
                Some(Part::Text(said)) => text.push_str(said),
                Some(Part::Call) => calls += 1,
                Some(Part::Result(said)) => results.push(said),
                Some(Part::Other) => {}
                None => {
                    let message = format!(
                        "* GenerateContentRequest.{at}.data: required oneof field 'data' must have one initialized field\n"
                    );
                    return Err(Failure::invalid(message));
                }
            }
        }
        if results.len() != open {
            return Err(Failure::invalid(
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
            ));
        }
        open = calls;
        if role != "model" {
            ask.tool_result = (!results.is_empty()).then(|| results.join("; "));
            if !text.is_empty() {
                ask.prompt = text;
            }
        }
    }
    Ok(())
}

enum Part<'a> {
    Text(&'a str),
    Call,
    Result(String),
    Other,
}

fn read_part<'a>(part: &'a Value, ask: &mut Ask) -> Option<Part<'a>> {
    if let Some(text) = part.get("text").and_then(Value::as_str) {
        ask.read(text);
        return Some(if part.get("thought") == Some(&Value::Bool(true)) { Part::Other } else { Part::Text(text) });
    }
    if let Some(data) = part.get("inlineData").or_else(|| part.get("fileData")) {
        let kind = data.get("mimeType").and_then(Value::as_str).unwrap_or_default();
        if kind.starts_with("image/") {
            ask.see(PICTURE)
        } else {
            ask.attach(PICTURE)
        }
        return Some(Part::Other);
    }
    if let Some(call) = part.get("functionCall") {
        ask.read(call.get("name")?.as_str()?);
        ask.read(&call.get("args").unwrap_or(&json!({})).to_string());
        return Some(Part::Call);
    }
    if let Some(result) = part.get("functionResponse") {
        result.get("name")?.as_str()?;
        let response = result.get("response")?;
        ask.read(&response.to_string());
        return Some(Part::Result(plain(response)));
    }
    (part.get("executableCode").is_some() || part.get("codeExecutionResult").is_some()).then_some(Part::Other)
}

/// A tool's response in words: the text where it is one, the whole object otherwise.
fn plain(response: &Value) -> String {
    let only = response.as_object().filter(|object| object.len() == 1).and_then(|object| object.values().next());
    only.and_then(Value::as_str).map_or_else(|| response.to_string(), str::to_owned)
}

fn parts<'a>(content: &'a Value, at: &str) -> Result<&'a [Value], Failure> {
    match content.get("parts").and_then(Value::as_array) {
        Some(parts) if !parts.is_empty() => Ok(parts),
        _ => Err(Failure::invalid(format!("* GenerateContentRequest.{at}.parts: contents.parts must not be empty.\n"))),
    }
}

fn tools(body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let declared = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    for function in declared.filter_map(|tool| tool.get("functionDeclarations")?.as_array()).flatten() {
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        if name.is_empty()
            || name.len() > 128
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.bytes().all(allowed)
        {
            return Err(Failure::invalid(
                "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.",
            ));
        }
        let schema = function.get("parameters").or_else(|| function.get("parametersJsonSchema"));
        ask.offer(name, schema.cloned().unwrap_or_else(|| json!({"type": "object"})));
    }
    let Some(config) = body.pointer("/toolConfig/functionCallingConfig") else { return Ok(()) };
    let names: Vec<String> = strings(config.get("allowedFunctionNames"));
    ask.tool_choice = match config.get("mode").and_then(Value::as_str) {
        None | Some("AUTO" | "MODE_UNSPECIFIED") if names.is_empty() => ToolChoice::Auto,
        Some("NONE") => ToolChoice::None,
        Some("VALIDATED") => ToolChoice::Auto,
        Some("ANY") if names.is_empty() => ToolChoice::Required,
        Some("ANY") => ToolChoice::Named(names),
        Some("AUTO") | None => {
            return Err(Failure::invalid(
                "Function calling config: allowed_function_names should be set only when mode is ANY or VALIDATED.",
            ));
        }
        Some(other) => {
            let message = format!("Invalid value at 'tool_config.function_calling_config.mode', \"{other}\"");
            return Err(Failure::invalid(message));
        }
    };
    Ok(())
}

fn config(model: &str, body: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let Some(config) = body.get("generationConfig").filter(|config| !config.is_null()) else { return Ok(()) };
    let object = config
        .as_object()
        .ok_or_else(|| Failure::invalid("Invalid value at 'generation_config', expected an object."))?;
    known(object, KNOWN_CONFIG, " at 'generation_config'")?;
    let number = |name: &str| config.get(name).and_then(Value::as_f64);
    if number("temperature").is_some_and(|value| !(0.0..=2.0).contains(&value)) {
        return Err(Failure::invalid(
            "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n",
        ));
    }
    if number("topP").is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return Err(Failure::invalid(
            "* GenerateContentRequest.generation_config.top_p: top_p must be in the range [0.0, 1.0].\n",
        ));
    }
    if model.starts_with("gemini-3.8") && ["temperature", "topP", "topK"].iter().any(|name| config.get(name).is_some())
    {
        return Err(Failure::invalid("This model does not support sampling parameters."));
    }
    let whole = |name: &str, low: u64, high: u64| match config.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => match value.as_u64().filter(|value| (low..=high).contains(value)) {
            Some(value) => Ok(Some(u32::try_from(value).unwrap_or(u32::MAX))),
            None => Err(Failure::invalid(format!(
                "* GenerateContentRequest.generation_config.{name}: value must be in the range [{low}, {high}].\n"
            ))),
        },
    };
    ask.choices = whole("candidateCount", 1, 8)?.unwrap_or(1);
    ask.max_tokens = whole("maxOutputTokens", 1, u64::from(u32::MAX))?;
    ask.seed = config.get("seed").and_then(Value::as_i64).unwrap_or(0);
    ask.stops = strings(config.get("stopSequences"));
    if ask.stops.len() > 5 {
        return Err(Failure::invalid(
            "* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences are allowed.\n",
        ));
    }
    let schema = config.get("responseSchema").or_else(|| config.get("responseJsonSchema"));
    ask.format = match (config.get("responseMimeType").and_then(Value::as_str), schema) {
        (Some("application/json" | "text/x.enum"), Some(schema)) => Format::Schema(schema.clone()),
        (Some("application/json"), None) => Format::Json,
        (None | Some("text/plain"), None) => Format::Text,
        _ => {
            return Err(Failure::invalid(
                "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, `text/x.enum`; a response schema needs `application/json`.\n",
            ));
        }
    };
    thinking(config, ask)
}

fn thinking(config: &Value, ask: &mut Ask) -> Result<(), Failure> {
    let Some(thinking) = config.get("thinkingConfig").filter(|thinking| !thinking.is_null()) else { return Ok(()) };
    ask.show_reasoning = thinking.get("includeThoughts") == Some(&Value::Bool(true));
    let budget = thinking.get("thinkingBudget").and_then(Value::as_i64);
    let level = thinking.get("thinkingLevel").and_then(Value::as_str).map(str::to_uppercase);
    ask.reasoning = match (budget, level.as_deref()) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid("You can only set only one of thinking budget and thinking level."));
        }
        (Some(0), _) => 0,
        (Some(budget), _) => u32::try_from(budget).map_or(128, |budget| (budget / 16).clamp(1, 512)),
        (None, Some("MINIMAL")) => 16,
        (None, Some("LOW")) => 64,
        (None, Some("HIGH")) => 256,
        (None, Some("MEDIUM" | "THINKING_LEVEL_UNSPECIFIED")) => 128,
        (None, Some(other)) => {
            let message = format!("Invalid value at 'generation_config.thinking_config.thinking_level', \"{other}\"");
            return Err(Failure::invalid(message));
        }
        (None, None) => {
            if ask.show_reasoning {
                128
            } else {
                0
            }
        }
    };
    Ok(())
}

fn known(object: &Map<String, Value>, names: &[&str], at: &str) -> Result<(), Failure> {
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let message = format!("Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field.");
            Err(Failure::invalid(message))
        }
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The body with camel-case names: the API takes both spellings.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(name, value)| {
                    let name = camel_name(name);
                    let value = if FREE.contains(&name.as_str()) { value.clone() } else { camel(value) };
                    (name, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(camel).collect()),
        other => other.clone(),
    }
}

fn camel_name(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}
