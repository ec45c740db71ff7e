//! Every provider behind the same address: what comes back has OpenAI's shape, buffered and streamed agree, and failures
//! are told in the same words.

use serde_json::{Value, json};
use server::store::providers::ProviderRow;

use crate::support::{Database, TestApp, hello, ms, on_both};

on_both!(
    all_of_them_answer_and_agree,
    all_of_them_break_honestly,
    all_of_them_fail_in_the_same_words,
    all_of_them_call_tools,
    all_of_them_keep_to_a_schema,
    pictures_reach_those_that_see,
    stops_and_lengths_are_kept,
    left_out_parameters_are_told,
    what_was_cached_has_its_price,
    a_cancelled_call_counts_what_came,
    any_api_by_its_mapping,
);

/// (model, provider, price of a million tokens in, out)
const MODELS: [(&str, &str, f64, f64); 8] = [
    ("gpt-4o-mini", "openai", 0.15, 0.6),
    ("claude-haiku-4-5", "anthropic", 1.0, 5.0),
    ("gemini-2.5-flash", "google", 0.3, 2.5),
    ("command-a-03-2025", "cohere", 2.5, 10.0),
    ("mistral-small-latest", "mistral", f64::NAN, f64::NAN),
    ("gpt-oss-20b", "groq", f64::NAN, f64::NAN),
    ("deepseek-chat", "deepseek", f64::NAN, f64::NAN),
    ("grok-4.7", "xai", f64::NAN, f64::NAN),
];
/// One model of each wire format that is not OpenAI's own.
const OTHERS: [(&str, &str); 3] =
    [("claude-haiku-4-5", "anthropic"), ("gemini-2.5-flash", "google"), ("command-a-03-2025", "cohere")];

async fn all_of_them_answer_and_agree(database: Database) {
    let app = TestApp::start(&database).await;
    for (model, provider, input, output) in MODELS {
        let mut body = hello(model);
        body["messages"] = json!([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Name a river."},
            {"role": "assistant", "content": "The Elbe."}, {"role": "user", "content": "Name a mountain, please."}]);
        let whole = app.chat(&body).await.ok();
        assert_eq!((whole.header("x-de-provider"), whole.header("x-de-simulated")), (provider, "true"));
        assert_eq!(whole.body["object"], "chat.completion", "{model}: {}", whole.text);
        assert_eq!(whole.body["choices"][0]["finish_reason"], "stop", "{model}");
        assert_eq!(whole.body["choices"][0]["message"]["role"], "assistant");
        assert!(
            whole.content().contains("simulated") && whole.content().contains("Name a mountain"),
            "{model}: {}",
            whole.text
        );
        assert!(whole.content().contains("Be kind"), "the system prompt arrived: {}", whole.text);

        body["stream_options"] = json!({"include_usage": true});
        let stream = app.stream(&body).await.ok();
        assert!(stream.is_done(), "{model}");
        assert_eq!(stream.content(), whole.content(), "{model}");
        assert_eq!(stream.chunks()[0]["choices"][0]["delta"]["role"], "assistant", "{model}");
        let finishes: Vec<Value> =
            stream.chunks().iter().map(|c| c["choices"][0]["finish_reason"].clone()).filter(|f| !f.is_null()).collect();
        assert_eq!(finishes, ["stop"], "{model}");
        let usage = stream.usage().unwrap_or_else(|| panic!("{model}: no usage in {}", stream.text));
        for kind in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert_eq!(usage[kind], whole.body["usage"][kind], "{model} {kind}");
        }
        let (first, second) = (app.record(&whole.request_id()).await.log, app.record(&stream.request_id()).await.log);
        for log in [&first, &second] {
            assert_eq!(log.provider.as_deref(), Some(provider));
            assert_eq!(log.input_tokens, usage["prompt_tokens"].as_i64().unwrap(), "{model}");
            assert_eq!(log.output_tokens, usage["completion_tokens"].as_i64().unwrap(), "{model}");
            assert_eq!((log.status.as_str(), log.finish_reason.as_deref()), ("completed", Some("stop")));
            if input.is_finite() {
                let cost = log.input_tokens as f64 * input + log.output_tokens as f64 * output;
                assert_eq!(log.cost_micro_usd, (cost + 1e-6).round() as i64, "{model}");
            }
        }
        assert_eq!(first.cost_micro_usd, second.cost_micro_usd, "{model}");
        assert!(first.cost_micro_usd > 0, "{model} has a price");
    }
}

async fn all_of_them_break_honestly(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.idle_timeout = ms(250)).await;
    for (model, provider, _, _) in MODELS {
        for (fault, code, class) in [
            ("cut-4", "provider_stream_cut", "truncated"),
            ("drop-4", "provider_stream_cut", "truncated"),
            ("stall-4", "provider_timeout", "timeout"),
            ("malformed-4", "provider_malformed", "malformed"),
            ("error-4", "", ""),
        ] {
            let stream = app.stream(&hello(&format!("{provider}/{model}@{fault}"))).await.ok();
            assert!(!stream.text.contains("[DONE]"), "{model} {fault}: {}", stream.text);
            assert_eq!(stream.content(), "This is a simu", "{model} {fault}: {}", stream.text);
            let error = stream.error().unwrap_or_else(|| panic!("{model} {fault}: no error in {}", stream.text));
            assert_eq!(
                (&error["source"], &error["provider"]),
                (&json!("provider"), &json!(provider)),
                "{model} {fault}"
            );
            let record = app.record(&stream.request_id()).await;
            assert_eq!(record.outcome(), ("failed", 200), "{model} {fault}");
            if code.is_empty() {
                assert!(
                    ["provider_error", "provider_overloaded"].contains(&error["code"].as_str().unwrap()),
                    "{model}: {error}"
                );
            } else {
                assert_eq!(error["code"], code, "{model} {fault}: {error}");
                assert_eq!(record.error(), ("provider", class));
            }
            assert!(record.log.output_tokens >= 3, "{model} {fault}: what came is counted: {:?}", record.log);
            assert!(record.log.input_tokens > 0, "{model} {fault}");
        }
        app.reload().await;
    }
}

async fn all_of_them_fail_in_the_same_words(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.max_attempts = 2;
        settings.gateway.retry_after_max = ms(500);
    })
    .await;
    for (model, provider) in OTHERS {
        for (fault, status, code, tries) in [
            ("400", 400, None, 1),
            ("401", 502, Some("provider_auth"), 1),
            ("404", 404, Some("model_not_found"), 1),
            // Too long a wait to begin it.
            ("429-1", 429, Some("rate_limit_exceeded"), 1),
            ("500", 502, Some("provider_error"), 2),
            (if provider == "anthropic" { "529" } else { "503" }, 503, Some("provider_overloaded"), 2),
            ("quota", 429, Some("insufficient_quota"), 1),
        ] {
            for streamed in [false, true] {
                let mut body = hello(&format!("{provider}/{model}@{fault}"));
                body["stream"] = json!(streamed);
                let failed = app.chat(&body).await.failed(status);
                let error = &failed.body["error"];
                if let Some(code) = code {
                    assert_eq!(error["code"], code, "{model} {fault}: {error}");
                }
                assert_eq!(error["provider"], provider);
                assert!(
                    error["message"].as_str().is_some_and(|text| !text.is_empty() && !text.contains('{')),
                    "{error}"
                );
                assert_eq!(app.record(&failed.request_id()).await.tries().len(), tries, "{model} {fault}");
            }
        }
    }
}

async fn all_of_them_call_tools(database: Database) {
    let app = TestApp::start(&database).await;
    let tools = json!([{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}}},
        {"type": "function", "function": {"name": "book_flight", "parameters": {"type": "object", "properties": {}}}}]);
    for (model, _, _, _) in MODELS {
        let mut messages = vec![json!({"role": "user", "content": "How is the weather in Oslo?"})];
        let mut body = json!({"model": model, "messages": messages, "tools": tools});
        let asked = app.chat(&body).await.ok();
        let choice = &asked.body["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{model}: {}", asked.text);
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{model}: {}", asked.text);
        assert_eq!((&calls[0]["type"], &calls[0]["function"]["name"]), (&json!("function"), &json!("get_weather")));
        let arguments: Value = serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
        assert!(arguments["city"].is_string(), "{model}: {arguments}");

        let stream = app.stream(&body).await.ok();
        assert!(stream.is_done(), "{model}");
        let (mut names, mut written) = (Vec::new(), String::new());
        for chunk in stream.chunks() {
            for call in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
                assert_eq!(call["index"], 0, "{model}");
                if let Some(id) = call["id"].as_str() {
                    names.push((id.to_owned(), call["function"]["name"].as_str().unwrap().to_owned()));
                }
                written += call["function"]["arguments"].as_str().unwrap_or_default();
            }
        }
        assert_eq!(names.len(), 1, "{model}: {}", stream.text);
        assert_eq!(names[0].1, "get_weather");
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), arguments, "{model}");

        messages.push(choice["message"].clone());
        messages.push(json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "14 degrees and rain"}));
        body["messages"] = json!(messages);
        let said = app.chat(&body).await.ok();
        assert!(said.content().contains("14 degrees and rain"), "{model}: {}", said.text);
        // Forced, and forbidden.
        let forced = json!({"model": model, "messages": [{"role": "user", "content": "Hello"}], "tools": tools,
            "tool_choice": {"type": "function", "function": {"name": "book_flight"}}});
        if model != "command-a-03-2025" {
            let answer = app.chat(&forced).await.ok();
            let call = &answer.body["choices"][0]["message"]["tool_calls"][0];
            assert_eq!(call["function"]["name"], "book_flight", "{model}: {}", answer.text);
        }
        let mut none = body.clone();
        none["messages"] = json!([{"role": "user", "content": "How is the weather in Oslo?"}]);
        none["tool_choice"] = json!("none");
        assert_eq!(app.chat(&none).await.ok().body["choices"][0]["finish_reason"], "stop", "{model}");
    }
}

async fn all_of_them_keep_to_a_schema(database: Database) {
    let app = TestApp::start(&database).await;
    for (model, _, _, _) in MODELS {
        let mut body = hello(model);
        body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "garden", "strict": true, "schema": {
            "type": "object", "additionalProperties": false, "required": ["plants", "area"],
            "properties": {"plants": {"type": "array", "items": {"type": "string"}}, "area": {"type": "number"}}}}});
        let whole = app.chat(&body).await.ok();
        let garden: Value = serde_json::from_str(whole.content()).unwrap_or_else(|_| panic!("{model}: {}", whole.text));
        assert!(garden["plants"].is_array() && garden["area"].is_number(), "{model}: {garden}");
        let stream = app.stream(&body).await.ok();
        assert_eq!(stream.content(), whole.content(), "{model}");
        body["response_format"] = json!({"type": "json_object"});
        body["messages"][0]["content"] = json!("Answer in JSON: a garden.");
        let whole = app.chat(&body).await.ok();
        if serde_json::from_str::<Value>(whole.content()).is_err() {
            // Who has no such mode is asked for it.
            let sent = app.last_call().await["body"]["system"].to_string();
            assert!(model == "claude-haiku-4-5" && sent.contains("one valid JSON object"), "{model}: {sent}");
        }
    }
}

async fn pictures_reach_those_that_see(database: Database) {
    let app = TestApp::start(&database).await;
    let picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==";
    for model in ["claude-haiku-4-5", "gemini-2.5-flash"] {
        let content =
            json!([{"type": "text", "text": "What is in it?"}, {"type": "image_url", "image_url": {"url": picture}}]);
        let whole = app.chat(&json!({"model": model, "messages": [{"role": "user", "content": content}]})).await.ok();
        assert!(whole.content().contains("One picture came with it"), "{model}: {}", whole.text);
        let sent = app.last_call().await["body"].to_string();
        assert!(sent.contains("iVBORw0KGgo") && sent.contains("image/png"), "{model}: {sent}");
    }
}

async fn stops_and_lengths_are_kept(database: Database) {
    let app = TestApp::start(&database).await;
    for (model, _, _, _) in MODELS {
        let mut body = hello(model);
        body["max_tokens"] = json!(5);
        let short = app.chat(&body).await.ok();
        assert_eq!(short.body["choices"][0]["finish_reason"], "length", "{model}: {}", short.text);
        assert_eq!(short.body["usage"]["completion_tokens"], 5, "{model}");
        let stream = app.stream(&body).await.ok();
        let last = stream
            .chunks()
            .iter()
            .filter_map(|c| c["choices"][0]["finish_reason"].as_str().map(str::to_owned))
            .next_back();
        assert_eq!(last.as_deref(), Some("length"), "{model}");
        let mut body = hello(model);
        body["stop"] = json!([" simulated", "zzz"]);
        let stopped = app.chat(&body).await.ok();
        assert_eq!(stopped.content(), "This is a", "{model}");
        assert_eq!(stopped.body["choices"][0]["finish_reason"], "stop", "{model}");
        assert_eq!(app.stream(&body).await.ok().content(), "This is a", "{model}");
    }
}

async fn left_out_parameters_are_told(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = hello("claude-haiku-4-5");
    body["logit_bias"] = json!({"1": 2});
    body["seed"] = json!(5);
    let whole = app.chat(&body).await.ok();
    let dropped: Vec<&str> = whole.header("x-de-dropped").split(", ").collect();
    assert!(dropped.contains(&"logit_bias") && dropped.contains(&"seed"), "{dropped:?}");
    let sent = app.last_call().await["body"].clone();
    assert!(sent.get("logit_bias").is_none() && sent.get("seed").is_none(), "{sent}");
    // A field of the wrong type is the caller's mistake, whoever would have answered.
    for (field, value) in
        [("temperature", json!("hot")), ("tools", json!({})), ("messages", json!([1])), ("stop", json!(5))]
    {
        let mut body = hello("claude-haiku-4-5");
        body[field] = value;
        let failed = app.chat(&body).await.failed(400);
        assert_eq!(
            (&failed.body["error"]["type"], &failed.body["error"]["source"]),
            (&json!("invalid_request_error"), &json!("caller")),
            "{field}"
        );
        assert_eq!(app.record(&failed.request_id()).await.outcome(), ("failed", 400));
    }
}

async fn what_was_cached_has_its_price(database: Database) {
    let app = TestApp::start(&database).await;
    for (model, input, cached, output) in [("claude-haiku-4-5", 1.0, 0.1, 5.0), ("gemini-2.5-flash", 0.3, 0.03, 2.5)] {
        let mut body = hello(model);
        body["messages"][0]["content"] = "[cached] Say hello to the gardeners and to all of their friends.".into();
        let whole = app.chat(&body).await.ok();
        let stream = app.stream(&body).await.ok();
        let (first, second) = (app.record(&whole.request_id()).await.log, app.record(&stream.request_id()).await.log);
        assert!(first.cached_tokens > 0 && first.cached_tokens < first.input_tokens, "{model}: {first:?}");
        assert_eq!(
            (first.input_tokens, first.cached_tokens, first.cost_micro_usd),
            (second.input_tokens, second.cached_tokens, second.cost_micro_usd),
            "{model}"
        );
        assert_eq!(
            whole.body["usage"]["prompt_tokens"], first.input_tokens,
            "{model}: cached tokens are part of the prompt"
        );
        assert_eq!(whole.body["usage"]["prompt_tokens_details"]["cached_tokens"], first.cached_tokens, "{model}");
        let plain = (first.input_tokens - first.cached_tokens) as f64;
        let cost = plain * input + first.cached_tokens as f64 * cached + first.output_tokens as f64 * output;
        assert_eq!(first.cost_micro_usd, (cost + 1e-6).round() as i64, "{model}");
    }
}

async fn a_cancelled_call_counts_what_came(database: Database) {
    let app = TestApp::with(&database, |settings| settings.simulation.per_token = ms(40)).await;
    for (model, provider) in OTHERS {
        let mut body = hello(model);
        body["stream"] = json!(true);
        let mut raw = crate::support::Raw::chat(&app, &body).await;
        raw.until("\" simu\"").await;
        raw.hang_up();
        let record = app.record_where("the cancelled call", |log| log.provider.as_deref() == Some(provider)).await;
        assert_eq!(record.outcome(), ("cancelled", 499), "{model}");
        assert!(record.log.output_tokens >= 3 && record.log.input_tokens > 0, "{model}: {:?}", record.log);
        assert!(record.log.cost_micro_usd > 0, "{model}");
        app.call_where("the provider's call ends", |call| call["outcome"] == "client_gone").await;
    }
}

/// A provider of one's own that speaks a format nobody knows.
async fn generic(app: &TestApp) {
    let like = app.db.provider("openai").await.unwrap().unwrap();
    let row = ProviderRow {
        id: "generic".into(),
        display_name: "Generic".into(),
        adapter: Some("mapped".into()),
        base_url: "https://generic.example".into(),
        credential: json!({"header": "x-api-key", "prefix": ""}),
        config: json!({}),
        ..like
    };
    app.db.insert_provider(&row).await.unwrap();
}

async fn any_api_by_its_mapping(database: Database) {
    let app = TestApp::start(&database).await;
    // The shipped mapping of a provider that has a codec of its own.
    app.own_model("by-mapping", Some("org_default"), |model| model.adapter = Some("mapped".into())).await;
    let whole = app.chat(&hello("by-mapping")).await.ok();
    assert!(whole.content().contains("simulated"), "{}", whole.text);
    let call = app.last_call().await;
    assert_eq!((&call["provider"], &call["model"]), (&json!("openai"), &json!("gpt-4o-mini")));
    let record = app.record(&whole.request_id()).await;
    assert_eq!(record.outcome(), ("completed", 200));
    // It tells a total only, and that counts as input.
    assert!(record.log.input_tokens > 0 && record.log.cost_micro_usd > 0);

    generic(&app).await;
    let mapping = |change: &dyn Fn(&mut Value)| {
        let mut mapping = json!({"endpoint": "/v1/generate", "method": "POST", "headers": {"x-api-key": "{api_key}"},
            "body": {"model": "{model}", "prompt": "{user_prompt}", "max_tokens": "{max_tokens}", "temperature": "{temperature}"},
            "response_mapping": {"text": "$.result.text", "tokens_used": "$.usage.total"}});
        change(&mut mapping);
        mapping
    };
    for (name, payload) in [
        ("generic-plain", mapping(&|_| {})),
        (
            "generic-job",
            mapping(&|m| {
                m["endpoint"] = json!("/v1/jobs");
                m["poll"] = json!({"endpoint": "/v1/jobs/{job_id}", "job_id": "$.id", "status": "$.status", "done": ["succeeded"],
                "failed": ["failed"], "error": "$.error.message", "interval_ms": 100,
                "headers": {"x-api-key": "{api_key}"}, "response_mapping": {"text": "$.output.text"}});
            }),
        ),
    ] {
        app.own_model(name, Some("org_default"), |model| {
            model.provider_id = "generic".into();
            model.adapter = Some("mapped".into());
            model.upstream_model = "anything".into();
            model.payload_mapping = payload;
        })
        .await;
        let mut body = hello(name);
        body["max_tokens"] = json!(6);
        let whole = app.chat(&body).await.ok();
        assert!(whole.content().starts_with("This is a simu"), "{name}: {}", whole.text);
        let sent = app.calls().await.into_iter().find(|call| call["method"] == "POST").unwrap()["body"].clone();
        assert_eq!(sent["max_tokens"], 6, "numbers stay numbers: {sent}");
        assert!(sent.get("temperature").is_none(), "what has no value is left out: {sent}");
        let refused = app.chat(&json!({"model": name, "stream": true, "messages": body["messages"]})).await.failed(400);
        assert_eq!(refused.body["error"]["param"], "stream", "{name}: {}", refused.text);
    }
}
