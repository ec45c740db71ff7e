//! Reads a Chat Completions request in full.

use std::collections::HashMap;

use serde_json::{Value, value::RawValue};

use super::fields::{Field, Object};
use crate::providers::{
    chat::{ChatRequest, Message, Params, Part, ResponseFormat, Tool, ToolCall, ToolChoice},
    input::{InputError, syntax_or_shape},
};

type Result<T> = std::result::Result<T, InputError>;

/// Reads `body`; errors name the field by its path (`messages[1].content`). Fields that have no counterpart in
/// [`ChatRequest`] are skipped.
pub fn parse(body: &[u8]) -> Result<ChatRequest> {
    match serde_json::from_slice(body).map_err(|e| syntax_or_shape(&e))? {
        Value::Object(map) => request(Object::root(map)),
        _ => Err(InputError::field("", "the body must be a JSON object")),
    }
}

/// Parameters that only OpenAI's own format has.
const OWN: &[&str] = &[
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "modalities",
    "audio",
    "prediction",
    "web_search_options",
    "service_tier",
    "verbosity",
];

/// Those parameters of `body` that change an answer and that [`parse`] skips.
pub fn unread(body: &[u8]) -> Vec<&'static str> {
    let fields: HashMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    let is_set = |name: &&&str| fields.get(**name).is_some_and(|value| !matches!(value.get(), "null" | "false"));
    OWN.iter().filter(is_set).copied().collect()
}

fn request(mut body: Object) -> Result<ChatRequest> {
    let messages = body.take("messages");
    if messages.is_absent() {
        return Err(InputError::field("messages", "you must provide a messages parameter"));
    }
    let mut read = Vec::new();
    for (index, turn) in messages.items()?.unwrap_or_default().into_iter().enumerate() {
        let turn = message(turn, index, &read)?;
        read.push(turn);
    }
    if read.is_empty() {
        return Err(InputError::field("messages", "messages must not be empty"));
    }
    let mut tools = Vec::new();
    for entry in body.take("tools").items()?.unwrap_or_default() {
        let mut entry = entry.required_object()?;
        expect_function(entry.take("type"))?;
        tools.push(tool(entry.take("function"))?);
    }
    for function in body.take("functions").items()?.unwrap_or_default() {
        tools.push(tool(function)?);
    }
    Ok(ChatRequest {
        messages: read,
        tools,
        tool_choice: match tool_choice(body.take("tool_choice"))? {
            None => function_call_choice(body.take("function_call"))?,
            choice => choice,
        },
        response_format: response_format(body.take("response_format"))?,
        params: params(body)?,
    })
}

fn params(mut body: Object) -> Result<Params> {
    let length = body.take("max_completion_tokens");
    let length = if length.is_absent() { body.take("max_tokens") } else { length };
    Ok(Params {
        max_tokens: at_least_one(length)?,
        temperature: body.take("temperature").number()?,
        top_p: body.take("top_p").number()?,
        top_k: body.take("top_k").count()?,
        stop: stop(body.take("stop"))?,
        seed: body.take("seed").integer()?,
        presence_penalty: body.take("presence_penalty").number()?,
        frequency_penalty: body.take("frequency_penalty").number()?,
        n: at_least_one(body.take("n"))?,
        reasoning_effort: body.take("reasoning_effort").string()?,
        parallel_tool_calls: body.take("parallel_tool_calls").boolean()?,
        user: match body.take("user").string()? {
            None => body.take("safety_identifier").string()?,
            user => user,
        },
    })
}

fn at_least_one(field: Field) -> Result<Option<u32>> {
    let path = field.path.clone();
    match field.count()? {
        Some(0) => Err(InputError::field(path.clone(), format!("{path} must be at least 1"))),
        count => Ok(count),
    }
}

fn stop(field: Field) -> Result<Vec<String>> {
    match field.value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text]),
        Value::Array(_) => field.items()?.unwrap_or_default().into_iter().map(Field::required_string).collect(),
        _ => Err(field.wrong("a string or an array of strings")),
    }
}

fn message(field: Field, index: usize, before: &[Message]) -> Result<Message> {
    let mut turn = field.required_object()?;
    let role = turn.take("role");
    let content = turn.take("content");
    match role.value.as_str() {
        Some("system" | "developer") => Ok(Message::System(parts(content)?)),
        Some("user") => Ok(Message::User(parts(content)?)),
        Some("assistant") => assistant(turn, content, index),
        Some("tool") => {
            Ok(Message::Tool { call_id: turn.take("tool_call_id").required_string()?, content: parts(content)? })
        }
        Some("function") => {
            let name = turn.take("name").required_string()?;
            let content = if content.is_absent() { Vec::new() } else { parts(content)? };
            Ok(Message::Tool { call_id: last_call(before, &name).unwrap_or(name), content })
        }
        _ => Err(role.wrong("one of system, developer, user, assistant, tool")),
    }
}

fn assistant(mut turn: Object, content: Field, index: usize) -> Result<Message> {
    let mut content = if content.is_absent() { Vec::new() } else { parts(content)? };
    if let Some(refusal) = turn.take("refusal").string()?
        && content.is_empty()
    {
        content.push(Part::Text(refusal));
    }
    let mut tool_calls = Vec::new();
    for call in turn.take("tool_calls").items()?.unwrap_or_default() {
        let mut call = call.required_object()?;
        expect_function(call.take("type"))?;
        let id = call.take("id").required_string()?;
        tool_calls.push(function_call(id, call.take("function"))?);
    }
    let legacy = turn.take("function_call");
    if !legacy.is_absent() {
        // The legacy form has no ids; the turn's place in the conversation is one.
        tool_calls.push(function_call(format!("call_{index}"), legacy)?);
    }
    Ok(Message::Assistant { content, tool_calls })
}

fn function_call(id: String, field: Field) -> Result<ToolCall> {
    let mut function = field.required_object()?;
    Ok(ToolCall {
        id,
        name: function.take("name").required_string()?,
        arguments: function.take("arguments").string()?.unwrap_or_default(),
    })
}

/// The id of the nearest call of that function.
fn last_call(before: &[Message], name: &str) -> Option<String> {
    before.iter().rev().find_map(|message| match message {
        Message::Assistant { tool_calls, .. } => {
            tool_calls.iter().rev().find(|call| call.name == name).map(|call| call.id.clone())
        }
        _ => None,
    })
}

fn parts(field: Field) -> Result<Vec<Part>> {
    match field.value {
        Value::String(text) => Ok(vec![Part::Text(text)]),
        Value::Array(_) => field.items()?.unwrap_or_default().into_iter().map(part).collect(),
        _ => Err(field.wrong("a string or an array of content parts")),
    }
}

fn part(field: Field) -> Result<Part> {
    let mut part = field.required_object()?;
    let kind = part.take("type");
    match kind.value.as_str() {
        Some("text") => Ok(Part::Text(part.take("text").required_string()?)),
        Some("refusal") => Ok(Part::Text(part.take("refusal").required_string()?)),
        Some("image_url") => image(part.take("image_url")),
        Some("input_audio") => {
            let mut audio = part.take("input_audio").required_object()?;
            Ok(Part::Audio {
                data: audio.take("data").required_string()?,
                format: audio.take("format").required_string()?,
            })
        }
        Some("file") => file(part.take("file").required_object()?),
        _ => Err(kind.wrong("one of text, image_url, input_audio, file")),
    }
}

fn image(field: Field) -> Result<Part> {
    let (url, detail) = match field.value {
        Value::String(_) => (field, None),
        _ => {
            let mut image = field.required_object()?;
            (image.take("url"), image.take("detail").string()?)
        }
    };
    match url.value.as_str() {
        Some(text) if ["https://", "http://", "data:"].iter().any(|scheme| text.starts_with(scheme)) => {
            Ok(Part::Image { url: url.required_string()?, detail })
        }
        _ => Err(url.wrong("an https address or a data: URL")),
    }
}

fn file(mut file: Object) -> Result<Part> {
    let data = file.take("file_data");
    if data.is_absent() {
        let id = file.take("file_id");
        return Err(if id.is_absent() {
            data.wrong("a data: URL")
        } else {
            let message = format!("{} cannot be used with this model's provider: send the file in file_data", id.path);
            InputError::field(id.path, message)
        });
    }
    Ok(Part::File { name: file.take("filename").string()?, data: data.required_string()? })
}

fn expect_function(kind: Field) -> Result<()> {
    match kind.value.as_str() {
        Some("function") => Ok(()),
        None if kind.is_absent() => Ok(()),
        _ => Err(kind.wrong("\"function\"")),
    }
}

fn tool(field: Field) -> Result<Tool> {
    let mut function = field.required_object()?;
    let name = function.take("name");
    if name.value.as_str().is_none_or(str::is_empty) {
        return Err(name.wrong("a non-empty string"));
    }
    let parameters = function.take("parameters");
    if !(parameters.is_absent() || parameters.value.is_object()) {
        return Err(parameters.wrong("a JSON Schema object"));
    }
    Ok(Tool {
        name: name.required_string()?,
        description: function.take("description").string()?,
        parameters: Some(parameters.value).filter(|schema| !schema.is_null()),
        strict: function.take("strict").boolean()?,
    })
}

fn tool_choice(field: Field) -> Result<Option<ToolChoice>> {
    match &field.value {
        Value::Null => Ok(None),
        Value::String(word) => match word.as_str() {
            "none" => Ok(Some(ToolChoice::None)),
            "auto" => Ok(Some(ToolChoice::Auto)),
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(field.wrong("\"none\", \"auto\", \"required\" or a function")),
        },
        _ => {
            let mut choice = field.required_object()?;
            expect_function(choice.take("type"))?;
            let mut function = choice.take("function").required_object()?;
            Ok(Some(ToolChoice::Function(function.take("name").required_string()?)))
        }
    }
}

/// The legacy `function_call`: `"none"`, `"auto"` or `{"name"}`.
fn function_call_choice(field: Field) -> Result<Option<ToolChoice>> {
    match field.value {
        Value::Object(_) => Ok(Some(ToolChoice::Function(field.required_object()?.take("name").required_string()?))),
        _ => tool_choice(field),
    }
}

fn response_format(field: Field) -> Result<Option<ResponseFormat>> {
    let Some(mut format) = field.object()? else { return Ok(None) };
    let kind = format.take("type");
    match kind.value.as_str() {
        Some("text") => Ok(Some(ResponseFormat::Text)),
        Some("json_object") => Ok(Some(ResponseFormat::JsonObject)),
        Some("json_schema") => {
            let mut inner = format.take("json_schema").required_object()?;
            let schema = inner.take("schema");
            if !schema.value.is_object() {
                return Err(schema.wrong("a JSON Schema object"));
            }
            Ok(Some(ResponseFormat::JsonSchema {
                name: inner.take("name").required_string()?,
                schema: schema.value,
                description: inner.take("description").string()?,
                strict: inner.take("strict").boolean()?,
            }))
        }
        _ => Err(kind.wrong("one of text, json_object, json_schema")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<ChatRequest> {
        parse(body.to_string().as_bytes())
    }

    #[test]
    fn everything_is_read() {
        let request = read(json!({
            "model": "m", "stream": true, "logit_bias": {"1": 2},
            "messages": [
                {"role": "developer", "content": "Be brief", "name": "x"},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                    {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}}]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":"}}]},
                {"role": "tool", "tool_call_id": "call_1", "content": "done"}],
            "max_tokens": 5, "max_completion_tokens": 7.0, "temperature": 1, "top_p": 0.5, "top_k": 3, "stop": "x",
            "seed": -4, "presence_penalty": 0.1, "frequency_penalty": -2, "n": 2, "reasoning_effort": "low",
            "parallel_tool_calls": false, "user": "u",
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": false}},
        }))
        .unwrap();
        assert_eq!(
            request,
            ChatRequest {
                messages: vec![
                    Message::System(vec![Part::Text("Be brief".into())]),
                    Message::User(vec![
                        Part::Text("What is this?".into()),
                        Part::Image { url: "data:image/png;base64,AA==".into(), detail: Some("low".into()) },
                        Part::Audio { data: "QQ==".into(), format: "wav".into() },
                        Part::File { name: Some("a.pdf".into()), data: "data:application/pdf;base64,QQ==".into() },
                    ]),
                    Message::Assistant {
                        content: vec![],
                        tool_calls: vec![ToolCall {
                            id: "call_1".into(),
                            name: "f".into(),
                            arguments: "{\"a\":".into()
                        }],
                    },
                    Message::Tool { call_id: "call_1".into(), content: vec![Part::Text("done".into())] },
                ],
                params: Params {
                    max_tokens: Some(7),
                    temperature: Some(1.0),
                    top_p: Some(0.5),
                    top_k: Some(3),
                    stop: vec!["x".into()],
                    seed: Some(-4),
                    presence_penalty: Some(0.1),
                    frequency_penalty: Some(-2.0),
                    n: Some(2),
                    reasoning_effort: Some("low".into()),
                    parallel_tool_calls: Some(false),
                    user: Some("u".into()),
                },
                tools: vec![Tool {
                    name: "f".into(),
                    description: Some("d".into()),
                    parameters: Some(json!({"type": "object"})),
                    strict: Some(true),
                }],
                tool_choice: Some(ToolChoice::Function("f".into())),
                response_format: Some(ResponseFormat::JsonSchema {
                    name: "n".into(),
                    schema: json!({}),
                    description: None,
                    strict: Some(false),
                }),
            }
        );
    }

    #[test]
    fn the_legacy_functions_become_tools() {
        let request = read(json!({
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "42"}],
            "functions": [{"name": "f"}],
            "function_call": {"name": "f"},
        }))
        .unwrap();
        assert_eq!(request.tools[0].name, "f");
        assert_eq!(request.tool_choice, Some(ToolChoice::Function("f".into())));
        let Message::Assistant { tool_calls, .. } = &request.messages[1] else { panic!() };
        let Message::Tool { call_id, .. } = &request.messages[2] else { panic!() };
        assert_eq!(&tool_calls[0].id, call_id);
    }

    #[test]
    fn errors_name_the_place() {
        let user = json!({"role": "user", "content": "hi"});
        for (body, path) in [
            (json!([]), ""),
            (json!({}), "messages"),
            (json!({"messages": []}), "messages"),
            (json!({"messages": "hi"}), "messages"),
            (json!({"messages": [5]}), "messages[0]"),
            (json!({"messages": [{"role": "king", "content": "hi"}]}), "messages[0].role"),
            (json!({"messages": [user, {"role": "user"}]}), "messages[1].content"),
            (json!({"messages": [user, {"role": "user", "content": 5}]}), "messages[1].content"),
            (json!({"messages": [{"role": "user", "content": [{"type": "video"}]}]}), "messages[0].content[0].type"),
            (json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}), "messages[0].content[0].text"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x.png"}}]}]}),
                "messages[0].content[0].image_url.url",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}),
                "messages[0].content[0].file.file_id",
            ),
            (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id"),
            (
                json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {}}]}]}),
                "messages[0].tool_calls[0].function.name",
            ),
            (json!({"messages": [user], "temperature": "hot"}), "temperature"),
            (json!({"messages": [user], "max_tokens": 0}), "max_tokens"),
            (json!({"messages": [user], "max_tokens": 1.5}), "max_tokens"),
            (json!({"messages": [user], "stop": ["a", 1]}), "stop[1]"),
            (json!({"messages": [user], "tools": [{"type": "custom"}]}), "tools[0].type"),
            (json!({"messages": [user], "tools": [{"function": {"name": ""}}]}), "tools[0].function.name"),
            (json!({"messages": [user], "tool_choice": "maybe"}), "tool_choice"),
            (json!({"messages": [user], "response_format": {"type": "xml"}}), "response_format.type"),
            (
                json!({"messages": [user], "response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}),
                "response_format.json_schema.schema",
            ),
        ] {
            match read(body.clone()) {
                Err(InputError::Field { param, message }) => {
                    assert_eq!(param, path, "{body}");
                    assert!(message.contains(path), "{message}");
                }
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
