use super::*;
use serde_json::json;

fn ask(prompt: &str) -> Value {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 4000, "messages": [{"role": "user", "content": prompt}]})
}

async fn message(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    told(sandbox.post("anthropic", "/v1/messages", body)).await
}

/// Puts a stream together again as the buffered message it stands for.
fn assembled(text: &str) -> Value {
    let mut message = Value::Null;
    let mut partial = String::new();
    for (name, data) in events(text) {
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["type"], name);
        let index = usize::try_from(data["index"].as_u64().unwrap_or(0)).unwrap();
        let append = |block: &mut Value, field: &str, more: &Value| {
            block[field] = json!(block[field].as_str().unwrap().to_owned() + more.as_str().unwrap());
        };
        match name.as_str() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                partial.clear();
                message["content"].as_array_mut().unwrap().push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let (delta, block) = (&data["delta"], &mut message["content"][index]);
                match delta["type"].as_str().unwrap() {
                    "text_delta" => append(block, "text", &delta["text"]),
                    "thinking_delta" => append(block, "thinking", &delta["thinking"]),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => partial.push_str(delta["partial_json"].as_str().unwrap()),
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" if message["content"][index]["type"] == "tool_use" => {
                message["content"][index]["input"] = serde_json::from_str(&partial).unwrap();
            }
            "message_delta" => {
                for part in ["delta", "usage"] {
                    let target = if part == "delta" { &mut message } else { &mut message["usage"] };
                    for (key, value) in data[part].as_object().unwrap() {
                        target[key] = value.clone();
                    }
                }
            }
            _ => {}
        }
    }
    message
}

#[tokio::test]
async fn stream_and_buffer_agree() {
    let sandbox = Sandbox::start().await;
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}});
    let tools = json!({"tools": [tool("get_weather"), tool("book_hotel")]});
    let bodies = [
        ask("Tell me about rivers"),
        with(ask("Rivers"), json!({"max_tokens": 9})),
        with(ask("Rivers"), json!({"stop_sequences": ["simulator"]})),
        with(ask("Rivers"), json!({"thinking": {"type": "enabled", "budget_tokens": 1024}})),
        with(ask("The weather in Oslo and a hotel"), tools),
    ];
    let mut reasons = Vec::new();
    for body in bodies {
        let (status, whole) = message(&sandbox, &body).await;
        assert_eq!(status, 200, "{whole}");
        let text = streamed(sandbox.post("anthropic", "/v1/messages", &with(body, json!({"stream": true})))).await;
        assert_eq!(assembled(&text), whole);
        let names: Vec<String> = events(&text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            (names[0].as_str(), names[1].as_str(), names[2].as_str()),
            ("message_start", "content_block_start", "ping")
        );
        assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"]);
        assert_eq!(json_events(&text)[0]["message"]["usage"]["output_tokens"], 1);
        reasons.push(whole["stop_reason"].as_str().unwrap().to_owned());
        if whole["stop_reason"] == "tool_use" {
            assert_eq!(whole["content"].as_array().unwrap().len(), 2);
            assert_eq!(whole["content"][0]["input"], json!({"city": "Oslo"}));
        }
        if whole["content"][0]["type"] == "thinking" {
            assert_eq!(whole["usage"]["output_tokens_details"]["thinking_tokens"], 64);
        }
        if whole["stop_reason"] == "stop_sequence" {
            assert_eq!(whole["stop_sequence"], "simulator");
        }
    }
    assert_eq!(reasons, ["end_turn", "max_tokens", "stop_sequence", "end_turn", "tool_use"]);
}

#[tokio::test]
async fn headers_and_counts() {
    let sandbox = Sandbox::start().await;
    let response = sandbox.post("anthropic", "/v1/messages", &ask("Rivers")).send().await.unwrap();
    assert!(header(&response, "request-id").starts_with("req_sim_"));
    assert_eq!(header(&response, "anthropic-ratelimit-requests-limit"), "10000");
    assert!(header(&response, "anthropic-ratelimit-tokens-reset").ends_with('Z'));
    let body: Value = response.json().await.unwrap();
    let mut counted = ask("Rivers");
    counted.as_object_mut().unwrap().remove("max_tokens");
    let (_, count) = told(sandbox.post("anthropic", "/v1/messages/count_tokens", &counted)).await;
    assert_eq!(count["input_tokens"], body["usage"]["input_tokens"]);
}

#[tokio::test]
async fn caches_what_is_marked() {
    let sandbox = Sandbox::start().await;
    let mut body = ask("Go on");
    body["system"] =
        json!([{"type": "text", "text": "river ".repeat(1500), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let (_, first) = message(&sandbox, &body).await;
    let written = first["usage"]["cache_creation_input_tokens"].as_u64().unwrap();
    assert!(written > 1400);
    assert_eq!(first["usage"]["cache_creation"]["ephemeral_1h_input_tokens"], written);
    let (_, second) = message(&sandbox, &body).await;
    assert_eq!(
        (second["usage"]["cache_read_input_tokens"].as_u64(), &second["usage"]["cache_creation_input_tokens"]),
        (Some(written), &json!(0))
    );
    assert_eq!(first["usage"]["input_tokens"], second["usage"]["input_tokens"]);
    assert!(first["usage"]["input_tokens"].as_u64().unwrap() < 30);
    let (_, marked) = message(&sandbox, &ask("[cached] hello")).await;
    assert!(marked["usage"]["cache_read_input_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn tool_results_come_back() {
    let sandbox = Sandbox::start().await;
    let mut body = ask("The weather in Oslo?");
    body["tools"] = json!([{"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]);
    let (_, called) = message(&sandbox, &body).await;
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({"role": "assistant", "content": called["content"]}));
    turns.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": called["content"][0]["id"], "content": [{"type": "text", "text": "14 degrees"}]}]}));
    let (_, said) = message(&sandbox, &body).await;
    assert!(said["content"][0]["text"].as_str().unwrap().contains("14 degrees"), "{said}");
    body["messages"].as_array_mut().unwrap().remove(1);
    let (status, refused) = message(&sandbox, &body).await;
    assert_eq!(status, 400);
    assert!(refused["error"]["message"].as_str().unwrap().contains("unexpected `tool_use_id`"));
}

#[tokio::test]
async fn refuses_what_the_provider_refuses() {
    let sandbox = Sandbox::start().await;
    let refused = [
        (
            json!({"model": "claude-opus-4-5", "messages": [{"role": "user", "content": "x"}]}),
            "max_tokens: Field required",
        ),
        (json!({"max_tokens": 5, "messages": []}), "model: Field required"),
        (with(ask("x"), json!({"messages": []})), "messages: at least one message is required"),
        (with(ask("x"), json!({"max_tokens": 0})), "max_tokens: Input should be greater than or equal to 1"),
        (with(ask("x"), json!({"messages": [{"role": "system", "content": "x"}]})), "messages.0.role"),
        (with(ask("x"), json!({"messages": [{"role": "assistant", "content": "x"}]})), "first message must use"),
        (with(ask("x"), json!({"messages": [{"role": "user", "content": ""}]})), "non-empty content"),
        (
            with(ask("x"), json!({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]})),
            "text content blocks must be non-empty",
        ),
        (with(ask("x"), json!({"n": 2})), "n: Extra inputs are not permitted"),
        (with(ask("x"), json!({"temperature": 1.5})), "temperature: Input should be less than or equal to 1"),
        (with(ask("x"), json!({"model": "claude-opus-5-5", "temperature": 0.5})), "does not support sampling"),
        (
            with(ask("x"), json!({"thinking": {"type": "enabled", "budget_tokens": 100}})),
            "greater than or equal to 1024",
        ),
        (
            with(ask("x"), json!({"thinking": {"type": "enabled", "budget_tokens": 4000}})),
            "`max_tokens` must be greater",
        ),
        (with(ask("x"), json!({"tool_choice": {"type": "any"}})), "while providing tools"),
        (with(ask("x"), json!({"tools": [{"name": "f"}]})), "input_schema: Field required"),
        (with(ask("x"), json!({"stop_sequences": [" "]})), "non-whitespace"),
    ];
    for (body, words) in refused {
        let (status, told) = message(&sandbox, &body).await;
        assert_eq!((status, told["error"]["type"].as_str()), (400, Some("invalid_request_error")), "{body}");
        assert!(told["error"]["message"].as_str().unwrap().contains(words), "{told} lacks {words}");
        assert!(told["request_id"].as_str().unwrap().starts_with("req_"));
    }
    let url = sandbox.url("anthropic", "/v1/messages");
    let (status, body) = told(sandbox.client.post(&url).header("x-api-key", "k").json(&ask("x"))).await;
    assert_eq!((status, body["error"]["message"].as_str()), (400, Some("anthropic-version: header is required")));
    let (status, body) =
        told(sandbox.client.post(&url).header("anthropic-version", "2023-06-01").json(&ask("x"))).await;
    assert_eq!((status, body["error"]["type"].as_str()), (401, Some("authentication_error")));
}

#[tokio::test]
async fn faults_in_its_own_form() {
    let sandbox = Sandbox::start().await;
    let fault = |fault: &str, stream: bool| {
        sandbox
            .post("anthropic", "/v1/messages", &with(ask("Rivers"), json!({"stream": stream})))
            .header("x-sim-fault", fault.to_owned())
    };
    for (status, kind) in [
        (402, "billing_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
        (413, "request_too_large"),
    ] {
        let (got, body) = told(fault(&status.to_string(), false)).await;
        assert_eq!((got, body["error"]["type"].as_str()), (status, Some(kind)));
    }
    assert!(fault("quota", false).send().await.unwrap().headers().get("retry-after").is_none());
    let broken = events(&streamed(fault("error:3", true)).await);
    assert_eq!(broken.last().unwrap().0, "error");
    assert_eq!(broken.iter().filter(|(name, _)| name == "content_block_delta").count(), 3);
    assert_eq!(
        message(&sandbox, &with(ask("x"), json!({"model": "claude-haiku-4-5@safety"}))).await.1["stop_reason"],
        "refusal"
    );
}

#[tokio::test]
async fn models_page() {
    let sandbox = Sandbox::start().await;
    let get = |path: &str| {
        sandbox
            .client
            .get(sandbox.url("anthropic", path))
            .header("x-api-key", "k")
            .header("anthropic-version", "2023-06-01")
    };
    let (_, first) = told(get("/v1/models?limit=4")).await;
    assert_eq!((first["data"].as_array().unwrap().len(), &first["has_more"]), (4, &json!(true)));
    let (_, rest) = told(get(&format!("/v1/models?after_id={}", first["last_id"].as_str().unwrap()))).await;
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (5, &json!(false)));
    assert_eq!(told(get("/v1/models/claude-opus-5")).await.1["type"], "model");
    assert_eq!(told(get("/v1/models/nothing")).await.0, 404);
}
