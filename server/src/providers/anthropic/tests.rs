use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Anthropic;
use crate::providers::{
    ChatCodec, ErrorClass,
    chat::{FinishReason, Usage},
    testing::{answer, any_json, body, input, lacking, same, steps, survives, target},
};

fn frame(events: &[Value]) -> String {
    events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())).collect()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 12, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 400, "output_tokens": 1}}})
}

fn stop(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
            "usage": {"output_tokens": 20, "input_tokens": 0, "output_tokens_details": {"thinking_tokens": 7}}}),
        json!({"type": "message_stop"}),
    ]
}

fn whole(content: Value, reason: &str) -> Value {
    json!({"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-x", "content": content,
        "stop_reason": reason, "stop_sequence": null,
        "usage": {"input_tokens": 12, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 400,
            "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 7}, "service_tier": "standard"}})
}

#[test]
fn a_stream_equals_the_buffered_answer() {
    let mut events = vec![
        start(),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm "}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Grüß "}}),
        json!({"type": "brand_new_event", "index": "not a number"}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "dich 😀"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "files_0x2e_read", "input": {}}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ""}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":"}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1}"}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "content_block_start", "index": 3, "content_block": {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}}),
        json!({"type": "content_block_stop", "index": 3}),
    ];
    events.extend(stop("tool_use"));
    let content = json!([
        {"type": "thinking", "thinking": "hm hm", "signature": "c2ln"},
        {"type": "text", "text": "Grüß dich 😀"},
        {"type": "tool_use", "id": "toolu_1", "name": "files_0x2e_read", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}]);
    let got = same(&Anthropic, &target("anthropic", "m"), &frame(&events), &whole(content, "tool_use"));
    assert_eq!(got.usage, Some(Usage { input: 442, cached: 400, cache_write: 30, output: 20, reasoning: 7 }));
    let choice = &got.choices[0];
    assert_eq!(choice.tool_calls[0].name, "files.read");
    assert_eq!(choice.tool_calls[1].arguments, "{}");
    assert_eq!(choice.reasoning.as_deref(), Some("hm hm"));
    assert_eq!((got.id.as_str(), got.model.as_str()), ("msg_01", "claude-x"));
}

#[test]
fn every_stop_reason() {
    for (reason, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("pause_turn", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("something_new", FinishReason::Stop),
    ] {
        let mut events = vec![start()];
        events.extend(stop(reason));
        let mut buffered = whole(json!([]), reason);
        if reason == "refusal" {
            let details = json!({"type": "refusal", "category": "cyber", "explanation": "no"});
            buffered["stop_details"] = details.clone();
            events[1]["delta"]["stop_details"] = details;
        }
        let got = same(&Anthropic, &target("anthropic", "m"), &frame(&events), &buffered);
        assert_eq!(got.choices[0].finish, Some(finish));
        assert_eq!(got.choices[0].refusal.is_some(), reason == "refusal");
        assert_eq!(got.choices[0].content, None);
    }
}

#[test]
fn a_stream_without_its_end_is_cut() {
    let text = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}});
    let events = [start(), text, stop("end_turn")[0].clone()];
    for length in 0..=events.len() {
        let (_, error) = *steps(&Anthropic, &target("anthropic", "m"), &frame(&events[..length]), 13).unwrap_err();
        assert_eq!(error.class, ErrorClass::Truncated);
    }
    let garbled = frame(&events) + "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":[}\n\n";
    assert_eq!(steps(&Anthropic, &target("anthropic", "m"), &garbled, 13).unwrap_err().1.class, ErrorClass::Malformed);
}

#[test]
fn every_error_class() {
    use ErrorClass::*;
    for (status, kind, message, class) in [
        (400, "invalid_request_error", "max_tokens: bad", Invalid),
        (400, "invalid_request_error", "Your credit balance is too low", Billing),
        (400, "invalid_request_error", "You have reached your specified API usage limits", Billing),
        (401, "authentication_error", "invalid x-api-key", Auth),
        (402, "billing_error", "pay", Billing),
        (403, "permission_error", "no", Auth),
        (404, "not_found_error", "model: x", NotFound),
        (409, "conflict_error", "conflict", Invalid),
        (413, "request_too_large", "too large", Invalid),
        (429, "rate_limit_error", "monthly", Billing),
        (500, "api_error", "oops", Upstream),
        (504, "timeout_error", "late", Upstream),
        (529, "overloaded_error", "Overloaded", Overloaded),
    ] {
        let value = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        let error =
            Anthropic.error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), value.to_string().as_bytes());
        assert_eq!((error.class, error.message.as_str(), error.kind.as_deref()), (class, message, Some(kind)));
        assert_eq!(error.status, Some(status));
        let (before, error) =
            *steps(&Anthropic, &target("anthropic", "m"), &frame(&[start(), value.clone()]), 50).unwrap_err();
        assert_eq!((before.len(), error.message.as_str()), (1, message));
        assert_eq!(error.class, if kind == "rate_limit_error" { RateLimit } else { class });
        assert_eq!(answer(&Anthropic, &target("anthropic", "m"), &value).unwrap_err().message, message);
    }
    let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("30"))]);
    let limited = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}).to_string();
    let error = Anthropic.error(StatusCode::TOO_MANY_REQUESTS, &headers, limited.as_bytes());
    assert_eq!((error.class, error.retry_after.map(|w| w.as_secs())), (RateLimit, Some(30)));
    let proxy = Anthropic.error(StatusCode::PAYLOAD_TOO_LARGE, &headers, b"<html>too large</html>");
    assert_eq!((proxy.class, proxy.message.as_str()), (Invalid, "the provider answered with status 413"));
}

#[test]
fn a_conversation_is_translated() {
    let asked = input(json!({"model": "m", "max_tokens": 100, "stop": ["END", " "], "temperature": 1.5, "top_p": 1.0,
        "user": "u1", "seed": 3, "n": 1, "logprobs": true, "parallel_tool_calls": false, "tool_choice": "auto",
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "What is this?"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "text", "text": " "}]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "call:1", "type": "function", "function": {"name": "files.read", "arguments": "{\"p\":1}"}},
                {"id": "call:2", "type": "function", "function": {"name": "now", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "call:1", "content": "one"},
            {"role": "tool", "tool_call_id": "call:2", "content": [{"type": "text", "text": "two"}, {"type": "image_url", "image_url": {"url": "data:image/gif;base64,AA=="}}]},
            {"role": "system", "content": "Be kind"},
            {"role": "user", "content": ""}],
        "tools": [{"type": "function", "function": {"name": "files.read", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"p": {"type": "integer"}}}}}, {"type": "function", "function": {"name": "now"}}]}));
    let request = Anthropic.request(&target("anthropic", "claude-x"), &asked, true).unwrap();
    assert_eq!(request.url, "https://api.example.com/v1/messages");
    assert_eq!(request.headers["anthropic-version"], "2023-06-01");
    assert_eq!(
        body(&request),
        json!({"model": "claude-x", "max_tokens": 100, "stream": true, "stop_sequences": ["END"], "temperature": 1.0,
            "metadata": {"user_id": "u1"},
            "system": [{"type": "text", "text": "Be brief"}, {"type": "text", "text": "Be kind"}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "call_1", "name": "files_0x2e_read", "input": {"p": 1}},
                    {"type": "tool_use", "id": "call_2", "name": "now", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "two"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "AA=="}}]},
                    {"type": "text", "text": "."}]}],
            "tools": [
                {"name": "files_0x2e_read", "description": "d", "strict": true, "input_schema": {"type": "object", "properties": {"p": {"type": "integer"}}}},
                {"name": "now", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})
    );
    assert_eq!(request.dropped, ["logprobs", "seed"]);
}

fn sent(target: &crate::providers::Target, extra: Value) -> (Value, Vec<&'static str>) {
    let mut asked = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in extra.as_object().unwrap() {
        asked[key] = value.clone();
    }
    let request = Anthropic.request(target, &input(asked), false).unwrap();
    (body(&request), request.dropped)
}

#[test]
fn thinking_depends_on_the_model() {
    let old = target("anthropic", "m");
    let new = lacking(target("anthropic", "m"), &["sampling_params", "assistant_prefill", "forced_tool_use"]);
    let (body, dropped) = sent(&old, json!({"reasoning_effort": "high", "max_tokens": 9000, "temperature": 0.3}));
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 4096}));
    assert_eq!((body.get("temperature"), dropped), (None, vec!["temperature"]));
    let (body, dropped) = sent(&old, json!({"reasoning_effort": "high", "max_tokens": 500}));
    assert_eq!((body.get("thinking"), dropped), (None, vec!["reasoning_effort"]));
    let (body, dropped) = sent(&new, json!({"reasoning_effort": "max", "temperature": 0.3, "top_p": 0.5, "top_k": 4}));
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"], json!({"effort": "max"}));
    assert_eq!(dropped, ["temperature", "top_p", "top_k"]);
    let (body, dropped) = sent(&new, json!({"reasoning_effort": "none", "temperature": 1}));
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    assert!(dropped.is_empty());
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let (body, dropped) = sent(&new, json!({"tool_choice": "required", "tools": tools}));
    assert_eq!((body.get("tool_choice"), dropped), (None, vec!["tool_choice"]));
    let choice = json!({"type": "function", "function": {"name": "f"}});
    let (body, _) = sent(&old, json!({"tool_choice": choice, "tools": tools}));
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "f"}));
    let prefill = json!({"model": "m", "messages": [{"role": "assistant", "content": "{ "}]});
    assert_eq!(Anthropic.request(&new, &input(prefill.clone()), false).unwrap_err().class, ErrorClass::Unsupported);
    let (body, _) = sent(&old, prefill);
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"type": "text", "text": "."}]}, {"role": "assistant", "content": [{"type": "text", "text": "{"}]}])
    );
}

#[test]
fn the_tools_of_earlier_calls_are_declared() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let asked = input(json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": ""}]}));
    let body = body(&Anthropic.request(&target("anthropic", "m"), &asked, false).unwrap());
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

#[test]
fn a_schema_is_asked_for_in_the_models_way() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}}});
    let (body, dropped) = sent(&target("anthropic", "m"), format.clone());
    assert_eq!(
        body["output_config"]["format"],
        json!({"type": "json_schema", "schema": {"type": "object", "additionalProperties": false,
            "properties": {"a": {"type": "object", "properties": {}, "additionalProperties": false}}}})
    );
    assert!(dropped.is_empty());
    let (body, _) = sent(&lacking(target("anthropic", "m"), &["response_schema"]), format);
    assert!(body["system"][0]["text"].as_str().unwrap().contains(&schema.to_string()));
}

#[test]
fn lengths_have_a_default_and_a_limit() {
    let mut known = target("anthropic", "m");
    known.max_output = Some(64_000);
    assert_eq!(sent(&known, json!({})).0["max_tokens"], 64_000);
    assert_eq!(sent(&known, json!({"max_tokens": 128_000})).0["max_tokens"], 64_000);
    assert_eq!(sent(&target("anthropic", "m"), json!({})).0["max_tokens"], 4_096);
}

#[test]
fn audio_is_refused() {
    let asked = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]});
    let error = Anthropic.request(&target("anthropic", "m"), &input(asked), false).unwrap_err();
    assert_eq!(error.class, ErrorClass::Unsupported);
}

const WORDS: &[&str] = &[
    "type",
    "id",
    "model",
    "content",
    "text",
    "thinking",
    "tool_use",
    "name",
    "input",
    "stop_reason",
    "usage",
    "input_tokens",
    "output_tokens",
    "output_tokens_details",
    "thinking_tokens",
    "error",
    "message",
    "message_start",
    "message_delta",
    "message_stop",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "index",
    "content_block",
    "delta",
    "partial_json",
    "stop_details",
    "explanation",
];

proptest! {
    #[test]
    fn nothing_panics(value in any_json(WORDS), kind in prop::sample::select(WORDS)) {
        let mut value = value;
        if let Some(map) = value.as_object_mut() { map.insert("type".into(), kind.into()); }
        survives(&Anthropic, &target("anthropic", "m"), &value, None);
    }
}
