//! `POST /v1/chat/completions`.

use serde_json::{Value, json};

use super::{
    OPENAI,
    build::{
        Answer, Operation, Schema, any_of, boolean, constant, integer, list, named, number, object, string, words,
    },
    errors, shared,
};
use crate::providers::{
    Completion, FinishReason, Usage,
    chat::{ChatChunk, Choice},
    openai::render,
};

const MODEL: &str = "gpt-4o-mini";

pub fn operations() -> Vec<Operation> {
    let answer = Answer::new(200, "The answer; with `stream: true`, a stream of it.")
        .headers(&[shared::WHOLE, shared::OPENAI_LIMITS].concat())
        .json(named("ChatCompletion"), &[("answer", answer())])
        .events(
            any_of([named("ChatCompletionChunk"), named("OpenAiError")]),
            "Server-sent events: one chunk in each `data:` line, then `data: [DONE]`. Lines that begin with a colon keep \
             a silent connection alive. A stream that breaks ends with an event that has `error`, and without `[DONE]`.",
            &stream(),
        );
    vec![
        Operation::post("/v1/chat/completions", "createChatCompletion", OPENAI)
            .about(
                "Answer a conversation",
                "The fields below are those that the gateway itself understands, and translates where the provider \
                 speaks another format. Other fields reach providers that speak OpenAI's format as they came, and are \
                 left out elsewhere.\n\n\
                 Before the first byte a failed try is repeated where that is safe, and an error has its own status. \
                 After it nothing is repeated: the stream ends with an event that has `error`. A caller that closes the \
                 connection ends the call to the provider.",
            )
            .parameters(&["instance", "callerRequestId", "timeout"])
            .takes(
                named("ChatRequest"),
                &[
                    ("whole", whole()),
                    ("streamed", streamed()),
                    ("an image", with_image()),
                    ("a tool", with_tool()),
                    ("JSON of a given shape", with_schema()),
                ],
            )
            .answers([answer])
            .answers(errors::openai(&[400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504])),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    [request(), messages(), answers()].concat()
}

fn request() -> Vec<(&'static str, Schema)> {
    let function = |more: Schema| more.must("name", string().with("minLength", 1));
    let json_schema = object().must("type", constant("json_schema")).must(
        "json_schema",
        object()
            .must("name", string())
            .must("schema", object().about("A JSON Schema."))
            .may("description", string())
            .may("strict", boolean()),
    );
    vec![
        (
            "ChatRequest",
            object()
                .may(
                    "model",
                    string().example(MODEL).about(
                        "An id or alias of `/v1/models`, `provider/model`, `provider:model`, or `auto`. Without it \
                         `gateway.default_model` of the settings holds, which is `auto`: the last user turn is \
                         classified and the routing rules choose.",
                    ),
                )
                .must("messages", list(named("Message")).with("minItems", 1).about("The conversation, oldest first."))
                .may("stream", boolean().with("default", false).about("Answer piece by piece."))
                .may(
                    "stream_options",
                    object()
                        .may(
                            "include_usage",
                            boolean().with("default", false).about("A last chunk tells the tokens used."),
                        )
                        .about("Only with `stream: true`."),
                )
                .may(
                    "max_completion_tokens",
                    integer().least(1).about("Longest answer, in tokens, reasoning included."),
                )
                .may("max_tokens", integer().least(1).about("The older name; `max_completion_tokens` wins."))
                .may("temperature", number())
                .may("top_p", number())
                .may("top_k", integer().least(0).about("Not OpenAI's own; for providers that have it."))
                .may("n", integer().least(1).about("How many answers."))
                .may("stop", any_of([string(), list(string())]).about("Texts that end the answer."))
                .may("seed", integer())
                .may("presence_penalty", number())
                .may("frequency_penalty", number())
                .may("reasoning_effort", string().example("low").about("How long a reasoning model thinks."))
                .may("tools", list(named("Tool")).about("Functions that the model may call."))
                .may("tool_choice", named("ToolChoice"))
                .may("parallel_tool_calls", boolean())
                .may(
                    "response_format",
                    any_of([object().must("type", words(&["text", "json_object"])), json_schema])
                        .about("Text, any JSON object, or JSON of a given shape."),
                )
                .may("user", string().about("Your own id of the person behind the call."))
                .may("safety_identifier", string().about("Takes the place of `user` where that is absent."))
                .may("functions", list(named("Function")).with("deprecated", true).about("The older form of `tools`."))
                .may(
                    "function_call",
                    any_of([words(&["none", "auto"]), function(object())])
                        .with("deprecated", true)
                        .about("The older form of `tool_choice`."),
                )
                .with("additionalProperties", true),
        ),
        ("Tool", object().may("type", constant("function")).must("function", named("Function"))),
        (
            "Function",
            function(object())
                .may("description", string())
                .may("parameters", object().about("A JSON Schema of the arguments."))
                .may("strict", boolean()),
        ),
        (
            "ToolChoice",
            any_of([
                words(&["none", "auto", "required"]),
                object().may("type", constant("function")).must("function", function(object())),
            ])
            .about("Whether to call functions, or which one."),
        ),
    ]
}

fn messages() -> Vec<(&'static str, Schema)> {
    let content = || any_of([string(), list(named("ContentPart"))]);
    let part = |kind: &str| object().must("type", constant(kind));
    vec![
        (
            "Message",
            any_of([
                object().must("role", words(&["system", "developer", "user"])).must("content", content()),
                object()
                    .must("role", constant("assistant"))
                    .may("content", content().or_null())
                    .may("refusal", string().or_null())
                    .may("tool_calls", list(named("ToolCall"))),
                object()
                    .must("role", constant("tool"))
                    .must("tool_call_id", string())
                    .must("content", content().about("The function's result.")),
                object()
                    .must("role", constant("function"))
                    .must("name", string())
                    .may("content", content().or_null())
                    .with("deprecated", true),
            ])
            .about("One turn of the conversation."),
        ),
        (
            "ContentPart",
            any_of([
                part("text").must("text", string()),
                part("image_url").must(
                    "image_url",
                    any_of([
                        string(),
                        object()
                            .must("url", string().about("An `https:` address or a `data:` URL."))
                            .may("detail", words(&["auto", "low", "high"])),
                    ]),
                ),
                part("input_audio").must(
                    "input_audio",
                    object().must("data", string().about("Base64.")).must("format", string().example("wav")),
                ),
                part("file").must(
                    "file",
                    object().may("filename", string()).may("file_data", string().about("A `data:` URL.")).may(
                        "file_id",
                        string().about("Of a file at the provider; only where it speaks OpenAI's format."),
                    ),
                ),
                part("refusal").must("refusal", string()),
            ])
            .about("A piece of a turn. What a model can take depends on the model."),
        ),
        (
            "ToolCall",
            object().must("id", string()).may("type", constant("function")).must(
                "function",
                object()
                    .must("name", string())
                    .must("arguments", string().about("JSON as the model wrote it, which may be invalid.")),
            ),
        ),
    ]
}

fn answers() -> Vec<(&'static str, Schema)> {
    let finish = || words(&["stop", "length", "tool_calls", "content_filter", "function_call"]);
    let created = || integer().about("Unix seconds.");
    let model = || string().about("The model as the provider names it.");
    let message = object()
        .must("role", constant("assistant"))
        .must("content", string().or_null())
        .may("refusal", string().or_null())
        .may("annotations", list(object()))
        .may("reasoning_content", string().about("What a reasoning model thought, where its provider tells."))
        .may("tool_calls", list(named("ToolCall")));
    let choice = object()
        .must("index", integer().least(0))
        .must("message", message)
        .may("logprobs", object().or_null())
        .must("finish_reason", finish());
    let call = object()
        .must("index", integer().least(0))
        .may("id", string().about("In the first piece of a call."))
        .may("type", constant("function"))
        .must("function", object().may("name", string().about("In the first piece.")).may("arguments", string()));
    let delta = object()
        .may("role", constant("assistant"))
        .may("content", string().or_null())
        .may("reasoning_content", string())
        .may("refusal", string().or_null())
        .may("tool_calls", list(call));
    let piece =
        object().must("index", integer().least(0)).must("delta", delta).may("logprobs", object().or_null()).must(
            "finish_reason",
            finish()
                .with("type", json!(["string", "null"]))
                .with("enum", json!(["stop", "length", "tool_calls", "content_filter", "function_call", null])),
        );
    let usage = object()
        .must("prompt_tokens", integer().least(0).about("The whole prompt, cached parts included."))
        .must("completion_tokens", integer().least(0).about("Everything generated, reasoning included."))
        .must("total_tokens", integer().least(0))
        .may(
            "prompt_tokens_details",
            object()
                .may("cached_tokens", integer().least(0).about("Read from the provider's cache."))
                .may("cache_write_tokens", integer().least(0).about("Written to it; absent where nothing was."))
                .may("audio_tokens", integer().least(0)),
        )
        .may(
            "completion_tokens_details",
            object()
                .may("reasoning_tokens", integer().least(0))
                .may("audio_tokens", integer().least(0))
                .may("accepted_prediction_tokens", integer().least(0))
                .may("rejected_prediction_tokens", integer().least(0)),
        );
    vec![
        (
            "ChatCompletion",
            object()
                .must("id", string().about("The provider's; ours is in `x-request-id`."))
                .must("object", constant("chat.completion"))
                .must("created", created())
                .must("model", model())
                .must("choices", list(choice))
                .may("usage", named("Usage"))
                .may("system_fingerprint", string().or_null())
                .may("service_tier", string().or_null())
                .with("additionalProperties", true)
                .about("A provider that speaks OpenAI's format has its own body passed on, with all its fields."),
        ),
        (
            "ChatCompletionChunk",
            object()
                .must("id", string())
                .must("object", constant("chat.completion.chunk"))
                .must("created", created())
                .must("model", model())
                .must("choices", list(piece).about("Empty in the chunk that tells the usage."))
                .may("usage", named("Usage").or_null())
                .may("system_fingerprint", string().or_null())
                .may("service_tier", string().or_null())
                .with("additionalProperties", true),
        ),
        ("Usage", usage),
    ]
}

fn whole() -> Value {
    json!({ "model": MODEL, "messages": [{ "role": "user", "content": "Say hello." }] })
}

fn streamed() -> Value {
    json!({
        "model": MODEL,
        "messages": [
            { "role": "system", "content": "You are brief." },
            { "role": "user", "content": "What is an electron?" },
        ],
        "stream": true,
        "stream_options": { "include_usage": true },
    })
}

fn with_image() -> Value {
    let pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": [
            { "type": "text", "text": "Which colour is this?" },
            { "type": "image_url", "image_url": { "url": pixel } },
        ] }],
    })
}

fn with_tool() -> Value {
    json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": "What is the weather in Oslo?" }],
        "tools": [{ "type": "function", "function": {
            "name": "weather",
            "description": "The weather of a city, now.",
            "parameters": {
                "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"],
            },
        } }],
    })
}

fn with_schema() -> Value {
    json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": "Give me a city and its country." }],
        "response_format": { "type": "json_schema", "json_schema": {
            "name": "place",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": { "city": { "type": "string" }, "country": { "type": "string" } },
                "required": ["city", "country"],
                "additionalProperties": false,
            },
        } },
    })
}

const USAGE: Usage = Usage { input: 10, cached: 0, cache_write: 0, output: 9, reasoning: 0 };
const CREATED: i64 = 1_767_225_600;

/// Written by the same code that writes answers of providers which speak another format.
fn answer() -> Value {
    let choice = Choice {
        content: Some("Hello! How can I help you today?".to_owned()),
        finish: Some(FinishReason::Stop),
        ..Choice::default()
    };
    let answer = Completion { choices: vec![choice], usage: Some(USAGE), ..Completion::default() };
    let body = render::completion(&answer, &format!("chatcmpl-{}", errors::REQUEST_ID), CREATED, MODEL);
    serde_json::from_slice(&body).unwrap_or_default()
}

fn stream() -> String {
    let mut writer = render::ChunkWriter::new(&format!("chatcmpl-{}", errors::REQUEST_ID), CREATED, MODEL, true);
    let mut chunks = Vec::new();
    let step = ChatChunk { content: Some("Hello!".to_owned()), ..ChatChunk::default() };
    writer.step(&step, &mut chunks);
    writer.step(&ChatChunk { finish: Some(FinishReason::Stop), ..ChatChunk::default() }, &mut chunks);
    chunks.push(writer.usage(&USAGE));
    let lines = chunks.iter().map(|chunk| format!("data: {}\n\n", String::from_utf8_lossy(chunk)));
    lines.chain(["data: [DONE]\n\n".to_owned()]).collect()
}
