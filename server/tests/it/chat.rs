//! `POST /v1/chat/completions`: what an OpenAI SDK relies on.

use serde_json::{Value, json};

use crate::support::{Database, TestApp, data_lines, eventually, hello, on_both};

on_both!(
    buffered_and_streamed_agree,
    a_stream_without_usage_is_still_counted,
    chunks_are_well_formed,
    what_the_gateway_does_not_know_is_passed_on,
    several_choices,
    tools_make_a_round_trip,
    a_schema_is_kept_to,
    images_are_passed_on,
    contents_are_kept_as_the_instance_says,
    long_contents_are_cut,
    the_call_is_recorded_with_all_it_was,
    a_reused_connection_serves_many_calls,
);

async fn buffered_and_streamed_agree(database: Database) {
    let app = TestApp::start(&database).await;
    let whole = app.chat(&hello("gpt-4o-mini")).await.ok();
    assert_eq!(whole.body["object"], "chat.completion");
    assert_eq!(whole.body["choices"][0]["finish_reason"], "stop");
    assert!(whole.content().contains("simulated"), "{}", whole.text);

    let mut body = hello("gpt-4o-mini");
    body["stream_options"] = json!({"include_usage": true});
    let stream = app.stream(&body).await.ok();
    assert!(stream.is_done());
    assert_eq!(stream.content(), whole.content());
    assert_eq!(stream.usage().unwrap(), whole.body["usage"]);

    let (first, second) = (app.record(&whole.request_id()).await, app.record(&stream.request_id()).await);
    assert_eq!(first.outcome(), ("completed", 200));
    assert_eq!(second.outcome(), ("completed", 200));
    assert!(!first.log.streamed && second.log.streamed);
    let usage = &whole.body["usage"];
    for log in [&first.log, &second.log] {
        assert_eq!(log.input_tokens, usage["prompt_tokens"].as_i64().unwrap());
        assert_eq!(log.output_tokens, usage["completion_tokens"].as_i64().unwrap());
        assert_eq!(log.finish_reason.as_deref(), Some("stop"));
        // 0.15 and 0.60 dollars per million.
        let expected = (log.input_tokens as f64 * 0.15 + log.output_tokens as f64 * 0.6).round() as i64;
        assert!(expected > 0);
        assert_eq!(log.cost_micro_usd, expected);
    }
    assert_eq!(first.log.cost_micro_usd, second.log.cost_micro_usd);
    let cost = format!("0.{:06}", first.log.cost_micro_usd);
    assert_eq!(whole.header("x-de-cost-usd"), cost);
    for record in [&first, &second] {
        let used = record.usage.as_ref().expect("a row of usage");
        assert_eq!((used.input_tokens, used.output_tokens), (record.log.input_tokens, record.log.output_tokens));
        assert_eq!(used.tokens_used, record.log.input_tokens + record.log.output_tokens);
        assert_eq!(used.cost_micro_usd, record.log.cost_micro_usd);
        assert_eq!((used.provider.as_str(), used.model.as_str()), ("openai", "gpt-4o-mini"));
        assert_eq!(used.key_id, record.log.key_id);
    }
    // What a stream said is kept as the buffered answer would have been.
    let kept: Value = serde_json::from_str(second.response_body()).unwrap();
    assert_eq!(kept["choices"][0]["message"]["content"], whole.body["choices"][0]["message"]["content"]);
    assert_eq!(kept["usage"]["completion_tokens"], usage["completion_tokens"]);
}

async fn a_stream_without_usage_is_still_counted(database: Database) {
    let app = TestApp::start(&database).await;
    let stream = app.stream(&hello("gpt-4o-mini")).await.ok();
    assert!(stream.is_done());
    assert!(stream.usage().is_none(), "nobody asked for usage: {}", stream.text);
    assert!(stream.chunks().iter().all(|chunk| !chunk["choices"].as_array().unwrap().is_empty()));
    assert!(stream.chunks().iter().all(|chunk| chunk.get("usage").is_none()), "{}", stream.text);
    let record = app.record(&stream.request_id()).await;
    let call = app.last_call().await;
    assert_eq!(call["body"]["stream_options"], json!({"include_usage": true}), "the upstream is asked all the same");
    let whole = app.chat(&hello("gpt-4o-mini")).await.ok();
    assert_eq!(record.log.output_tokens, whole.body["usage"]["completion_tokens"].as_i64().unwrap());
    assert_eq!(record.log.input_tokens, whole.body["usage"]["prompt_tokens"].as_i64().unwrap());
}

async fn chunks_are_well_formed(database: Database) {
    let app = TestApp::start(&database).await;
    // Both ways a stream is written: passed on, and translated because the upstream's own chunks are odd.
    for model in ["gpt-4o-mini", "mistral-small-latest", "gpt-4o-mini@split", "gpt-4o-mini@crlf,comments"] {
        let stream = app.stream(&hello(model)).await.ok();
        assert_eq!(stream.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(stream.header("cache-control"), "no-cache");
        assert_eq!(stream.header("x-accel-buffering"), "no");
        // Each event is one line and a blank one.
        for part in stream.text.trim_end().split("\n\n") {
            assert!(part.starts_with("data: ") && !part.contains('\n'), "{model}: {part:?}");
        }
        assert!(stream.text.ends_with("data: [DONE]\n\n"), "{model}: {}", stream.text);
        assert_eq!(stream.events.iter().filter(|data| *data == "[DONE]").count(), 1);
        let chunks = stream.chunks();
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant", "{model}: {}", chunks[0]);
        let (mut finished, id, created) = (0, chunks[0]["id"].clone(), chunks[0]["created"].clone());
        assert!(id.as_str().unwrap().starts_with("chatcmpl-") && created.is_i64(), "{model}: {}", chunks[0]);
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert_eq!((&chunk["id"], &chunk["created"]), (&id, &created), "{model}");
            assert!(chunk["model"].is_string());
            let choice = &chunk["choices"][0];
            assert_eq!(choice["index"], 0);
            assert!(choice["delta"].is_object());
            finished += usize::from(choice["finish_reason"].is_string());
        }
        assert_eq!(finished, 1, "{model}: one finish reason");
        assert!(!stream.content().is_empty());
    }
}

async fn what_the_gateway_does_not_know_is_passed_on(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = hello("gpt-4o-mini");
    body["logit_bias"] = json!({"50256": -100});
    body["metadata"] = json!({"team": "a\u{7f}\u{1F600}\\\"", "n": 12345678901234567890u64});
    body["service_tier"] = json!("flex");
    body["prediction"] = json!({"type": "content", "content": "x"});
    body["user"] = json!("u-1");
    for streamed in [false, true] {
        body["stream"] = json!(streamed);
        if streamed {
            app.stream(&body).await.ok();
        } else {
            app.chat(&body).await.ok();
        }
        let mut call = app.last_call().await;
        assert_eq!(call["headers"]["authorization"], "***", "the provider's credential is sent, not the caller's");
        let sent = call["body"].as_object_mut().unwrap();
        sent.remove("stream_options");
        assert_eq!(Value::Object(sent.clone()), body);
    }
    // What the caller's client adds to its request is nobody else's business.
    let call = app.last_call().await;
    for name in ["x-api-key", "cookie", "x-instance-id", "x-request-id", "openai-organization"] {
        assert!(call["headers"].get(name).is_none(), "{name} reached the provider: {}", call["headers"]);
    }
    // A parameter that the provider refuses comes back in the provider's words.
    let mut body = hello("gpt-4o-mini");
    body["no_such_parameter"] = json!(1);
    let refused = app.chat(&body).await.failed(400);
    assert_eq!(refused.body["error"]["message"], "Unrecognized request argument supplied: no_such_parameter");
    assert_eq!(refused.body["error"]["source"], "caller");
    let record = app.record(&refused.request_id()).await;
    assert_eq!(record.outcome(), ("failed", 400));
    assert_eq!(record.error(), ("caller", "invalid"));
    assert_eq!(record.tries(), [("invalid", Some(400))], "a wrong request is not repeated");
}

async fn several_choices(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = hello("gpt-4o-mini");
    body["n"] = json!(2);
    let whole = app.chat(&body).await.ok();
    assert_eq!(whole.body["choices"].as_array().unwrap().len(), 2);
    let stream = app.stream(&body).await.ok();
    let text = |index: i64| -> String {
        let chunks = stream.chunks();
        let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
        choices.filter(|choice| choice["index"] == index).filter_map(|c| c["delta"]["content"].as_str()).collect()
    };
    for index in [0, 1] {
        assert_eq!(text(index), whole.body["choices"][index as usize]["message"]["content"].as_str().unwrap());
    }
    let kept: Value = serde_json::from_str(app.record(&stream.request_id()).await.response_body()).unwrap();
    assert_eq!(kept["choices"].as_array().unwrap().len(), 2);
}

async fn tools_make_a_round_trip(database: Database) {
    let app = TestApp::start(&database).await;
    let tools = json!([{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]);
    let mut messages = vec![json!({"role": "user", "content": "How is the weather in Oslo?"})];
    let mut body = json!({"model": "gpt-4o-mini", "messages": messages, "tools": tools});

    let asked = app.chat(&body).await.ok();
    let choice = &asked.body["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = choice["message"]["tool_calls"][0].clone();
    assert_eq!(call["function"]["name"], "get_weather");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string());

    let stream = app.stream(&body).await.ok();
    let (mut id, mut name, mut written) = (String::new(), String::new(), String::new());
    for chunk in stream.chunks() {
        let delta = &chunk["choices"][0]["delta"]["tool_calls"][0];
        id += delta["id"].as_str().unwrap_or_default();
        name += delta["function"]["name"].as_str().unwrap_or_default();
        written += delta["function"]["arguments"].as_str().unwrap_or_default();
    }
    assert_eq!((id, name), (call["id"].as_str().unwrap().to_owned(), "get_weather".to_owned()));
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), arguments);
    let record = app.record(&stream.request_id()).await;
    assert_eq!(record.log.finish_reason.as_deref(), Some("tool_calls"));
    let kept: Value = serde_json::from_str(record.response_body()).unwrap();
    assert_eq!(kept["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], written);

    messages.push(choice["message"].clone());
    messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "14 degrees and rain"}));
    body["messages"] = json!(messages);
    let said = app.chat(&body).await.ok();
    assert!(said.content().contains("14 degrees and rain"), "{}", said.text);
    assert_eq!(said.body["choices"][0]["finish_reason"], "stop");

    // An answer to a call that nobody made.
    body["messages"] =
        json!([{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "call_0", "content": "y"}]);
    assert_eq!(app.chat(&body).await.failed(400).body["error"]["type"], "invalid_request_error");
}

async fn a_schema_is_kept_to(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = hello("gpt-4o-mini");
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "garden", "strict": true, "schema": {
        "type": "object", "additionalProperties": false, "required": ["plants", "area"],
        "properties": {"plants": {"type": "array", "items": {"type": "string"}}, "area": {"type": "number"}}}}});
    let whole = app.chat(&body).await.ok();
    let garden: Value = serde_json::from_str(whole.content()).unwrap();
    assert!(garden["plants"].is_array() && garden["area"].is_number(), "{garden}");
    let stream = app.stream(&body).await.ok();
    assert_eq!(stream.content(), whole.content());
    assert_eq!(app.last_call().await["body"]["response_format"], body["response_format"]);
}

async fn images_are_passed_on(database: Database) {
    let app = TestApp::start(&database).await;
    let picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==";
    let content = json!([{"type": "text", "text": "What is in it?"}, {"type": "image_url", "image_url": {"url": picture, "detail": "low"}}]);
    let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]});
    let whole = app.chat(&body).await.ok();
    assert!(whole.content().contains("One picture came with it"), "{}", whole.text);
    assert_eq!(app.last_call().await["body"]["messages"][0]["content"], content);
    assert!(app.record(&whole.request_id()).await.log.input_tokens >= 85);
}

async fn contents_are_kept_as_the_instance_says(database: Database) {
    let app = TestApp::start(&database).await;
    let kept = app.chat(&hello("gpt-4o-mini")).await.ok();
    let record = app.record(&kept.request_id()).await;
    assert_eq!(serde_json::from_str::<Value>(record.request_body()).unwrap(), hello("gpt-4o-mini"));
    assert_eq!(record.response_body(), kept.text);
    let contents = record.contents.as_ref().unwrap();
    assert!(!contents.truncated);
    assert_eq!((contents.expires_us - contents.created_us) / crate::support::DAY_US, 7);

    let (key, _) = app
        .key(|key| {
            key.instance_id = "production".into();
            key.project_id = Some("prj_production".into());
        })
        .await;
    let secret = app.chat_as(&key, "gpt-4o-mini").await.ok();
    let record = app.record(&secret.request_id()).await;
    assert!(record.contents.is_none(), "production keeps no contents");
    assert_eq!(record.log.instance_id.as_deref(), Some("production"));
    assert!(record.usage.is_some());
}

async fn long_contents_are_cut(database: Database) {
    let app = TestApp::with(&database, |settings| settings.recording.content_limit_bytes = 200).await;
    let mut body = hello("gpt-4o-mini");
    body["messages"][0]["content"] = "ä".repeat(500).into();
    for streamed in [false, true] {
        body["stream"] = json!(streamed);
        let request_id =
            if streamed { app.stream(&body).await.request_id() } else { app.chat(&body).await.request_id() };
        let record = app.record(&request_id).await;
        assert!(record.contents.as_ref().unwrap().truncated);
        assert!((190..=200).contains(&record.request_body().len()), "{}", record.request_body().len());
        assert!(!record.response_body().is_empty() && record.response_body().len() <= 200);
    }
}

async fn the_call_is_recorded_with_all_it_was(database: Database) {
    let app = TestApp::start(&database).await;
    let request = app
        .post("/v1/chat/completions", &hello("openai/gpt-4o-mini"))
        .header("x-request-id", "mine-1")
        .header("user-agent", "tests/1");
    let answer = crate::support::answer(request).await.ok();
    assert_ne!(answer.request_id(), "mine-1", "the id is ours");
    let log = app.record(&answer.request_id()).await.log;
    assert_eq!(log.caller_request_id.as_deref(), Some("mine-1"));
    assert_eq!(log.user_agent.as_deref(), Some("tests/1"));
    assert_eq!(log.ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(log.surface, "openai.chat");
    assert_eq!(log.model_asked.as_deref(), Some("openai/gpt-4o-mini"));
    assert_eq!(log.model_used.as_deref(), Some("gpt-4o-mini"));
    assert_eq!(log.provider.as_deref(), Some("openai"));
    assert_eq!((log.org_id.as_deref(), log.instance_id.as_deref()), (Some("org_default"), Some("development")));
    assert!(log.key_id.is_some() && log.user_id.is_some() && log.simulated);
    assert_eq!(uuid::Uuid::parse_str(&log.request_id).unwrap().get_version_num(), 7);
    assert!(log.latency_us > 0 && log.overhead_us > 0 && log.overhead_us <= log.latency_us, "{log:?}");
    assert_eq!(log.attempts["items"].as_array().unwrap().len(), 1);
    let (overhead, cost) = (answer.header("x-de-overhead-ms"), answer.header("x-de-cost-usd"));
    assert!(overhead.parse::<f64>().unwrap() > 0.0 && cost.parse::<f64>().unwrap() > 0.0);
    let streamed = app.stream(&hello("gpt-4o-mini")).await.ok();
    let log = app.record(&streamed.request_id()).await.log;
    assert!(log.first_token_us.unwrap() > 0 && log.first_token_us.unwrap() <= log.latency_us, "{log:?}");
    // The key remembers that it was used.
    let key_id = log.key_id.unwrap();
    let used =
        eventually("the key's last use", || async { app.db.api_key(&key_id).await.unwrap()?.last_used_us }).await;
    assert!(used <= app.now_us() && used >= log.created_us - 60_000_000);
}

async fn a_reused_connection_serves_many_calls(database: Database) {
    let app = TestApp::start(&database).await;
    for turn in 0..20 {
        if turn % 2 == 0 {
            app.chat(&hello("gpt-4o-mini")).await.ok();
        } else {
            let stream = app.stream(&hello("gpt-4o-mini")).await.ok();
            assert_eq!(data_lines(&stream.text), stream.events);
            assert!(stream.is_done());
        }
    }
    let written =
        eventually("twenty records", || async { Some(app.count("request_log").await).filter(|n| *n == 20) }).await;
    assert_eq!(written, app.count("usage_logs").await);
}
