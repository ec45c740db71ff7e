//! Writes a `generateContent` request.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::providers::{
    ChatInput, ProviderError, Target,
    chat::{ChatRequest, Message, Part, ResponseFormat, ToolCall, ToolChoice},
    names::{self, Rule},
    openai,
    turns::{self, PLACEHOLDER, Turns},
    wire,
};

const NAMES: Rule = Rule { max: 64, starts_with_letter: true };

/// Models from version 3 on want the signature of the thought that led to a call. OpenAI's format cannot carry it; Google
/// documents this value for calls that come from elsewhere.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The body, and the caller's parameters that had to be left out.
pub fn body(target: &Target, input: &ChatInput) -> Result<(Map<String, Value>, Vec<&'static str>), ProviderError> {
    let request = input.typed()?;
    let mut dropped = input.original().map(|body| openai::body::unread(body)).unwrap_or_default();
    let mut body = Map::new();
    let system = turns::system_texts(&request.messages)?;
    if !system.is_empty() {
        let parts: Value = system.into_iter().map(|text| json!({"text": text})).collect();
        body.insert("systemInstruction".into(), json!({"parts": parts}));
    }
    body.insert("contents".into(), contents(&request, version(&target.model))?);
    tools(target, &request, &mut body, &mut dropped)?;
    let config = generation_config(target, &request, &mut dropped);
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    Ok((body, dropped))
}

/// Major and minor version of a model's name; names without one are those of the newest (`gemini-flash-latest`).
fn version(model: &str) -> (u32, u32) {
    let number = model.split("gemini-").nth(1).and_then(|rest| rest.split('-').next()).unwrap_or_default();
    let mut parts = number.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        (Some(Ok(major)), _) => (major, 0),
        _ => (u32::MAX, 0),
    }
}

fn contents(request: &ChatRequest, version: (u32, u32)) -> Result<Value, ProviderError> {
    let mut turns = Turns::default();
    let mut names: HashMap<&str, &str> = HashMap::new();
    for message in &request.messages {
        match message {
            Message::System(_) => {}
            Message::User(content) => {
                let mut parts = parts(content)?;
                if !content.iter().any(|part| matches!(part, Part::Text(_))) {
                    parts.push(json!({"text": " "}));
                }
                turns.add("user", parts);
            }
            Message::Assistant { content, tool_calls } => {
                let mut parts = parts(content)?;
                for (index, call) in tool_calls.iter().enumerate() {
                    names.insert(&call.id, &call.name);
                    parts.push(function_call(call, index == 0 && version.0 >= 3)?);
                }
                turns.add("model", parts);
            }
            Message::Tool { call_id, content } => {
                let Some(name) = names.get(call_id.as_str()) else {
                    return Err(turns::invalid(format!("no tool call before has the id {call_id:?}")));
                };
                turns.add("user", function_response(call_id, name, content)?);
            }
        }
    }
    turns.begin_with_user(json!({"text": PLACEHOLDER}));
    Ok(turns.0.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect())
}

fn function_call(call: &ToolCall, signed: bool) -> Result<Value, ProviderError> {
    let mut part = json!({"functionCall": {
        "id": call.id, "name": names::encode(&call.name, NAMES)?, "args": turns::arguments(call)}});
    if signed {
        part["thoughtSignature"] = NO_SIGNATURE.into();
    }
    Ok(part)
}

/// The result as an object, which Gemini wants, and behind it what is not text.
fn function_response(id: &str, name: &str, content: &[Part]) -> Result<Vec<Value>, ProviderError> {
    let (text, rest): (Vec<_>, Vec<_>) = content.iter().cloned().partition(|part| matches!(part, Part::Text(_)));
    let text = turns::texts(&text, "tool results")?;
    let response = match serde_json::from_str(&text) {
        Ok(Value::Object(map)) => Value::Object(map),
        _ => json!({"result": text}),
    };
    let name = names::encode(name, NAMES)?;
    let mut all = vec![json!({"functionResponse": {"id": id, "name": name, "response": response}})];
    all.extend(parts(&rest)?);
    Ok(all)
}

fn parts(content: &[Part]) -> Result<Vec<Value>, ProviderError> {
    content
        .iter()
        .map(|part| match part {
            Part::Text(text) => Ok(json!({"text": text})),
            Part::Image { url, .. } if !url.starts_with("data:") => {
                let mut file = json!({"fileUri": url});
                if let Some(kind) = kind_of(url) {
                    file["mimeType"] = kind.into();
                }
                Ok(json!({"fileData": file}))
            }
            Part::Image { url: data, .. } | Part::File { data, .. } => {
                let (kind, data) = wire::data_url(data).ok_or_else(|| turns::invalid("a data: URL must be base64"))?;
                Ok(json!({"inlineData": {"mimeType": kind, "data": data}}))
            }
            Part::Audio { data, format } => {
                Ok(json!({"inlineData": {"mimeType": format!("audio/{format}"), "data": data}}))
            }
        })
        .collect()
}

/// The media type that an address' ending promises.
fn kind_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    Some(match path.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

fn tools(
    target: &Target,
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<&'static str>,
) -> Result<(), ProviderError> {
    if request.tools.is_empty() {
        return Ok(());
    }
    let mut declarations = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        let mut declaration = json!({"name": names::encode(&tool.name, NAMES)?});
        if let Some(description) = &tool.description {
            declaration["description"] = json!(description);
        }
        if let Some(parameters) = &tool.parameters {
            declaration["parametersJsonSchema"] = parameters.clone();
        }
        declarations.push(declaration);
    }
    body.insert("tools".into(), json!([{"functionDeclarations": declarations}]));
    let config = match &request.tool_choice {
        None => None,
        Some(ToolChoice::Required | ToolChoice::Function(_)) if target.lacks("forced_tool_use") => {
            dropped.push("tool_choice");
            None
        }
        Some(ToolChoice::Auto) => Some(json!({"mode": "AUTO"})),
        Some(ToolChoice::None) => Some(json!({"mode": "NONE"})),
        Some(ToolChoice::Required) => Some(json!({"mode": "ANY"})),
        Some(ToolChoice::Function(name)) => {
            Some(json!({"mode": "ANY", "allowedFunctionNames": [names::encode(name, NAMES)?]}))
        }
    };
    if let Some(config) = config {
        body.insert("toolConfig".into(), json!({"functionCallingConfig": config}));
    }
    if request.params.parallel_tool_calls == Some(false) {
        dropped.push("parallel_tool_calls");
    }
    Ok(())
}

fn generation_config(target: &Target, request: &ChatRequest, dropped: &mut Vec<&'static str>) -> Map<String, Value> {
    let params = &request.params;
    let mut config = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(key.to_owned(), value);
        }
    };
    if target.lacks("sampling_params") {
        let given = [
            ("temperature", params.temperature.is_some_and(|t| t != 1.0)),
            ("top_p", params.top_p.is_some_and(|p| p < 1.0)),
            ("top_k", params.top_k.is_some()),
        ];
        dropped.extend(given.into_iter().filter(|(_, is)| *is).map(|(key, _)| key));
    } else {
        put("temperature", params.temperature.map(Value::from));
        put("topP", params.top_p.map(Value::from));
        put("topK", params.top_k.map(Value::from));
    }
    put("maxOutputTokens", params.max_tokens.map(Value::from));
    put("candidateCount", params.n.map(Value::from));
    put("stopSequences", (!params.stop.is_empty()).then(|| params.stop.clone().into()));
    let seed = params.seed.map(i32::try_from);
    put("seed", seed.and_then(Result::ok).map(Value::from));
    put("presencePenalty", params.presence_penalty.map(Value::from));
    put("frequencyPenalty", params.frequency_penalty.map(Value::from));
    match &request.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonObject) => put("responseMimeType", Some("application/json".into())),
        Some(ResponseFormat::JsonSchema { schema, .. }) => {
            put("responseMimeType", Some("application/json".into()));
            put("responseJsonSchema", Some(schema.clone()));
        }
    }
    if let Some(effort) = params.reasoning_effort.as_deref() {
        let thinking = thinking(target, effort);
        if thinking.is_none() {
            dropped.push("reasoning_effort");
        }
        put("thinkingConfig", thinking);
    }
    if matches!(seed, Some(Err(_))) {
        dropped.push("seed");
    }
    if params.user.is_some() {
        dropped.push("user");
    }
    config
}

/// Version 2.5 takes a budget in tokens, later ones a level; earlier ones do not think.
fn thinking(target: &Target, effort: &str) -> Option<Value> {
    let version = version(&target.model);
    if version < (2, 5) || target.lacks("reasoning") {
        return None;
    }
    let off = matches!(effort, "none" | "disable");
    if version < (3, 0) {
        let budget = match effort {
            // Only the larger model cannot stop thinking.
            "none" | "disable" if target.model.contains("pro") => 128,
            "none" | "disable" => 0,
            "minimal" => 512,
            "low" => 1_024,
            "medium" => 2_048,
            "high" => 4_096,
            "xhigh" => 8_192,
            "max" => 16_384,
            _ => return None,
        };
        return Some(json!({"thinkingBudget": budget, "includeThoughts": !off}));
    }
    let level = match effort {
        "none" | "disable" | "minimal" if !target.lacks("minimal_reasoning_effort") => "minimal",
        "none" | "disable" | "minimal" | "low" => "low",
        "medium" => "medium",
        "high" | "xhigh" | "max" => "high",
        _ => return None,
    };
    Some(json!({"thinkingLevel": level, "includeThoughts": !off}))
}
