//! Providers, limits, prompts, classifications, routing rules and settings.

use serde_json::{Value, json};

use super::{data, delete, failure, get, post, put};
use crate::support::{Database, TestApp, hello, on_both};

on_both!(
    a_second_server_of_a_known_format_is_one_provider_more,
    a_limit_holds_as_soon_as_it_is_made,
    limits_are_checked,
    prompts_classifications_and_routes_are_made_changed_and_deleted,
    settings_are_named_by_who_makes_them,
    rules_can_be_tried_and_hold_at_once,
);

async fn a_second_server_of_a_known_format_is_one_provider_more(database: Database) {
    let app = TestApp::start(&database).await;
    for (body, error) in [
        (json!({}), "Missing required fields: id, display_name, base_url"),
        (
            json!({"id": "My LLM", "display_name": "x", "base_url": "http://x"}),
            "A provider's id has 1 to 64 lower-case letters, digits, hyphens, underscores and dots",
        ),
        (
            json!({"id": "x", "display_name": "x", "base_url": "ftp://x"}),
            "base_url must be an address that begins with http:// or https://",
        ),
        (
            json!({"id": "x", "display_name": "x", "base_url": "http://x", "credential": {"env": "X"}}),
            "env must be a list of texts",
        ),
        (
            json!({"id": "x", "display_name": "x", "base_url": "http://x", "config": {"headers": {"a b": "c"}}}),
            "headers must be an object of header names and texts",
        ),
    ] {
        assert_eq!(failure(post(&app, "/config/provider", &body).await, 400), error);
    }
    let body = json!({
        "id": "my-vllm", "display_name": "Ours", "adapter": "openai",
        "base_url": format!("{}/openai/v1/", app.simulator()),
        "config": {"headers": {"authorization": "Bearer sk-ours"}},
    });
    let made = data(post(&app, "/config/provider", &body).await);
    assert_eq!(made["base_url"], format!("{}/openai/v1", app.simulator()));
    assert_eq!(failure(post(&app, "/config/provider", &body).await, 409), "A provider with this id exists already");
    let answer = app.chat(&hello("my-vllm/some-model")).await.ok();
    assert_eq!(answer.header("x-de-provider"), "my-vllm");
    data(put(&app, "/config/provider/my-vllm", &json!({"is_active": false})).await);
    assert_ne!(app.chat(&hello("my-vllm/some-model")).await.status, 200);
}

async fn a_limit_holds_as_soon_as_it_is_made(database: Database) {
    let app = TestApp::start(&database).await;
    for limit in data(get(&app, "/config/rate-limit").await).as_array().unwrap() {
        data(delete(&app, &format!("/config/rate-limit/{}", limit["id"].as_str().unwrap())).await);
    }
    data(put(&app, "/config/instance/development", &json!({"config": {}})).await);
    let made = data(post(&app, "/config/rate-limit", &json!({"provider": "openai", "requests_per_minute": 1})).await);
    app.chat(&hello("gpt-4o-mini")).await.ok();
    app.chat(&hello("gpt-4o-mini")).await.failed(429);
    let path = format!("/config/rate-limit/{}", made["id"].as_str().unwrap());
    data(put(&app, &path, &json!({"requests_per_minute": 100})).await);
    app.chat(&hello("gpt-4o-mini")).await.ok();
}

async fn limits_are_checked(database: Database) {
    let app = TestApp::start(&database).await;
    let number = "A limit needs a number: requests_per_minute, tokens_per_minute, a budget, …";
    for (body, status, error) in [
        (json!({"provider": "openai"}), 400, number),
        (json!({"model": "gpt-4o", "requests_per_minute": 1}), 400, "A limit of a model names its provider, too"),
        (json!({"requests_per_minute": -1}), 400, "requests_per_minute must be a whole number of at least 0"),
        (json!({"requests_per_minute": 1.5}), 400, "requests_per_minute must be a whole number of at least 0"),
        (json!({"requests_per_minute": 1, "warn_percent": 101}), 400, "warn_percent must be at most 100"),
        (json!({"provider": "nobody", "requests_per_minute": 1}), 404, "Provider not found"),
        (json!({"project_id": "nothing", "requests_per_minute": 1}), 404, "Project not found"),
        (
            json!({"project_id": "prj_development", "instance_id": "production", "requests_per_minute": 1}),
            400,
            "project_id is of another instance",
        ),
        (json!({"provider": "openai", "requests_per_minute": 1}), 409, "There is a limit for the same calls already"),
    ] {
        assert_eq!(failure(post(&app, "/config/rate-limit", &body).await, status), error);
    }
    // A limit of a project is in its instance; a budget is a limit.
    let budget = json!({"project_id": "prj_development", "budget_day_micro_usd": 5_000_000});
    let made = data(post(&app, "/config/rate-limit", &budget).await);
    assert_eq!((&made["instance_id"], &made["cooldown_seconds"]), (&json!("development"), &json!(60)));
    // The provider's other name means the same provider.
    data(
        post(&app, "/config/rate-limit", &json!({"provider": "gemini", "model": "x", "requests_per_minute": 1})).await,
    );
}

async fn prompts_classifications_and_routes_are_made_changed_and_deleted(database: Database) {
    let app = TestApp::start(&database).await;
    for (kind, missing, good, change, bad, error) in [
        (
            "prompt",
            "Missing required fields: task_type, name, template",
            json!({"task_type": "text", "name": "Haiku", "template": "A haiku about {user_query}"}),
            json!({"description": "Short", "is_default": true}),
            json!({"variables": []}),
            "variables must be an object",
        ),
        (
            "task-classification",
            "Missing required fields: pattern, pattern_type, task_type",
            json!({"pattern": "sing|hum", "pattern_type": "keyword", "task_type": "audio"}),
            json!({"confidence_boost": 0.5, "priority": 3, "pattern_type": "regex"}),
            json!({"pattern_type": "regex", "pattern": "(open"}),
            "pattern is not a regular expression",
        ),
        (
            "routing-rule",
            "Missing required fields: task_type, provider, model",
            json!({"task_type": "text", "provider": "openai", "model": "gpt-4o"}),
            json!({"weight": 7, "cost_tier": "low", "subtask": "poem"}),
            json!({"cost_tier": "free"}),
            "cost_tier must be one of: low, medium, high",
        ),
        (
            "quality-profile",
            "Missing required fields: name",
            json!({"name": "Careful", "task_type": "text"}),
            json!({"auto_approve": false, "approve_from": 0.9, "json_schema": {"type": "object"}}),
            json!({"approve_from": 2}),
            "approve_from must be from 0 to 1",
        ),
    ] {
        let all = format!("/config/{kind}");
        let before = data(get(&app, &all).await).as_array().unwrap().len();
        assert_eq!(failure(post(&app, &all, &json!({})).await, 400), missing);
        let made = data(post(&app, &all, &good).await);
        let one = format!("{all}/{}", made["id"].as_str().unwrap());
        for (name, value) in good.as_object().unwrap() {
            assert_eq!(made[name], *value);
        }
        assert_eq!(made["is_active"], true);
        assert_eq!(data(get(&app, &all).await)[0], made, "newest first");
        let changed = data(put(&app, &one, &change).await);
        for (name, value) in change.as_object().unwrap() {
            assert_eq!(changed[name], *value);
        }
        assert!(failure(put(&app, &one, &bad).await, 400).starts_with(error));
        assert_eq!(data(get(&app, &one).await), changed);
        assert_eq!(data(delete(&app, &one).await)["deleted"], true);
        assert_eq!(data(get(&app, &all).await).as_array().unwrap().len(), before);
        data(post(&app, &format!("{one}/restore"), &json!({})).await);
        assert_eq!(data(get(&app, &all).await).as_array().unwrap().len(), before + 1);
    }
}

async fn settings_are_named_by_who_makes_them(database: Database) {
    let app = TestApp::start(&database).await;
    for (body, error) in [
        (json!({}), "Missing required fields: key, value"),
        (
            json!({"key": "a b", "value": {}}),
            "A key has 1 to 200 letters, digits, hyphens, underscores, dots and colons",
        ),
        (json!({"key": "a", "value": [1]}), "value must be an object"),
        (json!({"key": "config_version", "value": {"n": 1}}), "config_version counts by itself"),
    ] {
        assert_eq!(failure(post(&app, "/config/setting", &body).await, 400), error);
    }
    let made = data(post(&app, "/config/setting", &json!({"key": "ours.color", "value": {"rgb": [1, 2, 3]}})).await);
    assert_eq!(made["key"], "ours.color");
    assert_eq!(
        data(put(&app, "/config/setting/ours.color", &json!({"value": {"n": 1}})).await)["value"],
        json!({"n": 1})
    );
    assert_eq!(failure(get(&app, "/config/setting/config_version").await, 404), "Setting not found");
    assert_eq!(failure(delete(&app, "/config/setting/config_version").await, 404), "Setting not found");
    assert_eq!(data(delete(&app, "/config/setting/ours.color").await), json!({"deleted": true, "key": "ours.color"}));
    let keys: Vec<Value> =
        data(get(&app, "/config/setting").await).as_array().unwrap().iter().map(|row| row["key"].clone()).collect();
    assert!(!keys.contains(&json!("config_version")));
}

async fn rules_can_be_tried_and_hold_at_once(database: Database) {
    let app = TestApp::start(&database).await;
    let path = "/config/task-classification/test";
    let tried = async |body: Value| data(post(&app, path, &body).await);
    let (claude, haiku) = ("claude-3-5-sonnet", "claude-3-5-haiku");
    for (query, task_type, subtask, provider, model) in [
        ("Draw a cartoon of a dog", "image", json!("illustration"), "gemini", "gemini-nano-banana"),
        ("A photo of a dog", "image", json!("photo-realistic"), "ideogram", "ideogram-v2"),
        ("Draw a dog", "image", json!(null), "ideogram", "ideogram-v2"),
        ("Give me a quick answer", "text", json!("fast"), "anthropic", haiku),
        ("Write a function", "text", json!("code"), "anthropic", claude),
        ("Hello", "text", json!(null), "anthropic", claude),
        ("Read this aloud", "audio", json!(null), "elevenlabs", "eleven_multilingual_v2"),
        ("Make a movie", "video", json!(null), "shotstack", "default"),
        ("search the docs", "context", json!(null), "gemini", "gemini-context"),
    ] {
        let told = tried(json!({ "query": query })).await;
        assert_eq!((&told["task_type"], &told["subtask"]), (&json!(task_type), &subtask), "{query}");
        assert_eq!((&told["provider"], &told["model"]), (&json!(provider), &json!(model)), "{query}");
        assert!(!told["reasons"].as_array().unwrap().is_empty(), "{query}");
    }
    assert_eq!(tried(json!({"query": "Hello"})).await["confidence"], 0.5);
    let told = tried(json!({"query": "Hello", "task_type": "image"})).await;
    assert_eq!(
        (&told["task_type"], &told["confidence"], &told["provider"]),
        (&json!("image"), &json!(1.0), &json!("ideogram"))
    );
    // The other default model may take a text when the first cannot.
    let told = tried(json!({"query": "Hello"})).await;
    assert_eq!(told["alternatives"], json!([{"provider": "openai", "model": "gpt-4o"}]));
    for (named, provider, model) in [
        (json!({"provider": "openai"}), "openai", "gpt-4o"),
        (json!({"provider": "gemini", "task_type": "context"}), "gemini", "gemini-context"),
        (json!({"provider": "acme-worker"}), "acme-worker", "default"),
        (json!({"model": "gpt-4o-mini"}), "openai", "gpt-4o-mini"),
        (json!({"provider": "x", "model": "y"}), "x", "y"),
    ] {
        let mut body = named.clone();
        body["query"] = json!("Hello");
        let told = tried(body).await;
        assert_eq!((&told["provider"], &told["model"]), (&json!(provider), &json!(model)), "{named}: {}", told["why"]);
    }
    // A provider without a rule has a default model, or the newest that can do it.
    let of_mistral = async || tried(json!({"query": "Hello", "provider": "mistral"})).await["model"].clone();
    let newest = of_mistral().await;
    assert!(newest.as_str().is_some_and(|model| model != "default"), "{newest}");
    let provider = data(get(&app, "/config/provider/mistral").await);
    let mut config = provider["config"].clone();
    config["default_model"] = json!(7);
    let refused = put(&app, "/config/provider/mistral", &json!({ "config": config })).await;
    assert_eq!(failure(refused, 400), "default_model must be the name of a model");
    config["default_model"] = json!("my-favourite");
    data(put(&app, "/config/provider/mistral", &json!({ "config": config })).await);
    assert_eq!(of_mistral().await, "my-favourite");
    let told = tried(json!({"query": "Hello", "model": "nothing-like-it"})).await;
    assert_eq!((&told["provider"], &told["model"]), (&json!(null), &json!("nothing-like-it")));
    assert!(told["why"].as_str().unwrap().contains("nothing-like-it"), "{}", told["why"]);

    assert_eq!(failure(post(&app, path, &json!({"query": " "})).await, 400), "Missing required fields: query");
    let error = "Invalid task_type. Must be one of: text, image, audio, video, context";
    assert_eq!(failure(post(&app, path, &json!({"query": "x", "task_type": "smell"})).await, 400), error);
    let rule = json!({"pattern": "x", "pattern_type": "keyword", "task_type": "smell"});
    assert_eq!(failure(post(&app, "/config/task-classification", &rule).await, 400), error);

    // What is changed holds for the next request.
    let rule =
        json!({"pattern": "soundtrack", "pattern_type": "keyword", "task_type": "audio", "confidence_boost": 0.5});
    let rule = data(post(&app, "/config/task-classification", &rule).await);
    let told = tried(json!({"query": "A soundtrack"})).await;
    assert_eq!((&told["task_type"], &told["confidence"]), (&json!("audio"), &json!(0.5)));
    assert_eq!(told["reasons"][0]["rule"], rule["id"]);
    let path = format!("/config/task-classification/{}", rule["id"].as_str().unwrap());
    data(put(&app, &path, &json!({"is_active": false})).await);
    assert_eq!(tried(json!({"query": "A soundtrack"})).await["task_type"], "text");

    let rule = json!({"task_type": "text", "subtask": "fast", "provider": "openai", "model": "gpt-4o-mini", "weight": 1000000});
    data(post(&app, "/config/routing-rule", &rule).await);
    let told = tried(json!({"query": "a quick one"})).await;
    assert_eq!((&told["provider"], &told["model"]), (&json!("openai"), &json!("gpt-4o-mini")));
    assert_eq!(told["alternatives"][0], json!({"provider": "anthropic", "model": haiku}));
    let mut body = hello("auto");
    body["messages"] = json!([{"role": "user", "content": "a quick one"}]);
    let answer = app.chat(&body).await.ok();
    assert_eq!(answer.header("x-de-provider"), "openai");
}
