use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Mapped, Mapping, validate};
use crate::providers::{
    ChatCodec, ChatInput, ErrorClass, Parsed, Target, UpstreamRequest,
    chat::{ChatRequest, FinishReason, Message, Params, Part, Usage},
    testing::{KEY, answer, any_json, body, collect, input, same, steps, survives, target},
};

fn mapped(mapping: &Value) -> Target {
    Target { mapping: Some(Arc::new(mapping.clone())), ..target("acme", "gpt-4o") }
}

fn mapping() -> Value {
    json!({
        "endpoint": "/v1/complete/{model}", "method": "POST", "headers": {"X-Key": "{api_key}", "X-Seed": "{seed}"},
        "body": {"messages": [{"$if": "{system_prompt}", "role": "system", "content": "{system_prompt}"},
                {"role": "user", "content": "{user_prompt}"}],
            "options.max_tokens": "{max_tokens}", "options.temperature": "{temperature}", "stop": "{stop}"},
        "response_mapping": {"text": "$.choices[0].message.content", "tokens_used": "$.usage.total_tokens", "id": "$.id"},
        "defaults": {"max_tokens": 1000},
        "stream": {"body": {"stream": true, "options.fast": true}, "text": "$.delta", "done": "[DONE]", "usage": "$.usage.total_tokens"},
    })
}

fn ask() -> ChatInput {
    input(
        json!({"model": "m", "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "hi {model}"}],
        "temperature": 0.5, "top_p": 0.5, "stop": "END", "logprobs": true, "tools": [{"function": {"name": "f"}}]}),
    )
}

#[test]
fn a_request_is_written() {
    let request = Mapped.request(&mapped(&mapping()), &ask(), false).unwrap();
    assert_eq!(request.url, "https://api.example.com/v1/complete/gpt-4o");
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.headers["x-key"], KEY);
    assert!(!request.headers.contains_key("authorization"), "the mapping presents the key itself");
    assert!(!request.headers.contains_key("x-seed"));
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(
        body(&request),
        json!({"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "hi {model}"}],
            "options": {"max_tokens": 1000, "temperature": 0.5}, "stop": ["END"]})
    );
    assert_eq!(request.dropped, ["logprobs", "top_p", "tools"]);
    let streamed = body(&Mapped.request(&mapped(&mapping()), &ask(), true).unwrap());
    assert_eq!(streamed["stream"], true);
    assert_eq!(streamed["options"], json!({"max_tokens": 1000, "temperature": 0.5, "fast": true}));
}

#[test]
fn without_a_place_for_the_key_the_providers_rule_holds() {
    let mut plain = mapping();
    plain["headers"] = json!({"Content-Type": "application/vnd.acme+json"});
    let request = Mapped.request(&mapped(&plain), &ask(), false).unwrap();
    assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(request.headers["content-type"], "application/vnd.acme+json");
}

#[test]
fn nothing_of_a_conversation_is_lost() {
    let mut plain = mapping();
    plain["body"] = json!({"prompt": "{prompt}"});
    let sent = |mapping: &Value, messages: Value| {
        let asked = input(json!({"model": "m", "messages": messages}));
        Mapped.request(&mapped(mapping), &asked, false).map(|request| body(&request))
    };
    let turns = json!([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "ho"}, {"role": "user", "content": "he"}]);
    assert_eq!(
        sent(&plain, turns.clone()).unwrap(),
        json!({"prompt": "Be brief\n\nUser: hi\n\nAssistant: ho\n\nUser: he"})
    );
    plain["body"] = json!({"all": "{messages}"});
    assert_eq!(sent(&plain, turns.clone()).unwrap(), json!({"all": turns}));
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]);
    assert_eq!(sent(&plain, image.clone()).unwrap(), json!({"all": image}));
    assert_eq!(sent(&mapping(), image).unwrap_err().class, ErrorClass::Unsupported);
    plain["body"] = json!({});
    assert!(sent(&plain, turns).unwrap_err().message.contains("no place for the prompt"));
}

#[test]
fn addresses() {
    let request = |endpoint: &str, base: &str, simulated: bool| {
        let mut mapping = mapping();
        mapping["endpoint"] = json!(endpoint);
        let target = Target { base_url: base.into(), simulated, ..mapped(&mapping) };
        Mapped.request(&target, &ask(), false).map(|request| request.url).map_err(|error| error.message)
    };
    let at = |endpoint: &str, base: &str| request(endpoint, base, false).unwrap();
    assert_eq!(at("/v1/chat", "https://a.com"), "https://a.com/v1/chat");
    assert_eq!(at("/v1/chat", "https://a.com/v1"), "https://a.com/v1/chat");
    assert_eq!(at("v1/chat", "https://a.com/x/"), "https://a.com/x/v1/chat");
    assert_eq!(at("/chat", "https://a.com/chat"), "https://a.com/chat/chat");
    assert_eq!(at("https://b.com/chat?m={model}", "https://a.com"), "https://b.com/chat?m=gpt-4o");
    assert_eq!(
        request("https://b.com/chat?x=1", "http://127.0.0.1:1/sim", true).unwrap(),
        "http://127.0.0.1:1/sim/chat?x=1"
    );
    for endpoint in ["https://{model}.com/x", "/x/{api_key}", "", "/a b", "/x#y", "/{voice}/x", "https:///x"] {
        assert!(request(endpoint, "https://a.com", false).unwrap_err().contains("endpoint"), "{endpoint}");
    }
}

#[test]
fn a_key_is_never_shown() {
    let mut bad = mapping();
    bad["endpoint"] = json!("/x?key={api_key}");
    bad["body"] = json!({"auth": "{api_key}", "p": "{prompt}"});
    let request = Mapped.request(&mapped(&bad), &ask(), false).unwrap();
    assert!(request.url.contains(KEY) && body(&request)["auth"] == KEY);
    assert!(!format!("{request:?}").contains(KEY));
    bad["body"]["n"] = json!("{api_key:int}");
    assert!(!Mapped.request(&mapped(&bad), &ask(), false).unwrap_err().to_string().contains(KEY));
    let mut broken = mapped(&mapping());
    broken.credential = Some(crate::providers::Secret::new("sk\nvery-secret"));
    let error = Mapped.request(&broken, &ask(), false).unwrap_err();
    assert!(error.message.contains("headers.X-Key") && !error.message.contains("very-secret"), "{error}");
}

#[test]
fn an_answer_streamed_equals_the_answer_buffered() {
    let mut mapping = mapping();
    mapping["response_mapping"].as_object_mut().unwrap().remove("id");
    let stream = concat!(
        "data: {\"delta\":\"Grüß \"}\n\n",
        "data: {\"delta\":\"dich\",\"usage\":null}\n\n",
        "data: {\"usage\":{\"total_tokens\":84}}\n\n",
        "data: [DONE]\n\n"
    );
    let buffered =
        json!({"id": "x", "choices": [{"message": {"content": "Grüß dich"}}], "usage": {"total_tokens": 84}});
    let got = same(&Mapped, &mapped(&mapping), stream, &buffered);
    assert_eq!(got.usage, Some(Usage { input: 84, ..Usage::default() }));
    assert_eq!(got.choices[0].finish, Some(FinishReason::Stop));
}

#[test]
fn a_path_can_mark_the_end() {
    let mut mapping = mapping();
    mapping["stream"] = json!({"text": "$.t", "done": "$.done", "input_tokens": "$.in", "output_tokens": "$.out", "error": "$.error",
        "finish_reason": "$.why"});
    let target = mapped(&mapping);
    let whole = "data: {\"in\":3,\"done\":false}\n\ndata: {\"t\":\"a\"}\n\ndata: {\"t\":\"b\",\"out\":2,\"done\":true,\"why\":\"length\"}\n\n";
    let got = collect(&steps(&Mapped, &target, whole, 4).unwrap());
    assert_eq!(got.choices[0].content.as_deref(), Some("ab"));
    assert_eq!(got.choices[0].finish, Some(FinishReason::Length));
    assert_eq!(got.usage, Some(Usage { input: 3, output: 2, ..Usage::default() }));
    let class = |stream: &str| steps(&Mapped, &target, stream, 4).unwrap_err().1.class;
    assert_eq!(class("data: {\"t\":\"a\"}\n\n"), ErrorClass::Truncated);
    assert_eq!(class("data: nonsense\n\n"), ErrorClass::Malformed);
    assert_eq!(class("data: {\"error\":{\"message\":\"boom\"}}\n\n"), ErrorClass::Upstream);
    mapping.as_object_mut().unwrap().remove("stream");
    assert!(Mapped.decoder(&mapped(&mapping)).is_none());
}

#[test]
fn every_way_to_name_text_and_tokens() {
    let read = |responses: Value, value: Value| {
        let mut mapping = mapping();
        mapping["response_mapping"] = responses;
        answer(&Mapped, &mapped(&mapping), &value)
    };
    let text = |responses: Value, value: Value| read(responses, value).unwrap().choices[0].content.clone().unwrap();
    let all = json!({"text": "$.a", "content": "$.b", "message": "$.c"});
    assert_eq!(text(all.clone(), json!({"a": "1", "b": "2"})), "1");
    assert_eq!(text(all.clone(), json!({"b": "2", "c": "3"})), "2");
    assert_eq!(text(all.clone(), json!({"c": ["x", "y"]})), "xy");
    assert_eq!(text(json!({"text": "$"}), json!("whole")), "whole");
    assert_eq!(read(all, json!({"d": 1})).unwrap_err().class, ErrorClass::Malformed);
    let error = read(json!({"text": "$.a", "error": "$.e"}), json!({"a": "x", "e": "boom"})).unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::Upstream, "boom"));
    for (responses, value, expected) in [
        (json!({"usage_tokens": "$.n"}), json!({"n": 7}), Some((7, 0))),
        (json!({"tokens_used": "$.n", "usage_tokens": "$.m"}), json!({"n": "7", "m": 9}), Some((7, 0))),
        (json!({"tokens_used": "$.n", "output_tokens": "$.o"}), json!({"n": 7, "o": 2}), Some((5, 2))),
        (json!({"input_tokens": "$.n", "output_tokens": "$.o"}), json!({"n": 7, "o": 2}), Some((7, 2))),
        (json!({"tokens_used": "$.n"}), json!({}), None),
    ] {
        let mut all = json!({"text": "$.t"});
        super::template::overlay(&mut all, responses);
        let mut answer = json!({"t": "x"});
        super::template::overlay(&mut answer, value);
        assert_eq!(read(all, answer).unwrap().usage.map(|u| (u.input, u.output)), expected);
    }
}

fn polling() -> Value {
    let mut mapping = mapping();
    mapping["poll"] = json!({"endpoint": "/v1/jobs/{job_id}", "job_id": "$.id", "status": "$.status", "done": ["succeeded", true],
        "failed": ["failed"], "error": "$.error.message", "interval_ms": 500, "response_mapping": {"text": "$.output"}});
    mapping
}

fn next(parsed: Parsed) -> UpstreamRequest {
    match parsed {
        Parsed::Poll { next, wait } => {
            assert_eq!(wait.as_millis(), 500);
            *next
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_is_submitted_and_polled() {
    let target = mapped(&polling());
    let bytes = |value: Value| Bytes::from(value.to_string());
    let headers = HeaderMap::new();
    let submitted = Mapped.response(&target, &headers, bytes(json!({"id": "job/7", "status": "queued"}))).unwrap();
    let asked = next(submitted);
    assert_eq!((asked.url.as_str(), &asked.method), ("https://api.example.com/v1/jobs/job%2F7", &Method::GET));
    assert_eq!(asked.headers["x-key"], KEY);
    assert!(asked.body.is_empty());
    let again = next(Mapped.polled(&target, &asked, &headers, bytes(json!({"status": "running"}))).unwrap());
    assert_eq!(again.url, asked.url);
    for status in [json!("Succeeded"), json!(true)] {
        let done = Mapped.polled(&target, &again, &headers, bytes(json!({"status": status, "output": "Hi"}))).unwrap();
        assert!(matches!(done, Parsed::Done(answer) if answer.choices[0].content.as_deref() == Some("Hi")));
    }
    let failed = json!({"status": "failed", "error": {"message": "no GPU"}});
    let error = Mapped.polled(&target, &asked, &headers, bytes(failed)).unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::Upstream, "no GPU"));
    let at_once = Mapped.response(&target, &headers, bytes(json!({"status": "succeeded", "output": "Hi"}))).unwrap();
    assert!(matches!(at_once, Parsed::Done(_)));
    let nameless = Mapped.response(&target, &headers, bytes(json!({"status": "queued"}))).unwrap_err();
    assert_eq!(nameless.class, ErrorClass::Malformed);
}

#[test]
fn errors_are_read_in_the_usual_shapes() {
    for (status, body, class, message) in [
        (401, "{\"error\":{\"message\":\"bad key\"}}", ErrorClass::Auth, "bad key"),
        (402, "{\"detail\":\"pay\"}", ErrorClass::Billing, "pay"),
        (404, "", ErrorClass::NotFound, "the provider answered with status 404"),
        (422, "{\"message\":\"bad\"}", ErrorClass::Invalid, "bad"),
        (429, "{\"error\":\"slow\"}", ErrorClass::RateLimit, "slow"),
        (500, "oops", ErrorClass::Upstream, "oops"),
        (503, "{}", ErrorClass::Overloaded, "the provider answered with status 503"),
    ] {
        let error = Mapped.error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.class, error.message.as_str()), (class, message));
    }
    let error = Mapped.request(&target("acme", "m"), &ask(), false).unwrap_err();
    assert_eq!(error.class, ErrorClass::Unsupported);
}

#[test]
fn a_typed_request_works_too() {
    let request = ChatRequest {
        messages: vec![Message::User(vec![Part::Text("hi".into())])],
        params: Params { max_tokens: Some(5), ..Params::default() },
        ..ChatRequest::default()
    };
    let sent = Mapped.request(&mapped(&mapping()), &ChatInput::from_typed(None, false, request), false).unwrap();
    assert_eq!(body(&sent), json!({"messages": [{"role": "user", "content": "hi"}], "options": {"max_tokens": 5}}));
}

#[test]
fn problems_are_told_place_by_place() {
    assert_eq!(validate(&mapping()), []);
    assert_eq!(validate(&polling()), []);
    let paths = |mapping: &Value| validate(mapping).into_iter().map(|p| p.path).collect::<Vec<_>>();
    assert_eq!(paths(&json!({})), ["endpoint", "method", "headers", "body", "response_mapping"]);
    assert_eq!(paths(&json!([])), [""]);
    let change = |change: &dyn Fn(&mut Value)| {
        let mut mapping = polling();
        change(&mut mapping);
        paths(&mapping)
    };
    assert_eq!(change(&|m| m["endpoint"] = json!("https://{host}/x")), ["endpoint"]);
    assert_eq!(change(&|m| m["endpoint"] = json!("/x/{voice:text}")), ["endpoint"]);
    assert_eq!(change(&|m| m["method"] = json!("FETCH")), ["method"]);
    assert_eq!(change(&|m| m["method"] = json!("GET")), ["body", "stream"]);
    assert_eq!(change(&|m| m["headers"]["Host"] = json!("x")), ["headers.Host"]);
    assert_eq!(change(&|m| m["headers"]["a b"] = json!("x")), ["headers.a b"]);
    assert_eq!(change(&|m| m["headers"]["X-List"] = json!([])), ["headers.X-List"]);
    assert_eq!(change(&|m| m["headers"]["Content-Type"] = json!("multipart/form-data")), ["headers.Content-Type"]);
    assert_eq!(change(&|m| m["body"]["messages"][1]["content"] = json!("{x|shout}")), ["body.messages[1].content"]);
    assert_eq!(change(&|m| m["response_mapping"]["text"] = json!("choices")), ["response_mapping.text"]);
    assert_eq!(change(&|m| m["response_mapping"]["text"] = json!(5)), ["response_mapping.text"]);
    assert_eq!(change(&|m| m["response_mapping"] = json!("$")), ["response_mapping"]);
    assert_eq!(change(&|m| m["defaults"] = json!([])), ["defaults"]);
    assert_eq!(change(&|m| m["poll"] = json!({})), ["poll.endpoint", "poll.job_id", "poll.status", "poll.done"]);
    assert_eq!(change(&|m| m["poll"]["done"] = json!([])), ["poll.done"]);
    assert_eq!(change(&|m| m["poll"]["interval_ms"] = json!(1)), ["poll.interval_ms"]);
    assert_eq!(change(&|m| m["poll"]["response_mapping"]["text"] = json!("$.")), ["poll.response_mapping.text"]);
    assert_eq!(change(&|m| m["stream"]["done"] = json!(null)), ["stream.done"]);
    assert_eq!(change(&|m| m["stream"]["text"] = json!("delta")), ["stream.text"]);
    assert_eq!(change(&|m| m["stream"]["body"] = json!([])), ["stream.body"]);
    let long = |part: &str, value: Value| change(&|m| m[part] = value.clone());
    assert_eq!(long("lookup", json!({"endpoint": "/x?r={reference}", "job_id": "$.jobs[0].id"})), [""; 0]);
    assert_eq!(long("lookup", json!({})), ["lookup.endpoint", "lookup.job_id"]);
    assert_eq!(long("lookup", json!({"endpoint": "/x", "job_id": "$", "none_on_404": 1})), ["lookup.none_on_404"]);
    assert_eq!(long("cancel", json!({"endpoint": "/x y", "method": "STOP"})), ["cancel.endpoint", "cancel.method"]);
    assert_eq!(long("callback", json!({})), [""; 0]);
    assert_eq!(long("callback", json!({"job_id": "id"})), ["callback.job_id"]);
    assert_eq!(long("callback", json!({"done": []})), ["callback.done"]);
    assert_eq!(long("callback", json!({"response_mapping": {"text": "x"}})), ["callback.response_mapping.text"]);
    assert_eq!(long("idempotent", json!("yes")), ["idempotent"]);
    assert_eq!(change(&|m| m["poll"]["progress"] = json!("progress")), ["poll.progress"]);
    for part in ["lookup", "cancel", "callback"] {
        let alone = change(&|m| {
            m["poll"] = json!(null);
            m[part] = json!({"endpoint": "/x", "job_id": "$.id"});
        });
        assert_eq!(alone, [part], "they need the part poll");
    }
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    assert!(change(&|m| m["body"] = deep.clone())[0].starts_with("body[0][0]"));
}

const WORDS: &[&str] = &[
    "endpoint",
    "method",
    "headers",
    "body",
    "response_mapping",
    "defaults",
    "poll",
    "stream",
    "text",
    "done",
    "usage",
    "job_id",
    "status",
    "failed",
    "error",
    "interval_ms",
    "lookup",
    "cancel",
    "callback",
    "idempotent",
    "progress",
    "none_on_404",
    "/v1/{model}",
    "POST",
    "GET",
    "$.text",
    "$.a[0]",
    "{prompt}",
    "{messages}",
    "{api_key}",
    "{seed:int}",
    "a.b",
    "$if",
    "[DONE]",
    "tokens_used",
    "input_tokens",
];

/// Mappings that are nearly right.
fn any_mapping() -> impl Strategy<Value = Value> {
    (prop::sample::select(WORDS), any_json(WORDS), prop::sample::select(WORDS), any_json(WORDS)).prop_map(
        |(first, one, second, two)| {
            let mut mapping = polling();
            mapping[first] = one;
            if let Some(part) = mapping.get_mut("poll").and_then(Value::as_object_mut) {
                part.insert(second.to_owned(), two);
            }
            mapping
        },
    )
}

proptest! {
    #[test]
    fn no_mapping_and_no_answer_panics(mapping in any_mapping(), value in any_json(WORDS)) {
        let target = mapped(&mapping);
        let _ = Mapped.request(&target, &ask(), true);
        let _ = super::remote::abilities(&target);
        let _ = super::remote::read_callback(&mapping, value.to_string().as_bytes());
        survives(&Mapped, &target, &value, None);
        if validate(&mapping).is_empty() {
            prop_assert!(Mapping::read(&mapping).is_ok());
            let streams = mapping.get("stream").is_some_and(|part| !part.is_null());
            prop_assert_eq!(Mapped.decoder(&target).is_some(), streams);
        }
        let _ = validate(&value);
    }
}
