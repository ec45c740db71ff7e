use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Gemini;
use crate::providers::{
    ChatCodec, ErrorClass, Target,
    chat::{FinishReason, Usage},
    testing::{answer, any_json, body, collect, input, lacking, same, steps, survives, target},
};

fn frame(events: &[Value]) -> String {
    events.iter().map(|e| format!("data: {e}\r\n\r\n")).collect()
}

fn gemini() -> Target {
    target("gemini", "gemini-2.5-flash")
}

fn event(parts: Value, finish: Option<&str>, usage: Value) -> Value {
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": "r1"})
}

fn usage() -> Value {
    json!({"promptTokenCount": 50, "candidatesTokenCount": 20, "thoughtsTokenCount": 8, "toolUsePromptTokenCount": 2,
        "cachedContentTokenCount": 30, "totalTokenCount": 80, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 50}]})
}

#[test]
fn a_stream_equals_the_buffered_answer() {
    let early = json!({"promptTokenCount": 50, "totalTokenCount": 50});
    let call = json!({"functionCall": {"name": "files_0x2e_read", "args": {"a": 1}}, "thoughtSignature": "c2ln"});
    let stream = frame(&[
        event(json!([{"text": "hm ", "thought": true}]), None, early.clone()),
        event(json!([{"text": "hm", "thought": true}, {"text": "Grüß "}]), None, early.clone()),
        event(json!([{"text": "dich 😀"}]), Some("STOP"), early),
        event(json!([call, {"functionCall": {"id": "own", "name": "now"}}]), Some("STOP"), usage()),
    ]);
    let buffered = event(
        json!([{"text": "hm hm", "thought": true}, {"text": "Grüß dich 😀"}, call, {"functionCall": {"id": "own", "name": "now"}}]),
        Some("STOP"),
        usage(),
    );
    let got = same(&Gemini, &gemini(), &stream, &buffered);
    assert_eq!(got.usage, Some(Usage { input: 52, cached: 30, cache_write: 0, output: 28, reasoning: 8 }));
    let choice = &got.choices[0];
    assert_eq!(choice.finish, Some(FinishReason::ToolCalls));
    assert_eq!(choice.tool_calls[0].id, "call_r1_0");
    assert_eq!(
        (choice.tool_calls[0].name.as_str(), choice.tool_calls[0].arguments.as_str()),
        ("files.read", "{\"a\":1}")
    );
    assert_eq!((choice.tool_calls[1].id.as_str(), choice.tool_calls[1].arguments.as_str()), ("own", "{}"));
    assert_eq!((got.id.as_str(), got.model.as_str()), ("r1", "gemini-2.5-flash"));
}

#[test]
fn thoughts_are_not_counted_twice() {
    let inclusive =
        json!({"promptTokenCount": 5, "candidatesTokenCount": 10, "thoughtsTokenCount": 4, "totalTokenCount": 15});
    let value = event(json!([{"text": "x"}]), Some("STOP"), inclusive);
    let got = same(&Gemini, &gemini(), &frame(std::slice::from_ref(&value)), &value);
    assert_eq!(got.usage, Some(Usage { input: 5, output: 10, reasoning: 4, ..Usage::default() }));
}

#[test]
fn every_finish_reason() {
    for (reason, finish) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("IMAGE_SAFETY", FinishReason::ContentFilter),
        ("NO_IMAGE", FinishReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", FinishReason::Stop),
        ("SOMETHING_NEW", FinishReason::Stop),
    ] {
        let value = json!({"candidates": [{"finishReason": reason}], "usageMetadata": usage()});
        let got = same(&Gemini, &gemini(), &frame(std::slice::from_ref(&value)), &value);
        assert_eq!((got.choices[0].finish, &got.choices[0].content), (Some(finish), &None), "{reason}");
    }
}

#[test]
fn a_blocked_prompt_is_an_answer_without_content() {
    let value = json!({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": []},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}});
    let got = same(&Gemini, &gemini(), &frame(std::slice::from_ref(&value)), &value);
    assert_eq!(got.choices[0].finish, Some(FinishReason::ContentFilter));
    assert_eq!(got.choices[0].content, None);
    assert_eq!(got.usage, Some(Usage { input: 5, ..Usage::default() }));
    assert_eq!(answer(&Gemini, &gemini(), &json!({})).unwrap_err().class, ErrorClass::Malformed);
}

#[test]
fn the_end_needs_a_finish_reason() {
    let cut = frame(&[event(json!([{"text": "Hi"}]), None, usage())]);
    assert_eq!(steps(&Gemini, &gemini(), &cut, 9).unwrap_err().1.class, ErrorClass::Truncated);
    assert_eq!(steps(&Gemini, &gemini(), "", 9).unwrap_err().1.class, ErrorClass::Truncated);
    let half = frame(&[event(json!([{"text": "Hi"}]), Some("STOP"), usage())]) + "data: {\"candi\n\n";
    assert_eq!(steps(&Gemini, &gemini(), &half, 9).unwrap_err().1.class, ErrorClass::Malformed);
    let two = |index: u32, finish: Option<&str>| json!({"candidates": [{"index": index, "content": {"parts": [{"text": "x"}]}, "finishReason": finish}]});
    let open = frame(&[two(0, Some("STOP")), two(1, None)]);
    assert!(steps(&Gemini, &gemini(), &open, 9).is_err());
    let got = collect(&steps(&Gemini, &gemini(), &(open + &frame(&[two(1, Some("STOP"))])), 9).unwrap());
    assert_eq!(got.choices.len(), 2);
}

#[test]
fn every_error_class() {
    use ErrorClass::*;
    let retry = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "46s"}]);
    for (status, kind, message, details, class) in [
        (400, "INVALID_ARGUMENT", "bad", json!([]), Invalid),
        (400, "INVALID_ARGUMENT", "API key not valid", json!([{"reason": "API_KEY_INVALID"}]), Auth),
        (400, "FAILED_PRECONDITION", "enable billing", json!([]), Billing),
        (400, "FAILED_PRECONDITION", "location", json!([]), Invalid),
        (402, "RESOURCE_EXHAUSTED", "prepay", json!([]), Billing),
        (403, "PERMISSION_DENIED", "no", json!([]), Auth),
        (404, "NOT_FOUND", "model", json!([]), NotFound),
        (429, "RESOURCE_EXHAUSTED", "quota", retry.clone(), RateLimit),
        (429, "RESOURCE_EXHAUSTED", "quota, limit: 0, model: x", retry, Billing),
        (500, "INTERNAL", "oops", json!([]), Upstream),
        (503, "UNAVAILABLE", "busy", json!([]), Overloaded),
        (504, "DEADLINE_EXCEEDED", "late", json!([]), Upstream),
    ] {
        let value = json!({"error": {"code": status, "message": message, "status": kind, "details": details}});
        let error =
            Gemini.error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), value.to_string().as_bytes());
        assert_eq!((error.class, error.message.as_str(), error.status), (class, message, Some(status)));
        assert_eq!(error.retry_after.map(|wait| wait.as_secs()), (status == 429).then_some(46));
        let text = frame(&[event(json!([{"text": "Hi"}]), None, usage()), value.clone()]);
        let (before, error) = *steps(&Gemini, &gemini(), &text, 50).unwrap_err();
        assert!(before.iter().any(|step| step.content.is_some()));
        assert_eq!((error.class, error.status), (class, Some(status)));
        assert_eq!(answer(&Gemini, &gemini(), &json!([value])).unwrap_err().class, class);
    }
    let page = Gemini.error(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>502</html>");
    assert_eq!((page.class, page.message.as_str()), (Upstream, "the provider answered with status 502"));
}

#[test]
fn a_conversation_is_translated() {
    let asked = input(
        json!({"model": "m", "max_tokens": 100, "stop": "END", "temperature": 0.5, "top_p": 0.9, "top_k": 5,
        "seed": 3, "n": 2, "presence_penalty": 0.1, "frequency_penalty": 0.2, "user": "u", "parallel_tool_calls": false,
        "reasoning_effort": "low", "tool_choice": {"type": "function", "function": {"name": "files.read"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "What is this?"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.JPG?x=1"}},
                {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}}]},
            {"role": "assistant", "content": "Well", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "files.read", "arguments": "{\"p\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "now", "arguments": "oops"}}]},
            {"role": "tool", "tool_call_id": "c2", "content": "noon"},
            {"role": "tool", "tool_call_id": "c1", "content": "{\"ok\":true}"},
            {"role": "user", "content": "And?"}],
        "tools": [{"type": "function", "function": {"name": "files.read", "description": "d", "parameters": {"type": "object"}, "strict": true}}]}),
    );
    let request = Gemini.request(&gemini(), &asked, true).unwrap();
    assert_eq!(request.url, "https://api.example.com/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    assert_eq!(
        body(&request),
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief"}]},
            "contents": [
                {"role": "user", "parts": [
                    {"text": "What is this?"},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                    {"fileData": {"fileUri": "https://example.com/a.JPG?x=1", "mimeType": "image/jpeg"}},
                    {"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}}, {"text": " "}]},
                {"role": "model", "parts": [
                    {"text": "Well"},
                    {"functionCall": {"id": "c1", "name": "files_0x2e_read", "args": {"p": 1}}},
                    {"functionCall": {"id": "c2", "name": "now", "args": {"arguments": "oops"}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "c2", "name": "now", "response": {"result": "noon"}}},
                    {"functionResponse": {"id": "c1", "name": "files_0x2e_read", "response": {"ok": true}}},
                    {"text": "And?"}]}],
            "tools": [{"functionDeclarations": [{"name": "files_0x2e_read", "description": "d", "parametersJsonSchema": {"type": "object"}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["files_0x2e_read"]}},
            "generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 5, "maxOutputTokens": 100, "candidateCount": 2,
                "stopSequences": ["END"], "seed": 3, "presencePenalty": 0.1, "frequencyPenalty": 0.2,
                "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
                "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true}},
        })
    );
    assert_eq!(request.dropped, ["parallel_tool_calls", "user"]);
}

#[test]
fn newer_models_think_by_level_and_want_signatures() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let asked = input(
        json!({"model": "m", "reasoning_effort": "none", "temperature": 0.2, "seed": 99999999999i64, "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": null, "tool_calls": [call, call]},
        {"role": "tool", "tool_call_id": "c", "content": "x"}]}),
    );
    let new = lacking(target("gemini", "gemini-3.8-flash"), &["sampling_params", "minimal_reasoning_effort"]);
    let request = Gemini.request(&new, &asked, false).unwrap();
    assert_eq!(request.url, "https://api.example.com/models/gemini-3.8-flash:generateContent");
    let sent = body(&request);
    assert_eq!(sent["generationConfig"], json!({"thinkingConfig": {"thinkingLevel": "low", "includeThoughts": false}}));
    let parts = &sent["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(parts[1].get("thoughtSignature"), None);
    assert_eq!(request.dropped, ["temperature", "seed"]);
    let old = Gemini.request(&target("gemini", "gemini-2.0-flash"), &asked, false).unwrap();
    assert!(old.dropped.contains(&"reasoning_effort"));
}

#[test]
fn odd_conversations() {
    let only_system = input(json!({"model": "m", "messages": [{"role": "system", "content": "Be brief"}]}));
    let sent = body(&Gemini.request(&gemini(), &only_system, false).unwrap());
    assert_eq!(sent["contents"], json!([{"role": "user", "parts": [{"text": "."}]}]));
    let stray = input(json!({"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}));
    assert_eq!(Gemini.request(&gemini(), &stray, false).unwrap_err().class, ErrorClass::Invalid);
}

const WORDS: &[&str] = &[
    "candidates",
    "index",
    "content",
    "parts",
    "text",
    "thought",
    "functionCall",
    "name",
    "args",
    "id",
    "finishReason",
    "STOP",
    "promptFeedback",
    "blockReason",
    "usageMetadata",
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
    "error",
    "code",
    "status",
    "message",
    "details",
    "retryDelay",
    "reason",
];

proptest! {
    #[test]
    fn nothing_panics(value in any_json(WORDS)) {
        survives(&Gemini, &gemini(), &value, None);
    }
}
