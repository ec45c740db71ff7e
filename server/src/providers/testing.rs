//! Helpers for the codecs' tests.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{
    Auth, ChatCodec, ChatInput, Parsed, ProviderError, Secret, Target, UpstreamRequest,
    chat::{ChatChunk, Choice, Completion, ToolCall},
    sse::SseParser,
};

pub const KEY: &str = "sk-very-secret";

/// A target with a bearer key.
pub fn target(provider: &str, model: &str) -> Target {
    Target {
        provider: provider.into(),
        base_url: "https://api.example.com".into(),
        model: model.into(),
        credential: Some(Secret::new(KEY)),
        auth: Auth::Header { name: "authorization".into(), prefix: "Bearer ".into() },
        headers: Arc::from([]),
        lacks: Arc::from([]),
        max_output: None,
        mapping: None,
        simulated: false,
    }
}

pub fn lacking(mut target: Target, features: &[&str]) -> Target {
    target.lacks = features.iter().map(|f| (*f).to_owned()).collect();
    target
}

/// The input of an OpenAI body.
pub fn input(body: Value) -> ChatInput {
    ChatInput::from_openai(Bytes::from(body.to_string())).unwrap()
}

pub fn body(request: &UpstreamRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

pub fn answer(codec: &dyn ChatCodec, target: &Target, body: &Value) -> Result<Completion, ProviderError> {
    match codec.response(target, &HeaderMap::new(), Bytes::from(body.to_string()))? {
        Parsed::Done(completion) => Ok(*completion),
        other => panic!("{other:?}"),
    }
}

/// Runs a stream through parser and decoder, the network cutting it every `step` bytes.
pub fn steps(
    codec: &dyn ChatCodec,
    target: &Target,
    stream: &str,
    step: usize,
) -> Result<Vec<ChatChunk>, Box<(Vec<ChatChunk>, ProviderError)>> {
    let mut decoder = codec.decoder(target).unwrap();
    let mut parser = SseParser::default();
    let (mut events, mut out) = (Vec::new(), Vec::new());
    for piece in stream.as_bytes().chunks(step.max(1)) {
        parser.feed(Bytes::copy_from_slice(piece), &mut events).unwrap();
    }
    parser.finish(&mut events).unwrap();
    for event in events {
        if decoder.is_done() {
            break;
        }
        if let Err(error) = decoder.event(event, &mut out) {
            return Err(Box::new((out, error)));
        }
    }
    match decoder.end(&mut out) {
        Ok(()) => Ok(out),
        Err(error) => Err(Box::new((out, error))),
    }
}

/// What a client would put together from the steps.
pub fn collect(steps: &[ChatChunk]) -> Completion {
    let mut all = Completion::default();
    for step in steps {
        if let Some(id) = &step.id {
            all.id.clone_from(id);
        }
        if let Some(model) = &step.model {
            all.model.clone_from(model);
        }
        all.usage = step.usage.or(all.usage);
        if step.usage_only {
            continue;
        }
        let says = step.content.is_some() || step.reasoning.is_some() || step.refusal.is_some();
        if !says && step.tool_calls.is_empty() && step.finish.is_none() {
            continue;
        }
        let at = all.choices.iter().position(|c| c.index == step.index).unwrap_or_else(|| {
            all.choices.push(Choice { index: step.index, ..Choice::default() });
            all.choices.len() - 1
        });
        let choice = &mut all.choices[at];
        for (to, from) in [
            (&mut choice.content, &step.content),
            (&mut choice.reasoning, &step.reasoning),
            (&mut choice.refusal, &step.refusal),
        ] {
            if let Some(text) = from {
                to.get_or_insert_default().push_str(text);
            }
        }
        choice.finish = step.finish.or(choice.finish);
        for delta in &step.tool_calls {
            let at = delta.index as usize;
            if at == choice.tool_calls.len() {
                choice.tool_calls.push(ToolCall {
                    id: delta.id.clone().expect("the first fragment has an id"),
                    name: delta.name.clone().expect("the first fragment has a name"),
                    arguments: String::new(),
                });
            }
            choice.tool_calls[at].arguments.push_str(&delta.arguments);
        }
    }
    all
}

/// Checks that a stream means the same as a buffered answer, however the network cuts it.
pub fn same(codec: &dyn ChatCodec, target: &Target, stream: &str, buffered: &Value) -> Completion {
    let mut expected = answer(codec, target, buffered).unwrap();
    expected.raw = None;
    for step in [1, 2, 3, 7, 64, usize::MAX] {
        let mut got = collect(&steps(codec, target, stream, step).unwrap_or_else(|e| panic!("{}", e.1)));
        for choice in got.choices.iter_mut().chain(&mut expected.choices) {
            // A stream cannot tell an empty text from none.
            choice.content.take_if(|text| text.is_empty());
        }
        assert_eq!(got, expected, "cut every {step} bytes");
    }
    expected
}

/// JSON of any shape, with the words that codecs look for.
pub fn any_json(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let text = prop_oneof![prop::sample::select(words).prop_map(str::to_owned), "\\PC{0,6}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        let key = prop::sample::select(words).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// No answer may make a codec panic: not buffered, not streamed, not as an error.
pub fn survives(codec: &dyn ChatCodec, target: &Target, value: &Value, event: Option<&str>) {
    let bytes = Bytes::from(value.to_string());
    let _ = codec.response(target, &HeaderMap::new(), bytes.clone());
    for status in [400, 429, 500] {
        let _ = codec.error(http::StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &bytes);
    }
    if let Some(mut decoder) = codec.decoder(target) {
        let mut out = Vec::new();
        for _ in 0..2 {
            let event = super::SseEvent { event: event.map(str::to_owned), data: bytes.clone() };
            let _ = decoder.event(event, &mut out);
        }
        let _ = decoder.end(&mut out);
    }
}
