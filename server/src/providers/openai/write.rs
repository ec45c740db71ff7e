//! Writes a chat request in OpenAI's format, with the differences of each provider that speaks it.

use bytes::Bytes;
use memchr::memmem;
use serde_json::{Map, Value, json};

use crate::providers::{
    ChatInput, ErrorClass, ProviderError, Target,
    chat::{ChatRequest, Message, Part, ResponseFormat, ToolCall, ToolChoice},
    wire,
};

/// How a provider's idea of the format differs.
struct Dialect {
    /// Fields that have another name there.
    renames: &'static [(&'static str, &'static str)],
    /// Fields it refuses.
    refuses: &'static [&'static str],
    /// Whether turns may have a `name`.
    turn_names: bool,
    /// Whether a caller's own OpenAI body is adapted too. Where the caller surely wrote it for this provider it is not.
    adapts_callers: bool,
}

impl Dialect {
    fn of(provider: &str) -> Self {
        match provider {
            "openai" => Self {
                renames: &[("max_tokens", "max_completion_tokens")],
                refuses: &["top_k"],
                turn_names: true,
                adapts_callers: false,
            },
            "mistral" => Self {
                renames: &[("seed", "random_seed"), ("max_completion_tokens", "max_tokens")],
                refuses: &[
                    "user",
                    "safety_identifier",
                    "top_k",
                    "stream_options",
                    "logit_bias",
                    "logprobs",
                    "top_logprobs",
                    "store",
                    "service_tier",
                    "verbosity",
                    "prompt_cache_key",
                ],
                turn_names: false,
                adapts_callers: true,
            },
            "groq" => Self {
                renames: &[],
                refuses: &["top_k", "logprobs", "top_logprobs", "logit_bias", "n"],
                turn_names: false,
                adapts_callers: true,
            },
            "deepseek" => Self {
                renames: &[("max_completion_tokens", "max_tokens")],
                refuses: &["top_k", "seed", "n", "parallel_tool_calls"],
                turn_names: true,
                adapts_callers: true,
            },
            "xai" => Self { renames: &[], refuses: &["top_k"], turn_names: true, adapts_callers: false },
            _ => Self { renames: &[], refuses: &[], turn_names: true, adapts_callers: false },
        }
    }

    fn refused<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'static str> + 'a {
        let sampling: &[&'static str] =
            if target.lacks("sampling_params") { &["temperature", "top_p", "top_k"] } else { &[] };
        self.refuses.iter().chain(sampling).copied()
    }

    /// Whether anything of a caller's body has to change. A false alarm (the word occurs in a text) costs time only.
    fn concerns(&self, target: &Target, body: &[u8]) -> bool {
        let has = |key: &str| memmem::find(body, format!("\"{key}\"").as_bytes()).is_some();
        (self.adapts_callers
            && (self.renames.iter().any(|(from, _)| has(from))
                || self.refuses.iter().any(|key| has(key))
                || !self.turn_names && has("name")))
            || target.lacks("sampling_params") && ["temperature", "top_p", "top_k"].into_iter().any(has)
            || target.lacks("minimal_reasoning_effort") && has("reasoning_effort")
    }

    fn apply(&self, target: &Target, body: &mut Map<String, Value>, dropped: &mut Vec<&'static str>) {
        for key in self.refused(target) {
            // What the gateway itself asked for is not the caller's loss.
            if body.remove(key).is_some_and(|value| !value.is_null())
                && key != "stream_options"
                && !dropped.contains(&key)
            {
                dropped.push(key);
            }
        }
        for (from, to) in self.renames {
            if let Some(value) = body.remove(*from) {
                body.entry(*to).or_insert(value);
            }
        }
        if target.lacks("minimal_reasoning_effort")
            && body.get("reasoning_effort").is_some_and(|effort| effort == "minimal")
        {
            body.insert("reasoning_effort".to_owned(), "low".into());
        }
        if !self.turn_names
            && let Some(Value::Array(turns)) = body.get_mut("messages")
        {
            for turn in turns.iter_mut().filter_map(Value::as_object_mut) {
                // The result of a tool call may be named in the original API of every provider.
                if turn.get("role").and_then(Value::as_str) != Some("tool") {
                    turn.remove("name");
                }
            }
        }
    }
}

/// The body to send, and the caller's parameters that had to be left out. The caller's own body is sent as it is when
/// the provider takes everything in it.
pub fn body(target: &Target, input: &ChatInput, stream: bool) -> Result<(Bytes, Vec<&'static str>), ProviderError> {
    let dialect = Dialect::of(&target.provider);
    let mut body = match input.openai_body(&target.model, stream) {
        Some(raw) if input.stream == stream && !dialect.concerns(target, &raw) => return Ok((raw, Vec::new())),
        Some(raw) => {
            let mut body: Map<String, Value> = serde_json::from_slice(&raw)
                .map_err(|e| ProviderError::new(ErrorClass::Invalid, format!("the body is not valid JSON: {e}")))?;
            body.insert("stream".to_owned(), stream.into());
            if !stream {
                body.remove("stream_options");
            }
            body
        }
        None => map(&*input.typed()?, &target.model, stream),
    };
    let mut dropped = Vec::new();
    dialect.apply(target, &mut body, &mut dropped);
    Ok((wire::json(&body)?, dropped))
}

/// A typed request as OpenAI documents it (with the old name `max_tokens`, which most of its imitators know).
fn map(request: &ChatRequest, model: &str, stream: bool) -> Map<String, Value> {
    let params = &request.params;
    let mut body = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    put("model", Some(model.into()));
    put("messages", Some(request.messages.iter().map(message).collect()));
    put("stream", stream.then(|| true.into()));
    put("stream_options", stream.then(|| json!({"include_usage": true})));
    put("max_tokens", params.max_tokens.map(Value::from));
    put("temperature", params.temperature.map(Value::from));
    put("top_p", params.top_p.map(Value::from));
    put("top_k", params.top_k.map(Value::from));
    put("stop", (!params.stop.is_empty()).then(|| params.stop.clone().into()));
    put("seed", params.seed.map(Value::from));
    put("presence_penalty", params.presence_penalty.map(Value::from));
    put("frequency_penalty", params.frequency_penalty.map(Value::from));
    put("n", params.n.map(Value::from));
    put("reasoning_effort", params.reasoning_effort.clone().map(Value::from));
    put("user", params.user.clone().map(Value::from));
    put("tools", (!request.tools.is_empty()).then(|| tools(request)));
    put("parallel_tool_calls", params.parallel_tool_calls.map(Value::from));
    put("tool_choice", request.tool_choice.as_ref().map(tool_choice));
    put("response_format", request.response_format.as_ref().map(response_format));
    body
}

/// The tools of a request in OpenAI's shape, which Cohere shares.
pub fn tools(request: &ChatRequest) -> Value {
    let tool = |tool: &crate::providers::chat::Tool| {
        let mut function = json!({"name": tool.name});
        if let Some(description) = &tool.description {
            function["description"] = json!(description);
        }
        if let Some(parameters) = &tool.parameters {
            function["parameters"] = parameters.clone();
        }
        if let Some(strict) = tool.strict {
            function["strict"] = json!(strict);
        }
        json!({"type": "function", "function": function})
    };
    request.tools.iter().map(tool).collect()
}

/// A conversation in OpenAI's shape, as models with a payload mapping are offered it.
pub fn messages(request: &ChatRequest) -> Value {
    request.messages.iter().map(message).collect()
}

fn message(message: &Message) -> Value {
    match message {
        Message::System(parts) => json!({"role": "system", "content": content(parts)}),
        Message::User(parts) => json!({"role": "user", "content": content(parts)}),
        Message::Tool { call_id, content: parts } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": content(parts)})
        }
        Message::Assistant { content: parts, tool_calls } => {
            let text = if parts.is_empty() { Value::Null } else { content(parts) };
            let mut turn = json!({"role": "assistant", "content": text});
            if !tool_calls.is_empty() {
                turn["tool_calls"] = tool_calls.iter().map(tool_call).collect();
            }
            turn
        }
    }
}

/// A tool call in OpenAI's shape.
pub fn tool_call(call: &ToolCall) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

fn content(parts: &[Part]) -> Value {
    match parts {
        [] => "".into(),
        [Part::Text(text)] => text.as_str().into(),
        parts => parts.iter().map(part).collect(),
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image { url, detail: None } => json!({"type": "image_url", "image_url": {"url": url}}),
        Part::Image { url, detail } => json!({"type": "image_url", "image_url": {"url": url, "detail": detail}}),
        Part::Audio { data, format } => {
            json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
        }
        Part::File { name: None, data } => json!({"type": "file", "file": {"file_data": data}}),
        Part::File { name, data } => json!({"type": "file", "file": {"filename": name, "file_data": data}}),
    }
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::None => "none".into(),
        ToolChoice::Auto => "auto".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Function(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn response_format(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::Text => json!({"type": "text"}),
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema { name, schema, description, strict } => {
            let mut inner = json!({"name": name, "schema": schema});
            if let Some(description) = description {
                inner["description"] = json!(description);
            }
            if let Some(strict) = strict {
                inner["strict"] = json!(strict);
            }
            json!({"type": "json_schema", "json_schema": inner})
        }
    }
}
