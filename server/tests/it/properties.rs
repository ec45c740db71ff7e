//! Whatever is sent, it is never our own fault: any body gets an answer below 500, in the surface's shape, and the server
//! goes on.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};

use crate::support::{Answer, Database, TestApp, answer, hello, on_both};

on_both!(any_json_is_answered, any_bytes_are_answered);

const ROUNDS: usize = 220;
const MODELS: [&str; 6] =
    ["gpt-4o-mini", "gpt-5-mini", "claude-haiku-4-5", "gemini-2.5-flash", "command-a-03-2025", "mistral-small-latest"];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "\\PC{0,12}",
        1 => any::<String>(),
        1 => Just("\0".to_owned()),
        1 => Just("\u{feff}\u{202e}é日本\u{1F600}".to_owned()),
        1 => prop::sample::select(&["user", "system", "assistant", "tool", "text", "image_url", "function", "auto", "json_schema", "data:image/png;base64,AA=="][..]).prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-5i64..2_000).prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number(), text().prop_map(Value::from)];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Names that mean something somewhere, and others.
fn name() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 26] = [
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "detail",
        "tool_calls",
        "tool_call_id",
        "id",
        "function",
        "name",
        "arguments",
        "parameters",
        "properties",
        "required",
        "items",
        "schema",
        "json_schema",
        "strict",
        "enum",
        "$ref",
        "input_audio",
        "file",
        "data",
        "format",
    ];
    prop_oneof![4 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), 1 => text()]
}

/// A good request in which something is not good.
fn request() -> impl Strategy<Value = Value> {
    const FIELDS: [&str; 22] = [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "tools",
        "tool_choice",
        "response_format",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "reasoning_effort",
        "parallel_tool_calls",
        "metadata",
        "functions",
    ];
    let base = prop::sample::select(&MODELS[..]).prop_map(|model| {
        let mut body = hello(model);
        body["tools"] = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}]);
        body
    });
    let field = prop::sample::select(&FIELDS[..]);
    let change = prop_oneof![
        4 => (field, value()).prop_map(|(field, value)| (vec![field.to_owned()], value)),
        3 => (name(), value()).prop_map(|(name, value)| (vec!["messages".to_owned(), name], value)),
        2 => (name(), value()).prop_map(|(name, value)| (vec!["tools".to_owned(), name], value)),
        1 => value().prop_map(|value| (vec!["messages".to_owned()], json!([{"role": "user", "content": value}]))),
    ];
    (base, prop::collection::vec(change, 1..3)).prop_map(|(mut body, changes)| {
        for (path, value) in changes {
            match path.as_slice() {
                [field] => body[field.as_str()] = value,
                [list, name] => {
                    if let Some(first) = body[list.as_str()].get_mut(0).and_then(Value::as_object_mut) {
                        first.insert(name.clone(), value);
                    }
                }
                _ => {}
            }
        }
        body
    })
}

/// The same cases on every run and every machine.
fn runner(seed: u8) -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

fn next<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).expect("a case").current()
}

/// A server that lets everything through.
async fn open(database: &Database) -> TestApp {
    let app = TestApp::with(database, |settings| settings.gateway.max_attempts = 1).await;
    for row in app.db.list_limits().await.unwrap() {
        app.db.delete_limit(&row.id, app.now_us()).await.unwrap();
    }
    let mut instance = app.db.instance("development").await.unwrap().unwrap();
    instance.config = json!({});
    app.db.update_instance(&instance).await.unwrap();
    for model in MODELS {
        let mut row = app.db.model(model).await.unwrap().unwrap();
        row.rate_limits = json!({});
        app.db.update_model(&row).await.unwrap();
    }
    app.reload().await;
    app
}

fn check(answer: &Answer, sent: &str) {
    // What the provider refuses is a failed generation in the words of the text service.
    let refused = answer.body["details"]["class"] == "invalid" && answer.body["error_code"].is_string();
    assert!(answer.status.as_u16() < 500 || refused, "{} {}\nfor: {sent}", answer.status, answer.text);
    assert!(answer.headers.contains_key("x-request-id"), "{:?}\nfor: {sent}", answer.headers);
    if !answer.status.is_success() {
        let error = &answer.body["error"];
        let is_said = error["message"].is_string() || answer.body["error_code"].is_string();
        assert!(is_said, "no shape: {}\nfor: {sent}", answer.text);
    } else if answer.text.starts_with("data:") {
        assert!(
            answer.text.ends_with("\n\n") && !answer.text.contains("provider_malformed"),
            "{}\nfor: {sent}",
            answer.text
        );
    }
}

async fn any_json_is_answered(database: Database) {
    let app = open(&database).await;
    let (mut runner, chats, texts) = (runner(7), request(), (value(), value(), value()));
    let mut recorded = Vec::new();
    for _ in 0..ROUNDS {
        let body = next(&chats, &mut runner);
        let answer = app.chat(&body).await;
        check(&answer, &body.to_string());
        recorded.push(answer.request_id());
        let (prompt, model, options) = next(&texts, &mut runner);
        let mut body = json!({"prompt": "Hi", "model": "gpt-4o-mini"});
        match recorded.len() % 3 {
            0 => body["prompt"] = prompt,
            1 => body["model"] = model,
            _ => body["options"] = options,
        }
        let path = if recorded.len() % 2 == 0 { "/text/generate" } else { "/text/generate/stream" };
        check(&app.ask(path, &body).await, &body.to_string());
    }
    // Every one of them is written down, whatever characters it had.
    for request_id in recorded {
        app.record(&request_id).await;
    }
    app.chat(&hello("gpt-4o-mini")).await.ok();
}

async fn any_bytes_are_answered(database: Database) {
    let app = open(&database).await;
    let mut runner = runner(11);
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        value().prop_map(|value| value.to_string().into_bytes()),
        // Good JSON, cut or with a byte changed.
        (request(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(|(body, at, byte, cut)| {
            let mut bytes = body.to_string().into_bytes();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] = byte;
            }
            bytes
        }),
    ];
    for turn in 0..ROUNDS {
        let body = next(&bytes, &mut runner);
        let sent = String::from_utf8_lossy(&body).into_owned();
        let path = ["/v1/chat/completions", "/text/generate"][turn % 2];
        let request = app.client.post(app.url(path)).bearer_auth(&app.api_key).body(body);
        check(&answer(request).await, &sent);
    }
    app.chat(&hello("gpt-4o-mini")).await.ok();
}
