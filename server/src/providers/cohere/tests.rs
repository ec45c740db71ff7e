use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Cohere;
use crate::providers::{
    ChatCodec, ErrorClass, Target,
    chat::{FinishReason, Usage},
    testing::{answer, any_json, body, input, same, steps, survives, target},
};

fn frame(events: &[Value]) -> String {
    events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap_or("x"))).collect()
}

fn cohere() -> Target {
    target("cohere", "command-a")
}

fn usage() -> Value {
    json!({"billed_units": {"input_tokens": 9.0, "output_tokens": 20}, "tokens": {"input_tokens": 90, "output_tokens": 22}, "cached_tokens": 4})
}

fn end(reason: &str) -> Value {
    json!({"type": "message-end", "id": "c1", "delta": {"finish_reason": reason, "usage": usage()}})
}

fn start() -> Value {
    json!({"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}})
}

fn content(index: u32, block: Value) -> Value {
    json!({"type": "content-delta", "index": index, "delta": {"message": {"content": block}}})
}

fn call(kind: &str, index: u32, call: Value) -> Value {
    json!({"type": kind, "index": index, "delta": {"message": {"tool_calls": call}}})
}

#[test]
fn a_stream_equals_the_buffered_answer() {
    let stream = frame(&[
        start(),
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}}),
        content(0, json!({"thinking": "hm"})),
        json!({"type": "content-end", "index": 0}),
        json!({"type": "content-start", "index": 1, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
        content(1, json!({"text": "Grüß "})),
        content(1, json!({"text": "dich 😀"})),
        json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"start": 1, "end": 2}}}}),
        call(
            "tool-call-start",
            4,
            json!({"id": "f_1", "type": "function", "function": {"name": "files_0x2e_read", "arguments": ""}}),
        ),
        call("tool-call-delta", 4, json!({"function": {"arguments": "{\"a\":"}})),
        call("tool-call-delta", 4, json!({"function": {"arguments": "1}"}})),
        json!({"type": "tool-call-end", "index": 4}),
        call(
            "tool-call-start",
            5,
            json!({"id": "f_2", "type": "function", "function": {"name": "now", "arguments": ""}}),
        ),
        json!({"type": "tool-call-end", "index": 5}),
        end("TOOL_CALL"),
    ]);
    let buffered = json!({"id": "c1", "finish_reason": "TOOL_CALL", "usage": usage(), "message": {"role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Grüß dich 😀"}],
        "tool_calls": [{"id": "f_1", "type": "function", "function": {"name": "files_0x2e_read", "arguments": "{\"a\":1}"}},
            {"id": "f_2", "type": "function", "function": {"name": "now", "arguments": ""}}]}});
    let got = same(&Cohere, &cohere(), &stream, &buffered);
    assert_eq!(got.usage, Some(Usage { input: 9, cached: 4, output: 20, ..Usage::default() }));
    assert_eq!(got.choices[0].tool_calls[0].name, "files.read");
    assert_eq!(got.choices[0].tool_calls[1].arguments, "{}");
}

#[test]
fn a_tool_plan_is_reasoning() {
    let stream = frame(&[
        start(),
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will "}}}),
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "look"}}}),
        end("COMPLETE"),
    ]);
    let buffered = json!({"id": "c1", "finish_reason": "COMPLETE", "usage": usage(), "message": {"role": "assistant", "tool_plan": "I will look"}});
    let got = same(&Cohere, &cohere(), &stream, &buffered);
    assert_eq!(got.choices[0].reasoning.as_deref(), Some("I will look"));
}

#[test]
fn every_finish_reason() {
    for (reason, finish) in [
        ("COMPLETE", Ok(FinishReason::Stop)),
        ("STOP_SEQUENCE", Ok(FinishReason::Stop)),
        ("MAX_TOKENS", Ok(FinishReason::Length)),
        ("TOOL_CALL", Ok(FinishReason::ToolCalls)),
        ("ERROR_TOXIC", Ok(FinishReason::ContentFilter)),
        ("ERROR", Err(ErrorClass::Upstream)),
        ("TIMEOUT", Err(ErrorClass::Timeout)),
    ] {
        let buffered = json!({"id": "c1", "finish_reason": reason, "usage": usage(), "message": {"role": "assistant", "content": []}});
        let stream = frame(&[start(), end(reason)]);
        match finish {
            Ok(finish) => {
                assert_eq!(same(&Cohere, &cohere(), &stream, &buffered).choices[0].finish, Some(finish));
            }
            Err(class) => {
                assert_eq!(answer(&Cohere, &cohere(), &buffered).unwrap_err().class, class);
                assert_eq!(steps(&Cohere, &cohere(), &stream, 20).unwrap_err().1.class, class);
            }
        }
    }
    let failed = json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "GPU lost"}});
    assert_eq!(steps(&Cohere, &cohere(), &frame(&[start(), failed]), 20).unwrap_err().1.message, "GPU lost");
}

#[test]
fn a_stream_without_its_end_is_cut() {
    for events in [&[][..], &[start()], &[start(), content(0, json!({"text": "Hi"}))]] {
        assert_eq!(steps(&Cohere, &cohere(), &frame(events), 7).unwrap_err().1.class, ErrorClass::Truncated);
    }
    let garbled = "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":5}\n\n";
    assert_eq!(steps(&Cohere, &cohere(), garbled, 7).unwrap_err().1.class, ErrorClass::Malformed);
    let error = steps(&Cohere, &cohere(), "data: {\"message\":\"boom\"}\n\n", 7).unwrap_err().1;
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::Upstream, "boom"));
}

#[test]
fn every_error_class() {
    use ErrorClass::*;
    for (status, message, class) in [
        (400, "bad", Invalid),
        (401, "no key", Auth),
        (402, "pay", Billing),
        (403, "no", Auth),
        (404, "model", NotFound),
        (422, "schema", Invalid),
        (429, "slow down", RateLimit),
        (429, "limited to 1000 API calls / month", Billing),
        (498, "invalid token", Auth),
        (499, "cancelled", Upstream),
        (500, "oops", Upstream),
        (501, "not here", Unsupported),
        (503, "busy", Overloaded),
        (504, "late", Upstream),
    ] {
        let value = json!({"id": "1", "message": message}).to_string();
        let error = Cohere.error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), value.as_bytes());
        assert_eq!((error.class, error.message.as_str(), error.status), (class, message, Some(status)));
    }
}

#[test]
fn a_conversation_is_translated() {
    let asked = input(
        json!({"model": "m", "max_tokens": 100, "stop": "END", "temperature": 1.5, "top_p": 1, "top_k": 900,
        "seed": 3, "n": 1, "presence_penalty": 0.1, "frequency_penalty": 1.2, "user": "u", "reasoning_effort": "none",
        "tool_choice": {"type": "function", "function": {"name": "now"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "messages": [
            {"role": "developer", "content": "Be brief"},
            {"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "files.read", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
            {"role": "assistant", "content": "Ok"},
            {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "?"}]}],
        "tools": [{"type": "function", "function": {"name": "files.read"}}, {"type": "function", "function": {"name": "now", "strict": true}}]}),
    );
    let request = Cohere.request(&cohere(), &asked, false).unwrap();
    assert_eq!(request.url, "https://api.example.com/v2/chat");
    assert_eq!(
        body(&request),
        json!({"model": "command-a", "stream": false, "max_tokens": 100, "stop_sequences": ["END"], "temperature": 1.0,
            "p": 0.99, "k": 500, "seed": 3, "frequency_penalty": 1.0, "thinking": {"type": "disabled"},
            "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
            "tools": [{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}],
            "strict_tools": true, "tool_choice": "REQUIRED",
            "messages": [
                {"role": "system", "content": "Be brief"},
                {"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
                {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "files_0x2e_read", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "x"},
                {"role": "assistant", "content": "Ok"},
                {"role": "user", "content": "And?"}]})
    );
    assert_eq!(request.dropped, ["presence_penalty", "user"]);
}

const WORDS: &[&str] = &[
    "type",
    "id",
    "index",
    "delta",
    "message",
    "content",
    "text",
    "thinking",
    "tool_plan",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "finish_reason",
    "usage",
    "billed_units",
    "tokens",
    "input_tokens",
    "error",
];

proptest! {
    #[test]
    fn nothing_panics(value in any_json(WORDS), kind in prop::sample::select(super::response::KNOWN)) {
        survives(&Cohere, &cohere(), &value, Some(kind));
    }
}
