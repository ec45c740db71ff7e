use super::*;
use serde_json::json;

fn ask(prompt: &str) -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]})
}

async fn chat(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    told(sandbox.post("openai", "/chat/completions", body)).await
}

#[tokio::test]
async fn buffered_answer() {
    let sandbox = Sandbox::start().await;
    let response = sandbox.post("openai", "/chat/completions", &ask("Tell me about rivers")).send().await.unwrap();
    assert_eq!(header(&response, "x-simulated"), "true");
    assert!(header(&response, "x-request-id").starts_with("req_sim_"));
    assert_eq!(header(&response, "x-ratelimit-limit-requests"), "10000");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("This is a simulated answer from gpt-4o-mini.") && text.contains("rivers"), "{text}");
    let usage = &body["usage"];
    assert_eq!(usage["completion_tokens"], crate::sandbox::tokens::count(text));
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );
    let call = sandbox.ended_call().await;
    assert_eq!(
        (call["outcome"].as_str(), call["provider"].as_str(), call["model"].as_str()),
        (Some("completed"), Some("openai"), Some("gpt-4o-mini"))
    );
    assert_eq!(call["headers"]["authorization"], "***");
    assert_eq!(call["body"], ask("Tell me about rivers"));
    assert_eq!(call["tokens_sent"], usage["completion_tokens"]);
}

#[tokio::test]
async fn stream_and_buffer_agree() {
    let sandbox = Sandbox::start().await;
    for extra in [
        json!({}),
        json!({"n": 3}),
        json!({"reasoning_effort": "low"}),
        json!({"max_tokens": 9}),
        json!({"stop": ["simulator"]}),
    ] {
        let body = with(ask("Tell me about rivers"), extra);
        let (_, whole) = chat(&sandbox, &body).await;
        let body = with(body, json!({"stream": true, "stream_options": {"include_usage": true}}));
        let text = streamed(sandbox.post("openai", "/chat/completions", &body)).await;
        assert_eq!(events(&text).last().unwrap().1, "[DONE]");
        let chunks = json_events(&text);
        for (index, choice) in whole["choices"].as_array().unwrap().iter().enumerate() {
            let mut said = String::new();
            let mut finish = Value::Null;
            for chunk in &chunks {
                for part in chunk["choices"].as_array().unwrap().iter().filter(|part| part["index"] == index) {
                    said.push_str(part["delta"]["content"].as_str().unwrap_or_default());
                    if !part["finish_reason"].is_null() {
                        finish = part["finish_reason"].clone();
                    }
                }
            }
            assert_eq!(choice["message"]["content"], said);
            assert_eq!(choice["finish_reason"], finish);
        }
        assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
        let (last, before) = chunks.split_last().unwrap();
        assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &whole["usage"]));
        assert!(before.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
        assert!(chunks.iter().all(|chunk| chunk["id"] == whole["id"]));
    }
}

#[tokio::test]
async fn no_usage_chunk_unless_asked() {
    let sandbox = Sandbox::start().await;
    let text =
        streamed(sandbox.post("openai", "/chat/completions", &with(ask("Hi there"), json!({"stream": true})))).await;
    assert!(json_events(&text).iter().all(|chunk| chunk.get("usage").is_none() && chunk["choices"] != json!([])));
}

#[tokio::test]
async fn limits_choices_and_formats() {
    let sandbox = Sandbox::start().await;
    let (_, body) = chat(&sandbox, &with(ask("Rivers"), json!({"max_completion_tokens": 7}))).await;
    assert_eq!(
        (&body["choices"][0]["finish_reason"], &body["usage"]["completion_tokens"]),
        (&json!("length"), &json!(7))
    );
    let (_, body) =
        told(sandbox.post("openai", "/chat/completions", &ask("Rivers")).header("x-sim-tokens", "123")).await;
    assert_eq!(
        (&body["choices"][0]["finish_reason"], &body["usage"]["completion_tokens"]),
        (&json!("stop"), &json!(123))
    );
    let (_, body) = chat(&sandbox, &with(ask("Rivers"), json!({"n": 2}))).await;
    assert_ne!(body["choices"][0]["message"]["content"], body["choices"][1]["message"]["content"]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "river", "strict": true, "schema": {
        "type": "object", "properties": {"name": {"type": "string"}, "length": {"type": "integer", "minimum": 5}}, "required": ["name", "length"], "additionalProperties": false}}});
    let (_, body) = chat(&sandbox, &with(ask("A river"), json!({"response_format": schema}))).await;
    let made: Value = serde_json::from_str(body["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(
        made["name"].is_string() && made["length"].as_i64().unwrap() >= 5 && made.as_object().unwrap().len() == 2,
        "{made}"
    );
    let (status, _) = chat(&sandbox, &with(ask("A river"), json!({"response_format": {"type": "json_object"}}))).await;
    assert_eq!(status, 400);
    let (_, body) =
        chat(&sandbox, &with(ask("A river as JSON"), json!({"response_format": {"type": "json_object"}}))).await;
    assert!(
        serde_json::from_str::<Value>(body["choices"][0]["message"]["content"].as_str().unwrap()).unwrap().is_object()
    );
}

#[tokio::test]
async fn tool_round_trip() {
    let sandbox = Sandbox::start().await;
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}});
    let tools = json!({"tools": [tool("get_weather"), tool("book_hotel")]});
    let body = with(ask("What is the weather in Oslo, and is there a hotel?"), tools.clone());
    let (_, whole) = chat(&sandbox, &body).await;
    let message = &whole["choices"][0]["message"];
    assert_eq!((&whole["choices"][0]["finish_reason"], &message["content"]), (&json!("tool_calls"), &Value::Null));
    let calls = message["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["function"]["name"], "get_weather");
    assert_eq!(calls[0]["function"]["arguments"], "{\"city\":\"Oslo\"}");

    let chunks =
        json_events(&streamed(sandbox.post("openai", "/chat/completions", &with(body, json!({"stream": true})))).await);
    let mut arguments = [String::new(), String::new()];
    let mut ids = Vec::new();
    for part in
        chunks.iter().flat_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten())
    {
        arguments[usize::try_from(part["index"].as_u64().unwrap()).unwrap()]
            .push_str(part["function"]["arguments"].as_str().unwrap());
        ids.extend(part.get("id").cloned());
    }
    assert_eq!(calls[0]["function"]["arguments"], arguments[0]);
    assert_eq!(ids, [calls[0]["id"].clone(), calls[1]["id"].clone()]);

    let answered = |id: &Value, said: &str| json!({"role": "tool", "tool_call_id": id, "content": said});
    let mut after = with(ask("What is the weather in Oslo, and is there a hotel?"), tools);
    let turns = after["messages"].as_array_mut().unwrap();
    turns.push(message.clone());
    turns.push(answered(&calls[0]["id"], "14 degrees"));
    let (status, refused) = chat(&sandbox, &after).await;
    assert_eq!(status, 400);
    assert!(refused["error"]["message"].as_str().unwrap().contains("did not have response messages"));
    after["messages"].as_array_mut().unwrap().push(answered(&calls[1]["id"], "three rooms free"));
    let (_, said) = chat(&sandbox, &after).await;
    let text = said["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("14 degrees") && text.contains("three rooms free"), "{text}");
}

#[tokio::test]
async fn refuses_what_the_provider_refuses() {
    let sandbox = Sandbox::start().await;
    let refused = [
        (json!({"messages": []}), Value::Null, None),
        (json!({"model": "m"}), json!("messages"), Some("missing_required_parameter")),
        (json!({"model": "m", "messages": []}), json!("messages"), Some("empty_array")),
        (
            json!({"model": "m", "messages": [{"role": "robot", "content": "x"}]}),
            json!("messages[0].role"),
            Some("invalid_value"),
        ),
        (json!({"model": "m", "messages": [{"role": "user"}]}), json!("messages[0].content"), None),
        (
            json!({"model": "m", "messages": [{"role": "tool", "content": "x", "tool_call_id": "y"}]}),
            json!("messages[0].role"),
            None,
        ),
        (with(ask("x"), json!({"temperature": 3})), json!("temperature"), Some("decimal_above_max_value")),
        (with(ask("x"), json!({"n": 0})), json!("n"), Some("integer_below_min_value")),
        (with(ask("x"), json!({"max_tokens": 0})), json!("max_tokens"), Some("integer_below_min_value")),
        (with(ask("x"), json!({"stop": ["a", "b", "c", "d", "e"]})), json!("stop"), Some("array_above_max_length")),
        (with(ask("x"), json!({"stream_options": {"include_usage": true}})), json!("stream_options"), None),
        (with(ask("x"), json!({"tool_choice": "auto"})), json!("tool_choice"), None),
        (with(ask("x"), json!({"system": "be brief"})), Value::Null, None),
        (
            with(ask("x"), json!({"model": "gpt-5", "max_tokens": 5})),
            json!("max_tokens"),
            Some("unsupported_parameter"),
        ),
    ];
    for (body, param, code) in refused {
        let (status, told) = chat(&sandbox, &body).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(
            (&told["error"]["param"], told["error"]["code"].as_str(), &told["error"]["type"]),
            (&param, code, &json!("invalid_request_error")),
            "{body}"
        );
    }
    let (status, _) = told(sandbox.post("openai", "/chat/completions", &json!(null)).body("{broken")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn keys_and_models() {
    let sandbox = Sandbox::start().await;
    let url = sandbox.url("openai", "/chat/completions");
    let (status, body) = told(sandbox.client.post(&url).json(&ask("x"))).await;
    assert_eq!((status, &body["error"]["code"]), (401, &Value::Null));
    let (status, body) = told(sandbox.client.post(&url).bearer_auth("invalid").json(&ask("x"))).await;
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("invalid_api_key")));
    let get = |path: &str| sandbox.client.get(sandbox.url("openai", path)).bearer_auth("k");
    let (_, list) = told(get("/models")).await;
    assert!(list["data"].as_array().unwrap().iter().any(|model| model["id"] == "gpt-4o-mini"));
    assert_eq!(told(get("/models/gpt-4o-mini")).await.1["object"], "model");
    let (status, body) = told(get("/models/nothing")).await;
    assert_eq!((status, body["error"]["code"].as_str()), (404, Some("model_not_found")));
}

#[tokio::test]
async fn usage_counts_pictures_caches_and_reasoning() {
    let sandbox = Sandbox::start().await;
    let picture = |detail: &str| {
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": detail}}]}]})
    };
    let tokens = async |body: Value| chat(&sandbox, &body).await.1["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(tokens(picture("high")).await - tokens(picture("low")).await, 765 - 85);
    let (_, body) = chat(&sandbox, &ask("[cached] hello")).await;
    assert!(body["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap() > 0);
    let long = ask(&"river ".repeat(2000));
    assert_eq!(chat(&sandbox, &long).await.1["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(chat(&sandbox, &long).await.1["usage"]["prompt_tokens_details"]["cached_tokens"], 1920);
    let (_, body) = chat(&sandbox, &with(ask("Rivers"), json!({"reasoning_effort": "high"}))).await;
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 256);
}

#[tokio::test]
async fn accents_of_the_other_hosts() {
    let sandbox = Sandbox::start().await;
    let body = with(ask("Rivers"), json!({"reasoning_effort": "low", "max_tokens": 900}));
    let stream = with(body.clone(), json!({"stream": true}));
    let last_choice = async |provider: &str| {
        let chunks = json_events(&streamed(sandbox.post(provider, "/chat/completions", &stream)).await);
        chunks.into_iter().rfind(|chunk| chunk["choices"][0]["finish_reason"] == "stop").unwrap()
    };
    assert!(last_choice("mistral").await["usage"]["completion_tokens"].as_u64().unwrap() > 64);
    assert!(last_choice("groq").await["x_groq"]["usage"]["completion_tokens"].as_u64().unwrap() > 64);
    let (_, deepseek) = told(sandbox.post("deepseek", "/chat/completions", &body)).await;
    assert!(
        deepseek["choices"][0]["message"]["reasoning_content"].as_str().unwrap().starts_with("Simulated reasoning")
    );
    assert_eq!(deepseek["usage"]["prompt_cache_hit_tokens"], 0);
    let (_, mistral) = told(sandbox.post("mistral", "/chat/completions", &body).header("x-sim-fault", "429")).await;
    assert_eq!(mistral["object"], "error");
    let (_, openrouter) =
        told(sandbox.post("openrouter", "/chat/completions", &body).header("x-sim-fault", "402")).await;
    assert_eq!(openrouter["error"]["code"], 402);
}

#[tokio::test]
async fn bare_mode_answers_fixed_bodies() {
    let sandbox = Sandbox::with(SandboxConfig { bare: true, ..SandboxConfig::default() }).await;
    let (status, body) = chat(&sandbox, &ask("x")).await;
    assert_eq!((status, body["usage"]["completion_tokens"].as_u64()), (200, Some(27)));
    let text = streamed(sandbox.post("openai", "/chat/completions", &with(ask("x"), json!({"stream": true})))).await;
    assert_eq!(events(&text).len(), 31);
    // A body that arrives in several reads still says whether it wants a stream.
    let long = with(ask(&"river ".repeat(100_000)), json!({"stream": true}));
    assert_eq!(events(&streamed(sandbox.post("openai", "/chat/completions", &long)).await).len(), 31);
    assert!(sandbox.calls().await.is_empty());
    let (_, models) = told(sandbox.client.get(sandbox.url("openai", "/models")).bearer_auth("k")).await;
    assert_eq!(models["object"], "list");
}
