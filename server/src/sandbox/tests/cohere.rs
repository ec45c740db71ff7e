use super::*;
use serde_json::json;

fn ask(prompt: &str) -> Value {
    json!({"model": "command-a-03-2025", "messages": [{"role": "user", "content": prompt}]})
}

async fn chat(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    told(sandbox.post("cohere", "/v2/chat", body)).await
}

#[tokio::test]
async fn stream_and_buffer_agree() {
    let sandbox = Sandbox::start().await;
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}});
    let bodies = [
        (ask("Tell me about rivers"), "COMPLETE"),
        (with(ask("Rivers"), json!({"max_tokens": 9})), "MAX_TOKENS"),
        (with(ask("Rivers"), json!({"stop_sequences": ["simulator"]})), "STOP_SEQUENCE"),
        (with(ask("Rivers"), json!({"thinking": {"type": "enabled", "token_budget": 200}})), "COMPLETE"),
        (with(ask("The weather in Oslo"), json!({"tools": [tool]})), "TOOL_CALL"),
    ];
    for (body, reason) in bodies {
        let (status, whole) = chat(&sandbox, &body).await;
        assert_eq!((status, whole["finish_reason"].as_str()), (200, Some(reason)), "{whole}");
        let text = streamed(sandbox.post("cohere", "/v2/chat", &with(body, json!({"stream": true})))).await;
        let mut content: Vec<Value> = Vec::new();
        let mut arguments = String::new();
        let listed = events(&text);
        for (name, data) in &listed {
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], name.as_str());
            let delta = &data["delta"]["message"];
            match name.as_str() {
                "content-start" => content.push(delta["content"].clone()),
                "content-delta" => {
                    let block = content.last_mut().unwrap();
                    for (kind, more) in delta["content"].as_object().unwrap() {
                        block[kind] = json!(block[kind].as_str().unwrap().to_owned() + more.as_str().unwrap());
                    }
                }
                "tool-call-delta" => arguments.push_str(delta["tool_calls"]["function"]["arguments"].as_str().unwrap()),
                "message-end" => {
                    assert_eq!(data["delta"]["usage"], whole["usage"]);
                    assert_eq!(data["delta"]["finish_reason"], whole["finish_reason"]);
                }
                _ => {}
            }
        }
        assert_eq!(whole["message"]["content"], json!(content));
        assert_eq!(listed.first().unwrap().0, "message-start");
        assert_eq!(listed.last().unwrap().0, "message-end");
        if reason == "TOOL_CALL" {
            assert_eq!(whole["message"]["tool_calls"][0]["function"]["arguments"], arguments);
            assert_eq!(arguments, "{\"city\":\"Oslo\"}");
        }
    }
}

#[tokio::test]
async fn refusals_and_faults() {
    let sandbox = Sandbox::start().await;
    for body in [
        json!({"messages": [{"role": "user", "content": "x"}]}),
        with(ask("x"), json!({"messages": []})),
        with(ask("x"), json!({"messages": [{"role": "robot", "content": "x"}]})),
        with(ask("x"), json!({"temperature": 2})),
        with(ask("x"), json!({"tool_choice": "REQUIRED"})),
        with(ask("x"), json!({"frequency_penalty": 0.5, "presence_penalty": 0.5})),
        with(ask("x"), json!({"messages": [{"role": "tool", "content": "x", "tool_call_id": "y"}]})),
    ] {
        let (status, told) = chat(&sandbox, &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(told["message"].as_str().unwrap().starts_with("invalid request"), "{told}");
    }
    let url = sandbox.url("cohere", "/v2/chat");
    let (status, body) = told(sandbox.client.post(&url).json(&ask("x"))).await;
    assert_eq!((status, body["message"].as_str()), (401, Some("no api key supplied")));
    let stream = streamed(
        sandbox.post("cohere", "/v2/chat", &with(ask("x"), json!({"stream": true}))).header("x-sim-fault", "error:2"),
    )
    .await;
    let (name, data) = events(&stream).pop().unwrap();
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((name.as_str(), data["delta"]["finish_reason"].as_str()), ("message-end", Some("ERROR")));
    let (_, usage) = chat(&sandbox, &ask("[cached] x")).await;
    assert!(usage["usage"]["cached_tokens"].as_u64().unwrap() > 0);
}
