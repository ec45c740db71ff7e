//! The text service: one prompt, one text, as its clients have always known it.

use serde_json::{Value, json};

use crate::support::{Database, TestApp, hello, ms, on_both};

on_both!(
    a_prompt_is_answered,
    a_stream_has_one_final_event,
    models_are_chosen_by_the_rules,
    defaults_are_filled_in,
    a_template_wraps_the_prompt,
    a_broken_stream_says_so_and_ends,
    comments_do_not_disturb_the_stream,
    the_instance_is_read,
    unknown_fields_are_ignored,
);

/// A stream of the text service: each event, the last of them final.
fn parts(events: &[String]) -> Vec<Value> {
    events.iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

async fn a_prompt_is_answered(database: Database) {
    let app = TestApp::start(&database).await;
    let body =
        json!({"prompt": "Say hello to the gardeners.", "model_id": "gpt-4o-mini", "project_id": "prj_development"});
    let whole = app.ask("/text/generate", &body).await.ok();
    let answer = &whole.body;
    assert_eq!(answer["success"], true);
    assert!(answer["text"].as_str().unwrap().contains("simulated"));
    assert_eq!(answer["request_id"], whole.request_id());
    assert!(answer["timestamp"].as_str().is_some_and(|at| at.len() == 27 && at.ends_with('Z')));
    let told = &answer["metadata"];
    assert_eq!(
        (&told["provider"], &told["model"], &told["simulated"]),
        (&json!("openai"), &json!("gpt-4o-mini"), &json!(true))
    );
    let (input, output) = (told["input_tokens"].as_i64().unwrap(), told["output_tokens"].as_i64().unwrap());
    assert_eq!(told["tokens_used"], input + output);
    assert!(told["generation_time_ms"].is_u64());
    let record = app.record(&whole.request_id()).await;
    let log = &record.log;
    assert_eq!((log.surface.as_str(), log.project_id.as_deref()), ("text.generate", Some("prj_development")));
    assert_eq!((log.input_tokens, log.output_tokens), (input, output));
    assert_eq!(told["cost_usd"], format!("0.{:06}", log.cost_micro_usd));
    assert_eq!(record.outcome(), ("completed", 200));
    assert!(record.request_body().contains("gardeners") && record.response_body().contains("simulated"));
    // The same prompt through the other door costs the same.
    let chat = app.chat(&hello("gpt-4o-mini")).await.ok();
    assert_eq!(chat.body["usage"]["completion_tokens"], output);
}

async fn a_stream_has_one_final_event(database: Database) {
    let app = TestApp::start(&database).await;
    for model in ["gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash", "command-a-03-2025"] {
        let body = json!({"prompt": "Say hello to the gardeners.", "model": model});
        let whole = app.ask("/text/generate", &body).await.ok();
        let stream = app.listen("/text/generate/stream", &body).await.ok();
        assert_eq!(stream.header("content-type").split(';').next(), Some("text/event-stream"));
        assert_eq!((stream.header("cache-control"), stream.header("connection")), ("no-cache", "keep-alive"));
        let id = stream.request_id();
        let parts = parts(&stream.events);
        let (last, before) = parts.split_last().unwrap();
        assert_eq!(*last, json!({"text": "", "done": true, "request_id": id}), "{model}");
        assert!(before.len() > 3, "{model}: {}", stream.text);
        for part in before {
            assert_eq!((&part["done"], &part["request_id"]), (&json!(false), &json!(id)));
            assert!(part["text"].as_str().is_some_and(|text| !text.is_empty()), "{model}: {part}");
            assert_eq!(part.as_object().unwrap().len(), 3, "{part}");
        }
        let text: String = before.iter().map(|part| part["text"].as_str().unwrap()).collect();
        assert_eq!(text, whole.body["text"].as_str().unwrap(), "{model}");
        let (first, second) = (app.record(&whole.request_id()).await.log, app.record(&id).await.log);
        assert_eq!(second.surface, "text.stream");
        assert_eq!(
            (first.output_tokens, first.cost_micro_usd),
            (second.output_tokens, second.cost_micro_usd),
            "{model}"
        );
    }
}

async fn models_are_chosen_by_the_rules(database: Database) {
    let app = TestApp::start(&database).await;
    for (body, provider, model) in [
        (json!({}), "anthropic", "claude-3-5-sonnet"),
        (json!({"prompt": "A quick answer, please"}), "anthropic", "claude-3-5-haiku-20241022"),
        (json!({"model": "auto"}), "anthropic", "claude-3-5-sonnet"),
        (json!({"model": "gpt-4o"}), "openai", "gpt-4o"),
        (json!({"model": "openai:gpt-4o"}), "openai", "gpt-4o"),
        (json!({"model": "anthropic:claude-sonnet-4-20250514"}), "anthropic", "claude-sonnet-4-20250514"),
        (json!({"model": "gemini:gemini-2.5-flash"}), "google", "gemini-2.5-flash"),
        (json!({"model_id": "gpt-4o-mini", "model": "gpt-4o"}), "openai", "gpt-4o-mini"),
        (json!({"model_id": "no-such-model", "model": "gpt-4o"}), "openai", "gpt-4o"),
        (json!({"model_id": "", "model": " "}), "anthropic", "claude-3-5-sonnet"),
        (json!({"model": "o1-mini"}), "openai", "openai/o1-mini"),
        (json!({"model": "claude-99"}), "anthropic", "anthropic/claude-99"),
    ] {
        let mut request = json!({"prompt": "Hello"});
        request.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = app.ask("/text/generate", &request).await.ok();
        let told = &answer.body["metadata"];
        assert_eq!((told["provider"].as_str().unwrap(), told["model"].as_str().unwrap()), (provider, model), "{body}");
        // The provider's part of the name stays here.
        assert!(!app.last_call().await["model"].as_str().unwrap().contains([':', '/']), "{body}");
    }
}

async fn defaults_are_filled_in(database: Database) {
    let app = TestApp::start(&database).await;
    let sent = async |body: Value| {
        app.ask("/text/generate", &body).await.ok();
        app.last_call().await["body"].clone()
    };
    let plain = sent(json!({"prompt": "Hi", "model": "gpt-4o-mini"})).await;
    let limit = |body: &Value| body.get("max_tokens").or(body.get("max_completion_tokens")).cloned();
    assert_eq!(limit(&plain), Some(json!(1000)));
    assert_eq!((&plain["temperature"], &plain["top_p"]), (&json!(0.7), &json!(1.0)));
    assert_eq!(plain["messages"], json!([{"role": "user", "content": "Hi"}]));
    let options = json!({"max_tokens": 5, "temperature": 0.1, "top_p": 0.5, "seed": 3, "stop_sequences": ["zzz"], "system_prompt": "Be kind."});
    let chosen = sent(json!({"prompt": "Hi", "model": "gpt-4o-mini", "options": options})).await;
    assert_eq!(limit(&chosen), Some(json!(5)));
    assert_eq!((&chosen["temperature"], &chosen["top_p"], &chosen["seed"]), (&json!(0.1), &json!(0.5), &json!(3)));
    assert_eq!(chosen["messages"][0], json!({"role": "system", "content": "Be kind."}));
    assert!(chosen["stop"] == json!(["zzz"]) || chosen["stop"] == json!("zzz"), "{chosen}");
    // Models that refuse sampling parameters are not given our own defaults.
    let without = sent(json!({"prompt": "Hi", "model": "claude-sonnet-5"})).await;
    assert!(without.get("temperature").is_none() && without.get("top_p").is_none(), "{without}");
    let reasoning = sent(json!({"prompt": "Hi", "model": "gpt-5-mini"})).await;
    assert!(reasoning.get("max_tokens").is_none(), "{reasoning}");
}

async fn a_template_wraps_the_prompt(database: Database) {
    let app = TestApp::start(&database).await;
    app.own_model("brief", Some("org_default"), |model| {
        model.prompt_template =
            Some(json!({"system_prompt": "Be a gardener.", "user_prompt_wrapper": "{user_prompt}\n\nBe brief.",
            "default_temperature": 0.2, "default_max_tokens": 50, "stop_sequences": ["END"]}));
    })
    .await;
    for path in ["/text/generate", "/text/generate/stream"] {
        assert_eq!(app.ask(path, &json!({"prompt": "Hi", "model_id": "brief"})).await.status, 200);
        let sent = app.last_call().await["body"].clone();
        assert_eq!(
            sent["messages"],
            json!([{"role": "system", "content": "Be a gardener."}, {"role": "user", "content": "Hi\n\nBe brief."}])
        );
        assert_eq!(sent["temperature"], 0.2);
        assert!(sent["max_tokens"] == 50 || sent["max_completion_tokens"] == 50, "{sent}");
        assert!(sent["stop"].to_string().contains("END"), "{sent}");
    }
    let own = json!({"system_prompt": "Be a sailor.", "temperature": 1.0, "max_tokens": 7});
    app.ask("/text/generate", &json!({"prompt": "Hi", "model_id": "brief", "options": own})).await.ok();
    let sent = app.last_call().await["body"].clone();
    assert_eq!((&sent["messages"][0]["content"], &sent["temperature"]), (&json!("Be a sailor."), &json!(1.0)));
    // The chat surface takes the conversation as it is.
    app.chat(&hello("brief")).await.ok();
    assert_eq!(app.last_call().await["body"]["messages"].as_array().unwrap().len(), 1);
}

async fn a_broken_stream_says_so_and_ends(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.idle_timeout = ms(200)).await;
    for fault in ["cut:3", "drop:3", "stall:3", "error:3"] {
        let body = json!({"prompt": "Hello", "model": format!("openai:gpt-4o-mini@{fault}")});
        let stream = app.listen("/text/generate/stream", &body).await.ok();
        assert!(!stream.broken);
        let parts = parts(&stream.events);
        let (last, before) = parts.split_last().unwrap();
        assert_eq!((&last["error"], &last["done"]), (&json!("Stream error"), &json!(true)), "{fault}: {}", stream.text);
        assert_eq!(last["request_id"], stream.request_id());
        assert_eq!(before.len(), 3, "{fault}: {}", stream.text);
        assert!(before.iter().all(|part| part["done"] == false));
        let record = app.record(&stream.request_id()).await;
        assert_eq!((record.outcome(), record.error().0), (("failed", 200), "provider"), "{fault}");
        assert_eq!(record.log.output_tokens, 3);
    }
}

async fn comments_do_not_disturb_the_stream(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.keep_alive = ms(50)).await;
    let body = json!({"prompt": "Hello", "model": "openai:gpt-4o-mini@silent:300"});
    let stream = app.listen("/text/generate/stream", &body).await.ok();
    assert!(stream.comments >= 2, "{}", stream.text);
    assert_eq!(parts(&stream.events).iter().filter(|part| part["done"] == true).count(), 1);
}

async fn the_instance_is_read(database: Database) {
    let app = TestApp::start(&database).await;
    let (key, _) = app
        .key(|key| {
            key.instance_id = "production".into();
            key.project_id = Some("prj_production".into());
        })
        .await;
    let ask = async |instance: Option<&str>, header: Option<&str>| {
        let mut body = json!({"prompt": "Hi", "model": "gpt-4o-mini"});
        if let Some(instance) = instance {
            body["instance_id"] = instance.into();
        }
        let mut request = app.client.post(app.url("/text/generate")).bearer_auth(&key).json(&body);
        if let Some(header) = header {
            request = request.header("x-instance-id", header);
        }
        crate::support::answer(request).await
    };
    for (instance, header) in [
        (None, None),
        (Some("production"), None),
        (Some("Production"), None),
        (Some("default"), None),
        (None, Some("production")),
        (Some("production"), Some("nowhere")),
    ] {
        let answer = ask(instance, header).await.ok();
        let log = app.record(&answer.request_id()).await.log;
        assert_eq!(log.instance_id.as_deref(), Some("production"), "{instance:?} {header:?}");
    }
    assert_eq!(ask(Some("nowhere"), None).await.failed(404).body["error_code"], "INSTANCE_NOT_FOUND");
    assert_eq!(ask(None, Some("nowhere")).await.failed(404).body["error_code"], "INSTANCE_NOT_FOUND");
    assert_eq!(
        ask(Some("development"), Some("production")).await.failed(403).body["error_code"],
        "INSTANCE_ACCESS_DENIED"
    );
}

async fn unknown_fields_are_ignored(database: Database) {
    let app = TestApp::start(&database).await;
    let body =
        json!({"prompt": "Hi", "model": "gpt-4o-mini", "colour": "green", "options": {"style": "vivid", "top_k": 5}});
    app.ask("/text/generate", &body).await.ok();
    let sent = app.last_call().await["body"].to_string();
    assert!(!sent.contains("green") && !sent.contains("vivid") && !sent.contains("top_k"), "{sent}");
}
