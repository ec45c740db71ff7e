//! What a caller sent, kept in the form it came in: a body in OpenAI's shape is only skimmed, because most upstreams take
//! it as it is; it is read in full only when an upstream speaks another format.

use std::{borrow::Cow, ops::Range};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{chat::ChatRequest, openai};

/// A chat call as it came in.
#[derive(Debug, Clone)]
pub struct ChatInput {
    /// The model's name as asked for; absent means `auto`.
    pub model: Option<String>,
    pub stream: bool,
    /// The caller wants a usage chunk at the end of its stream.
    pub include_usage: bool,
    pub max_tokens: Option<u32>,
    /// Length of the conversation in bytes, for estimates.
    pub prompt_bytes: usize,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    OpenAi(OpenAiBody),
    Typed(Box<ChatRequest>),
}

/// A well-formed JSON object and where in it the values stand that the gateway changes.
#[derive(Debug, Clone)]
struct OpenAiBody {
    bytes: Bytes,
    /// Just behind the opening brace. `messages` is in the object, so what is put here is always followed by a field.
    start: usize,
    model: Option<Range<usize>>,
    stream_options: Option<Range<usize>>,
}

/// A request body that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Not JSON at all; the text names line and column.
    #[error("the body is not valid JSON: {0}")]
    Syntax(String),
    /// JSON, but a field is missing or has the wrong type. `param` is its path.
    #[error("{message}")]
    Field { param: String, message: String },
}

impl InputError {
    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { param: param.into(), message: message.into() }
    }
}

#[derive(Deserialize)]
struct Skim<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_completion_tokens: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl ChatInput {
    /// Skims a Chat Completions body. `messages` must be a non-empty array; everything else is left to the upstream.
    pub fn from_openai(bytes: Bytes) -> Result<Self, InputError> {
        let skim: Skim<'_> = object(&bytes)?;
        let model: Option<String> = read(skim.model, "model", "a string")?;
        let stream = read(skim.stream, "stream", "a boolean")?.unwrap_or(false);
        let options: Option<StreamOptions> = read(skim.stream_options, "stream_options", "an object")?;
        if options.is_some() && !stream {
            return Err(InputError::field("stream_options", "stream_options is only allowed when stream is true"));
        }
        let max_tokens = read(skim.max_completion_tokens, "max_completion_tokens", "a positive integer")?.or(read(
            skim.max_tokens,
            "max_tokens",
            "a positive integer",
        )?);
        if max_tokens == Some(0) {
            return Err(InputError::field("max_tokens", "max_tokens must be at least 1"));
        }
        let messages =
            skim.messages.ok_or_else(|| InputError::field("messages", "you must provide a messages parameter"))?.get();
        if !messages.starts_with('[') {
            return Err(InputError::field("messages", "messages must be an array"));
        }
        if messages[1..].trim_start().starts_with(']') {
            return Err(InputError::field("messages", "messages must not be empty"));
        }
        let span = |raw: Option<&RawValue>| {
            raw.map(|raw| {
                let at = raw.get().as_ptr() as usize - bytes.as_ptr() as usize;
                at..at + raw.get().len()
            })
        };
        let start = bytes.iter().position(|b| *b == b'{').map_or(0, |at| at + 1);
        Ok(Self {
            model: model.filter(|m| !m.trim().is_empty()),
            stream,
            include_usage: options.and_then(|o| o.include_usage).unwrap_or(false),
            max_tokens,
            prompt_bytes: messages.len(),
            body: Body::OpenAi(OpenAiBody {
                start,
                model: span(skim.model),
                stream_options: span(skim.stream_options),
                bytes: bytes.clone(),
            }),
        })
    }

    /// A request made by one of our own services.
    pub fn from_typed(model: Option<String>, stream: bool, request: ChatRequest) -> Self {
        Self {
            model,
            stream,
            include_usage: true,
            max_tokens: request.params.max_tokens,
            prompt_bytes: request.text_bytes(),
            body: Body::Typed(Box::new(request)),
        }
    }

    /// The request in full. Errors name the field of an OpenAI body that does not fit.
    pub fn typed(&self) -> Result<Cow<'_, ChatRequest>, InputError> {
        match &self.body {
            Body::OpenAi(body) => openai::body::parse(&body.bytes).map(Cow::Owned),
            Body::Typed(request) => Ok(Cow::Borrowed(request)),
        }
    }

    /// The caller's own body when it has OpenAI's shape, with the upstream's model name put in and, for a stream, a usage
    /// chunk asked for. `None` for a request of our own services.
    pub fn openai_body(&self, model: &str, stream: bool) -> Option<Bytes> {
        match &self.body {
            Body::OpenAi(body) => Some(body.rewrite(self.model.as_deref(), model, stream && !self.include_usage)),
            Body::Typed(_) => None,
        }
    }

    /// The caller's body as it came, when it has OpenAI's shape.
    pub fn original(&self) -> Option<&Bytes> {
        match &self.body {
            Body::OpenAi(body) => Some(&body.bytes),
            Body::Typed(_) => None,
        }
    }

    /// The request as an OpenAI body, for the record; of a long one only a little more than `limit` bytes.
    pub fn as_json(&self, limit: usize) -> String {
        match &self.body {
            Body::OpenAi(body) => {
                String::from_utf8_lossy(&body.bytes[..body.bytes.len().min(limit.saturating_add(4))]).into_owned()
            }
            Body::Typed(request) => serde_json::json!({
                "model": self.model,
                "messages": openai::write::messages(request),
                "stream": self.stream,
                "max_tokens": request.params.max_tokens,
                "temperature": request.params.temperature,
                "top_p": request.params.top_p,
                "stop": request.params.stop,
            })
            .to_string(),
        }
    }

    /// Tokens of the prompt, roughly: four bytes each.
    pub fn estimated_tokens(&self) -> u64 {
        self.prompt_bytes.div_ceil(4) as u64
    }
}

impl OpenAiBody {
    fn rewrite(&self, asked: Option<&str>, model: &str, ask_usage: bool) -> Bytes {
        let rename = asked != Some(model);
        if !rename && !ask_usage {
            return self.bytes.clone();
        }
        const USAGE: &str = r#"{"include_usage":true}"#;
        let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(2);
        if rename {
            let name = serde_json::Value::from(model).to_string();
            edits.push(match &self.model {
                Some(span) => (span.clone(), name),
                None => (self.start..self.start, format!("\"model\":{name},")),
            });
        }
        if ask_usage {
            edits.push(match &self.stream_options {
                Some(span) => (span.clone(), USAGE.to_owned()),
                None => (self.start..self.start, format!("\"stream_options\":{USAGE},")),
            });
        }
        edits.sort_by_key(|(span, _)| span.start);
        let grown: usize = edits.iter().map(|(_, text)| text.len()).sum();
        let mut out = BytesMut::with_capacity(self.bytes.len() + grown);
        let mut at = 0;
        for (span, text) in edits {
            out.put_slice(&self.bytes[at..span.start]);
            out.put_slice(text.as_bytes());
            at = span.end;
        }
        out.put_slice(&self.bytes[at..]);
        out.freeze()
    }
}

fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, param: &str, wanted: &str) -> Result<Option<T>, InputError> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|_| InputError::field(param, format!("{param} must be {wanted}"))),
    }
}

/// Reads a JSON object. Without the look at its first byte, a list of values would pass for the list of its fields.
pub fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, InputError> {
    let read = serde_json::from_slice(bytes);
    let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match read {
        Err(error) if is_object && error.is_data() => Err(wrong_field::<T>(bytes, &error)),
        Err(error) if is_object || !error.is_data() => Err(syntax_or_shape(&error)),
        Ok(read) if is_object => Ok(read),
        _ => Err(InputError::field("", "the body must be a JSON object")),
    }
}

/// Reads once more what could not be read, to name the field that was wrong.
fn wrong_field<'a, T: Deserialize<'a>>(bytes: &'a [u8], error: &serde_json::Error) -> InputError {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(found) if found.path().iter().next().is_some() => {
            let path = found.path().to_string();
            InputError::field(path.clone(), format!("{path}: {}", found.into_inner()))
        }
        _ => syntax_or_shape(error),
    }
}

/// serde_json reports a wrong shape and wrong syntax with one type; only the latter is "not JSON".
pub fn syntax_or_shape(error: &serde_json::Error) -> InputError {
    if error.is_data() {
        InputError::field("", format!("the body does not have the expected shape: {error}"))
    } else {
        InputError::Syntax(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn input(body: Value) -> Result<ChatInput, InputError> {
        ChatInput::from_openai(Bytes::from(body.to_string()))
    }

    #[test]
    fn an_unchanged_request_passes_through_as_it_is() {
        let body =
            Bytes::from_static(br#" {"messages" : [ {"role":"user","content":"hi"} ], "model":"m", "x_unknown": 1}"#);
        let input = ChatInput::from_openai(body.clone()).unwrap();
        assert_eq!(input.openai_body("m", false).unwrap(), body);
    }

    #[test]
    fn only_the_model_and_the_stream_options_change() {
        let input = input(json!({"messages": [1], "model": "a", "stream": true, "stream_options": {"include_usage": false}, "x": {"model": "kept"}})).unwrap();
        let sent: Value = serde_json::from_slice(&input.openai_body("b\"q", true).unwrap()).unwrap();
        assert_eq!(
            sent,
            json!({"messages": [1], "model": "b\"q", "stream": true, "stream_options": {"include_usage": true}, "x": {"model": "kept"}})
        );
    }

    #[test]
    fn absent_fields_are_added() {
        let input = input(json!({"messages": [1], "stream": true})).unwrap();
        let sent: Value = serde_json::from_slice(&input.openai_body("b", true).unwrap()).unwrap();
        assert_eq!(
            sent,
            json!({"messages": [1], "model": "b", "stream": true, "stream_options": {"include_usage": true}})
        );
    }

    #[test]
    fn wrong_fields_are_named() {
        for (body, param) in [
            (json!({"messages": [1], "model": 5}), "model"),
            (json!({"messages": [1], "stream": "yes"}), "stream"),
            (json!({"messages": [1], "max_tokens": -1}), "max_tokens"),
            (json!({"messages": [1], "max_tokens": 0}), "max_tokens"),
            (json!({"messages": [1], "stream_options": {"include_usage": true}}), "stream_options"),
            (json!(["m", [1], false, null, null, null]), ""),
            (json!({"messages": {}}), "messages"),
            (json!({"messages": []}), "messages"),
            (json!({}), "messages"),
        ] {
            match input(body.clone()) {
                Err(InputError::Field { param: named, .. }) => assert_eq!(named, param, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        let error = ChatInput::from_openai(Bytes::from_static(b"{\"messages\": [1],\n oops}")).unwrap_err();
        assert!(error.to_string().contains("line 2 column 2"), "{error}");
    }

    proptest! {
        #[test]
        fn a_rewrite_is_what_a_parse_and_print_would_be(
            model in proptest::option::of("[a-z\"\\\\é]{0,6}"), to in "[a-z\"\\\\é]{1,6}",
            stream in any::<bool>(), extra in "\\PC{0,12}",
        ) {
            let mut body = json!({"messages": [{"role": "user", "content": extra}], "stream": stream, "z": extra});
            if let Some(model) = &model { body["model"] = json!(model); }
            let input = input(body.clone()).unwrap();
            body["model"] = json!(to);
            if stream { body["stream_options"] = json!({"include_usage": true}); }
            let sent: Value = serde_json::from_slice(&input.openai_body(&to, stream).unwrap()).unwrap();
            prop_assert_eq!(sent, body);
        }
    }
}
