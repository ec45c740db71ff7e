use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{OpenAi, body};
use crate::providers::{
    ChatCodec, ChatInput, ErrorClass,
    chat::{ChatRequest, FinishReason, Message, Params, Part, ResponseFormat, Tool, ToolCall, ToolChoice, Usage},
    testing::{answer, any_json, body as sent, collect, input, lacking, same, steps, survives, target},
};

fn frame(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn chunk(delta: Value, finish: Option<&str>) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini", "usage": null,
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]})
}

fn usage_chunk(usage: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini", "choices": [], "usage": usage})
}

fn whole(message: Value, finish: &str, usage: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}], "usage": usage})
}

fn usage() -> Value {
    json!({"prompt_tokens": 90, "completion_tokens": 20, "total_tokens": 110,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0, "cache_write_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 12, "audio_tokens": 0}})
}

#[test]
fn a_text_streamed_equals_the_text_buffered() {
    let stream = frame(&[
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(json!({"content": "Grüß "}), None),
        chunk(json!({"content": "dich 😀"}), None),
        chunk(json!({}), Some("stop")),
        usage_chunk(usage()),
    ]) + "data: [DONE]\n\n";
    let message = json!({"role": "assistant", "content": "Grüß dich 😀", "refusal": null, "annotations": []});
    let got = same(&OpenAi, &target("openai", "m"), &stream, &whole(message, "stop", usage()));
    assert_eq!(got.usage, Some(Usage { input: 90, cached: 64, cache_write: 5, output: 20, reasoning: 12 }));
    assert_eq!(got.choices[0].finish, Some(FinishReason::Stop));
}

#[test]
fn tool_calls_streamed_equal_those_buffered() {
    let call = |index: u32, id: &str, name: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
    let more = |index: u32, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let stream = frame(&[
        chunk(json!({"role": "assistant", "content": null}), None),
        chunk(call(0, "call_a", "f"), None),
        chunk(more(0, "{\"x\":"), None),
        chunk(more(0, "1}"), None),
        chunk(call(1, "call_b", "g"), None),
        chunk(more(1, "{}"), None),
        chunk(json!({}), Some("tool_calls")),
        usage_chunk(usage()),
    ]) + "data: [DONE]\n\n";
    let message = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
        {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]});
    same(&OpenAi, &target("openai", "m"), &stream, &whole(message, "tool_calls", usage()));
}

#[test]
fn the_providers_own_json_is_kept() {
    let body = whole(json!({"role": "assistant", "content": "Hi"}), "stop", usage());
    let got = answer(&OpenAi, &target("openai", "m"), &body).unwrap();
    assert_eq!(got.raw, Some(Bytes::from(body.to_string())));
    let first = chunk(json!({"role": "assistant", "content": "x"}), None);
    let (got, _) = *steps(&OpenAi, &target("openai", "m"), &frame(std::slice::from_ref(&first)), 1000).unwrap_err();
    assert_eq!(got[0].raw, Some(Bytes::from(first.to_string())));
}

#[test]
fn usage_is_found_wherever_a_provider_puts_it() {
    let deepseek = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2});
    let expected = Usage { input: 10, cached: 8, output: 5, ..Usage::default() };
    let message = json!({"role": "assistant", "content": "Hi", "reasoning_content": "hm"});
    let stream = frame(&[
        chunk(json!({"role": "assistant", "content": null, "reasoning_content": "hm"}), None),
        chunk(json!({"content": "Hi"}), None),
        chunk(json!({"content": ""}), Some("stop")),
        usage_chunk(deepseek.clone()),
    ]) + ": keep-alive\n\ndata: [DONE]\n\n";
    let got = same(&OpenAi, &target("deepseek", "m"), &stream, &whole(message, "stop", deepseek));
    assert_eq!(got.usage, Some(expected));
    assert_eq!(got.choices[0].reasoning.as_deref(), Some("hm"));

    let groq =
        json!({"queue_time": 0.1, "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "total_time": 0.2});
    let mut last = chunk(json!({}), Some("stop"));
    last["x_groq"] = json!({"id": "req", "usage": groq});
    let message = json!({"role": "assistant", "content": "Hi", "reasoning": "hm"});
    let stream = frame(&[chunk(json!({"role": "assistant", "reasoning": "hm", "content": "Hi"}), None), last])
        + "data: [DONE]\n\n";
    let got = same(&OpenAi, &target("groq", "m"), &stream, &whole(message, "stop", groq));
    assert_eq!(got.usage, Some(Usage { input: 10, output: 5, ..Usage::default() }));

    // Mistral: usage beside the finish reason, content as a list.
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let list =
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]);
    let mut last = chunk(json!({}), Some("model_length"));
    last["usage"] = usage.clone();
    let stream = frame(&[chunk(json!({"role": "assistant", "content": list}), None), last]) + "data: [DONE]\n\n";
    let got = same(&OpenAi, &target("mistral", "m"), &stream, &whole(json!({"content": list}), "model_length", usage));
    assert_eq!(got.choices[0].content.as_deref(), Some("Hi"));
    assert_eq!(got.choices[0].reasoning.as_deref(), Some("hm"));
    assert_eq!(got.choices[0].finish, Some(FinishReason::Length));

    // xAI counts reasoning beside the answer.
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35, "completion_tokens_details": {"reasoning_tokens": 20}});
    let got = answer(&OpenAi, &target("xai", "m"), &whole(json!({"content": "Hi"}), "stop", usage)).unwrap();
    assert_eq!(got.usage, Some(Usage { input: 10, output: 25, reasoning: 20, ..Usage::default() }));
}

#[test]
fn odd_servers_are_understood_and_put_right() {
    let odd = json!({"choices": [{"message": {"content": null, "tool_calls": [
        {"function": {"name": "f", "arguments": {"x": 1}}}, {"id": "", "function": {"name": "g"}}]}, "finish_reason": ""}]});
    let stream = frame(&[
        json!({"choices": [{"delta": {"role": "robot", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]}}]}),
        json!({"choices": [{"delta": {"tool_calls": [{"id": "", "function": {"name": "g"}}]}, "finish_reason": ""}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}),
    ]);
    let got = same(&OpenAi, &target("my-vllm", "m"), &stream, &odd);
    let calls: Vec<_> = got.choices[0].tool_calls.iter().map(|c| (c.name.as_str(), c.arguments.as_str())).collect();
    assert_eq!(calls, [("f", "{\"x\":1}"), ("g", "")]);
    assert_eq!(got.choices[0].finish, Some(FinishReason::ToolCalls));
    assert_eq!(got.usage, None);
    assert!(answer(&OpenAi, &target("my-vllm", "m"), &odd).unwrap().raw.is_none());
    assert!(
        steps(&OpenAi, &target("my-vllm", "m"), &stream, 99).unwrap().iter().all(|step| step.raw.is_none()),
        "a strict client could not read these"
    );
}

#[test]
fn a_cut_stream_is_told_from_a_whole_one() {
    let text = chunk(json!({"role": "assistant", "content": "Hi"}), None);
    let stop = chunk(json!({}), Some("stop"));
    let cut = frame(std::slice::from_ref(&text));
    let unmarked = frame(&[text.clone(), stop.clone()]);
    for (provider, stream, whole) in [
        ("openai", cut.clone(), false),
        ("my-vllm", cut.clone(), false),
        ("openai", unmarked.clone(), false),
        ("my-vllm", unmarked.clone(), true),
        ("openai", unmarked.clone() + "data: [DONE]", true),
        ("my-vllm", String::new(), false),
        ("my-vllm", frame(&[text, stop.clone(), stop]) + "data: {\"choi", true),
        ("openai", cut + "data: {\"choi", false),
    ] {
        match steps(&OpenAi, &target(provider, "m"), &stream, 5) {
            Ok(_) => assert!(whole, "{provider} {stream}"),
            Err(failure) => {
                let (_, error) = *failure;
                assert!(!whole, "{provider} {stream}");
                assert_eq!(error.class, ErrorClass::Truncated);
            }
        }
    }
}

#[test]
fn several_choices_must_all_finish() {
    let part = |index: u32, finish: Option<&str>| json!({"id": "1", "object": "chat.completion.chunk", "choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": finish}]});
    let open = frame(&[part(0, None), part(1, None), part(0, Some("stop"))]);
    assert!(steps(&OpenAi, &target("my-vllm", "m"), &open, 9).is_err());
    let closed = open + &frame(&[part(1, Some("length"))]);
    let got = collect(&steps(&OpenAi, &target("my-vllm", "m"), &closed, 9).unwrap());
    assert_eq!(got.choices.iter().map(|c| c.content.as_deref()).collect::<Vec<_>>(), [Some("xx"), Some("xx")]);
}

#[test]
fn errors_inside_a_good_answer_are_errors() {
    for (value, class) in [
        (json!({"error": {"message": "boom", "type": "server_error", "code": null}}), ErrorClass::Upstream),
        (json!({"error": {"code": 429, "message": "slow"}, "choices": []}), ErrorClass::RateLimit),
        (json!({"object": "error", "message": "boom", "code": 500}), ErrorClass::Upstream),
        (
            json!({"id": "1", "choices": [{"index": 0, "finish_reason": "error", "delta": {}, "message": {}}]}),
            ErrorClass::Upstream,
        ),
        (
            json!({"choices": [{"index": 0, "finish_reason": "insufficient_system_resource", "delta": {}}]}),
            ErrorClass::Overloaded,
        ),
        (json!({"choices": "none"}), ErrorClass::Malformed),
        (json!([1]), ErrorClass::Malformed),
    ] {
        let error = answer(&OpenAi, &target("openrouter", "m"), &value).unwrap_err();
        assert_eq!(error.class, class, "{value}");
        let text = frame(&[chunk(json!({"content": "Hi"}), None)]);
        let (before, error) = *steps(&OpenAi, &target("openrouter", "m"), &(text + &frame(&[value])), 11).unwrap_err();
        assert_eq!((before.len(), error.class), (1, class));
    }
    assert_eq!(
        answer(&OpenAi, &target("openai", "m"), &json!({"choices": []})).unwrap_err().class,
        ErrorClass::Malformed
    );
}

#[test]
fn the_request_goes_out_as_it_came() {
    let raw = Bytes::from_static(br#"{"model":"m", "messages":[{"role":"user","content":"hi"}],"x_extra":1,"seed":4}"#);
    let request = OpenAi.request(&target("openai", "m"), &ChatInput::from_openai(raw.clone()).unwrap(), false).unwrap();
    assert_eq!(request.body, raw);
    assert_eq!(request.url, "https://api.example.com/chat/completions");
    assert_eq!(request.headers["authorization"].to_str().unwrap(), "Bearer sk-very-secret");
    assert!(!format!("{request:?}").contains("sk-very-secret"));
    assert!(request.dropped.is_empty());
}

#[test]
fn each_provider_gets_what_it_takes() {
    let body = json!({"model": "m", "messages": [
            {"role": "user", "content": "hi", "name": "bob"}, {"role": "tool", "tool_call_id": "1", "name": "f", "content": "x"}],
        "max_completion_tokens": 5, "seed": 1, "user": "u", "n": 1, "logprobs": null, "safe_prompt": true, "stream": true});
    let request = OpenAi.request(&target("mistral", "big"), &input(body.clone()), true).unwrap();
    assert_eq!(
        sent(&request),
        json!({"model": "big", "messages": [
                {"role": "user", "content": "hi"}, {"role": "tool", "tool_call_id": "1", "name": "f", "content": "x"}],
            "max_tokens": 5, "random_seed": 1, "n": 1, "safe_prompt": true, "stream": true})
    );
    assert_eq!(request.dropped, ["user"]);
    let request = OpenAi.request(&target("groq", "big"), &input(body), true).unwrap();
    assert_eq!(request.dropped, ["n"]);

    let typed = ChatRequest {
        messages: vec![Message::User(vec![Part::Text("hi".into())])],
        params: Params { max_tokens: Some(5), top_k: Some(3), temperature: Some(0.5), ..Params::default() },
        ..ChatRequest::default()
    };
    let typed = ChatInput::from_typed(None, true, typed);
    let request = OpenAi.request(&target("openai", "m"), &typed, true).unwrap();
    assert_eq!(
        sent(&request),
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true,
            "stream_options": {"include_usage": true}, "max_completion_tokens": 5, "temperature": 0.5})
    );
    assert_eq!(request.dropped, ["top_k"]);
    let plain = lacking(target("my-vllm", "m"), &["sampling_params"]);
    let request = OpenAi.request(&plain, &typed, false).unwrap();
    assert_eq!(sent(&request), json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}));
    assert_eq!(request.dropped, ["temperature", "top_k"]);
}

#[test]
fn a_model_without_the_least_effort_gets_the_next() {
    let plain = lacking(target("openai", "m"), &["minimal_reasoning_effort"]);
    for (asked, gets) in [("minimal", "low"), ("high", "high")] {
        let asked = input(json!({"model": "m", "messages": [1], "reasoning_effort": asked}));
        let request = OpenAi.request(&plain, &asked, false).unwrap();
        assert_eq!((&sent(&request)["reasoning_effort"], request.dropped.len()), (&json!(gets), 0));
    }
}

#[test]
fn a_streaming_body_can_be_sent_buffered() {
    let asked =
        input(json!({"model": "m", "messages": [1], "stream": true, "stream_options": {"include_usage": true}}));
    let request = OpenAi.request(&target("openai", "m"), &asked, false).unwrap();
    assert_eq!(sent(&request), json!({"model": "m", "messages": [1], "stream": false}));
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        "\\PC{0,12}".prop_map(Part::Text),
        proptest::option::of("low|high")
            .prop_map(|detail| Part::Image { url: "https://example.com/a.png".into(), detail }),
        Just(Part::Audio { data: "QQ==".into(), format: "wav".into() }),
        proptest::option::of("\\PC{1,6}")
            .prop_map(|name| Part::File { name, data: "data:application/pdf;base64,QQ==".into() }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let call = ("[a-z0-9_]{1,8}", "[a-z_]{1,8}", "\\PC{0,12}").prop_map(|(id, name, arguments)| ToolCall {
        id,
        name,
        arguments,
    });
    let parts = || proptest::collection::vec(part(), 1..4);
    prop_oneof![
        parts().prop_map(Message::System),
        parts().prop_map(Message::User),
        (proptest::collection::vec(part(), 0..3), proptest::collection::vec(call, 0..3))
            .prop_map(|(content, tool_calls)| Message::Assistant { content, tool_calls }),
        ("[a-z0-9]{1,8}", parts()).prop_map(|(call_id, content)| Message::Tool { call_id, content }),
    ]
}

fn params() -> impl Strategy<Value = Params> {
    let number = || proptest::option::of((-8i8..8).prop_map(|n| f64::from(n) / 4.0));
    (
        (proptest::option::of(1u32..99), number(), number(), proptest::option::of(0u32..99)),
        (proptest::collection::vec("\\PC{0,4}", 0..3), proptest::option::of(any::<i64>()), number(), number()),
        (proptest::option::of(1u32..9), proptest::option::of("low|high"), proptest::option::of(any::<bool>())),
        proptest::option::of("\\PC{0,6}"),
    )
        .prop_map(
            |(
                (max_tokens, temperature, top_p, top_k),
                (stop, seed, presence, frequency),
                (n, effort, parallel),
                user,
            )| {
                Params {
                    max_tokens,
                    temperature,
                    top_p,
                    top_k,
                    stop,
                    seed,
                    presence_penalty: presence,
                    frequency_penalty: frequency,
                    n,
                    reasoning_effort: effort,
                    parallel_tool_calls: parallel,
                    user,
                }
            },
        )
}

fn request() -> impl Strategy<Value = ChatRequest> {
    let schema = || Just(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    let tool = (
        "[a-z]{1,6}",
        proptest::option::of("\\PC{0,8}"),
        proptest::option::of(schema()),
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(name, description, parameters, strict)| Tool { name, description, parameters, strict });
    let choice = prop_oneof![
        Just(ToolChoice::None),
        Just(ToolChoice::Auto),
        Just(ToolChoice::Required),
        "[a-z]{1,6}".prop_map(ToolChoice::Function)
    ];
    let format = prop_oneof![
        Just(ResponseFormat::Text),
        Just(ResponseFormat::JsonObject),
        ("[a-z]{1,6}", schema(), proptest::option::of("\\PC{0,8}"), proptest::option::of(any::<bool>())).prop_map(
            |(name, schema, description, strict)| ResponseFormat::JsonSchema { name, schema, description, strict }
        ),
    ];
    (
        proptest::collection::vec(message(), 1..5),
        params(),
        proptest::collection::vec(tool, 0..3),
        proptest::option::of(choice),
        proptest::option::of(format),
    )
        .prop_map(|(messages, params, tools, tool_choice, response_format)| ChatRequest {
            messages,
            params,
            tools,
            tool_choice,
            response_format,
        })
}

const WORDS: &[&str] = &[
    "id",
    "object",
    "model",
    "choices",
    "index",
    "message",
    "delta",
    "content",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "finish_reason",
    "stop",
    "usage",
    "prompt_tokens",
    "total_tokens",
    "completion_tokens_details",
    "reasoning_tokens",
    "error",
    "code",
    "type",
    "detail",
    "loc",
    "msg",
    "text",
    "thinking",
    "reasoning",
    "messages",
    "role",
    "user",
    "assistant",
    "tool",
    "tools",
    "image_url",
    "url",
    "chat.completion.chunk",
    "x_groq",
];

proptest! {
    #[test]
    fn what_is_written_reads_back(request in request()) {
        let typed = ChatInput::from_typed(None, false, request.clone());
        let written = OpenAi.request(&target("my-vllm", "m"), &typed, false).unwrap();
        prop_assert!(written.dropped.is_empty());
        prop_assert_eq!(body::parse(&written.body).unwrap(), request);
    }

    #[test]
    fn nothing_panics(value in any_json(WORDS)) {
        survives(&OpenAi, &target("my-vllm", "m"), &value, None);
        let _ = body::parse(value.to_string().as_bytes());
    }
}
