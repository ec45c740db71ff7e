//! Limits: each holds exactly, however many calls come at once, and by itself in each instance.

use futures::future::join_all;
use serde_json::json;
use server::{clock::Clock, store::limits::LimitRow};

use crate::support::{Answer, Database, Place, Raw, TestApp, answer, eventually, hello, on_both};

on_both!(
    requests_per_minute_hold_exactly,
    each_instance_has_its_own,
    tokens_per_minute_hold,
    running_calls_hold,
    the_strictest_of_all_limits_wins,
    the_window_rolls_on,
    a_refused_call_uses_nothing_up,
    other_names_of_a_provider_count_as_one,
);

/// The provider's limits as a test wants them; no others.
async fn limit(app: &TestApp, provider: &str, change: impl FnOnce(&mut LimitRow)) {
    for row in app.db.list_limits().await.unwrap() {
        app.db.delete_limit(&row.id, app.now_us()).await.unwrap();
    }
    for id in ["development", "production"] {
        let mut instance = app.db.instance(id).await.unwrap().unwrap();
        instance.config = json!({});
        app.db.update_instance(&instance).await.unwrap();
    }
    add_limit(app, "only", provider, change).await;
}

async fn add_limit(app: &TestApp, id: &str, provider: &str, change: impl FnOnce(&mut LimitRow)) {
    let mut row = LimitRow {
        id: id.into(),
        provider: Some(provider.into()),
        requests_per_minute: Some(1_000_000),
        concurrent_requests: Some(1_000_000),
        warn_percent: 80,
        is_active: true,
        created_us: app.now_us(),
        updated_us: app.now_us(),
        ..LimitRow::default()
    };
    change(&mut row);
    app.db.insert_limit(&row).await.unwrap();
    app.reload().await;
}

/// A server whose minute does not pass while the test looks.
async fn still(database: &Database) -> (TestApp, Clock) {
    let clock = Clock::fixed(1_800_000_000_000_000);
    (TestApp::at(Place::new(database).await, clock.clone(), |_| {}).await, clock)
}

async fn at_once(app: &TestApp, key: &str, model: &str, calls: usize) -> (Vec<Answer>, Vec<Answer>) {
    let all = join_all((0..calls).map(|_| app.chat_as(key, model))).await;
    let (passed, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(|answer| answer.status == 200);
    for answer in &refused {
        assert_eq!(answer.status, 429, "{}", answer.text);
    }
    (passed, refused)
}

async fn requests_per_minute_hold_exactly(database: Database) {
    let (app, _) = still(&database).await;
    limit(&app, "openai", |row| row.requests_per_minute = Some(7)).await;
    let (passed, refused) = at_once(&app, &app.api_key, "gpt-4o-mini", 30).await;
    assert_eq!((passed.len(), refused.len()), (7, 23));
    let mut left: Vec<u64> =
        passed.iter().map(|a| a.header("x-ratelimit-remaining-requests").parse().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4, 5, 6]);
    for answer in &passed {
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "7");
        assert_eq!(answer.header("x-ratelimit-reset-requests"), "1m0s");
    }
    let refused = &refused[0];
    let error = &refused.body["error"];
    assert_eq!(
        (&error["type"], &error["code"], &error["source"]),
        (&json!("requests"), &json!("rate_limit_exceeded"), &json!("caller"))
    );
    assert!(error["message"].as_str().unwrap().contains("7 requests per minute"), "{error}");
    assert_eq!((refused.header("retry-after"), refused.header("retry-after-ms")), ("60", "60000"));
    let record = app.record(&refused.request_id()).await;
    assert_eq!((record.outcome(), record.error()), (("failed", 429), ("caller", "rate_limit")));
    assert_eq!(record.log.limit_id.as_deref(), Some("only"));
    assert!(record.tries().is_empty());
    assert_eq!(app.calls().await.len(), 7, "the provider was asked as often as the limit allows");
    // Streams and the other surface count, too.
    let stream = app.stream(&hello("gpt-4o-mini")).await;
    assert_eq!(stream.status, 429);
    let text = app.ask("/text/generate", &json!({"prompt": "Hi", "model": "gpt-4o-mini"})).await.failed(429);
    assert_eq!(text.body["error_code"], "RATE_LIMIT_EXCEEDED");
    let told = json!({"retry_after": 60, "reset": 1_800_000_060, "limit_id": "only", "limit": "requests_per_minute",
        "value": 7});
    assert_eq!(text.body["details"], told);
    // Another provider is another matter.
    app.chat(&hello("mistral-small-latest")).await.ok();
}

async fn each_instance_has_its_own(database: Database) {
    let (app, _) = still(&database).await;
    limit(&app, "openai", |row| row.requests_per_minute = Some(3)).await;
    let (other, _) = app
        .key(|key| {
            key.instance_id = "production".into();
            key.project_id = Some("prj_production".into());
        })
        .await;
    let (same, _) = app.key(|_| {}).await;
    assert_eq!(at_once(&app, &app.api_key, "gpt-4o-mini", 5).await.0.len(), 3);
    assert_eq!(at_once(&app, &same, "gpt-4o-mini", 5).await.0.len(), 0, "another key of the instance");
    assert_eq!(at_once(&app, &other, "gpt-4o-mini", 5).await.0.len(), 3, "another instance");
}

async fn tokens_per_minute_hold(database: Database) {
    let (app, clock) = still(&database).await;
    limit(&app, "openai", |row| row.tokens_per_minute = Some(1_000)).await;
    // None of them ends before the others have begun.
    let mut body = hello("gpt-4o-mini@silent:1500");
    body["max_tokens"] = json!(400);
    let all = join_all((0..20).map(|_| app.chat(&body))).await;
    let passed = all.iter().filter(|answer| answer.status == 200).count();
    // Each reserves its 400 and some before it goes out.
    assert!((2..=3).contains(&passed), "{passed} passed at once");
    let refused = all.iter().find(|answer| answer.status == 429).unwrap();
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("1000 tokens per minute"), "{}", refused.text);
    // What was reserved and not used is there again.
    let used: i64 = all.iter().filter_map(|a| a.body["usage"]["total_tokens"].as_i64()).sum();
    assert!(used < 1_000);
    app.chat(&body).await.ok();
    clock.advance_us(61_000_000);
    app.chat(&body).await.ok();
}

async fn running_calls_hold(database: Database) {
    let (app, _) = still(&database).await;
    limit(&app, "openai", |row| row.concurrent_requests = Some(2)).await;
    let mut slow = hello("gpt-4o-mini@silent:20000");
    slow["stream"] = json!(true);
    let first = Raw::chat(&app, &slow).await;
    let second = Raw::chat(&app, &hello("gpt-4o-mini@silent:20000")).await;
    eventually("two calls run", || async { (app.calls().await.len() == 2).then_some(()) }).await;
    let refused = app.chat(&hello("gpt-4o-mini")).await.failed(429);
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("2 calls at a time"), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "1");
    first.hang_up();
    eventually("a place is free", || async { (app.chat(&hello("gpt-4o-mini")).await.status == 200).then_some(()) })
        .await;
    second.hang_up();
    // A call that fails gives its place back as well.
    for _ in 0..4 {
        eventually("a place is free", || async {
            (app.chat(&hello("gpt-4o-mini@500")).await.status == 502).then_some(())
        })
        .await;
    }
}

async fn the_strictest_of_all_limits_wins(database: Database) {
    let (app, _) = still(&database).await;
    limit(&app, "openai", |row| row.requests_per_minute = Some(9)).await;
    add_limit(&app, "of_model", "openai", |row| {
        (row.model, row.requests_per_minute) = (Some("gpt-4o".into()), Some(4))
    })
    .await;
    assert_eq!(at_once(&app, &app.api_key, "gpt-4o", 8).await.0.len(), 4);
    // The calls of the model counted for the provider, the refused ones did not.
    let (passed, refused) = at_once(&app, &app.api_key, "gpt-4o-mini", 8).await;
    assert_eq!((passed.len(), refused.len()), (5, 3));
    // The instance's own limit.
    let mut instance = app.db.instance("production").await.unwrap().unwrap();
    instance.config = json!({"rate_limits": {"openai": {"rpm": 2}}});
    app.db.update_instance(&instance).await.unwrap();
    app.reload().await;
    let (key, _) = app
        .key(|key| {
            key.instance_id = "production".into();
            key.project_id = Some("prj_production".into());
        })
        .await;
    let (passed, refused) = at_once(&app, &key, "gpt-4o-mini", 5).await;
    assert_eq!((passed.len(), refused.len()), (2, 3));
    assert_eq!(passed[0].header("x-ratelimit-limit-requests"), "2", "the tightest limit is told");
    // The model's own limit.
    app.own_model("with-limit", Some("org_default"), |model| {
        (model.rate_limits, model.provider_id) = (json!({"rpm": 1}), "mistral".into());
        model.upstream_model = "mistral-small-latest".into();
    })
    .await;
    assert_eq!(at_once(&app, &key, "with-limit", 3).await.0.len(), 1, "a model's own limit");
}

async fn the_window_rolls_on(database: Database) {
    let (app, clock) = still(&database).await;
    limit(&app, "openai", |row| row.requests_per_minute = Some(2)).await;
    app.chat(&hello("gpt-4o-mini")).await.ok();
    clock.advance_us(20_000_000);
    app.chat(&hello("gpt-4o-mini")).await.ok();
    let refused = app.chat(&hello("gpt-4o-mini")).await.failed(429);
    assert_eq!(refused.header("retry-after"), "40", "until the first call is a minute old");
    clock.advance_us(39_000_000);
    assert_eq!(app.chat(&hello("gpt-4o-mini")).await.failed(429).header("retry-after"), "1");
    clock.advance_us(1_000_000);
    app.chat(&hello("gpt-4o-mini")).await.ok();
    assert_eq!(app.chat(&hello("gpt-4o-mini")).await.failed(429).header("retry-after"), "20");
}

async fn a_refused_call_uses_nothing_up(database: Database) {
    let (app, clock) = still(&database).await;
    limit(&app, "openai", |row| row.requests_per_minute = Some(1)).await;
    app.chat(&hello("gpt-4o-mini")).await.ok();
    for _ in 0..5 {
        clock.advance_us(10_000_000);
        app.chat(&hello("gpt-4o-mini")).await.failed(429);
    }
    clock.advance_us(10_000_000);
    app.chat(&hello("gpt-4o-mini")).await.ok();
    // Neither does what never gets as far as a provider.
    clock.advance_us(60_000_000);
    app.chat(&hello("dall-e-3")).await.failed(400);
    app.chat(&hello("openai-nothing")).await.failed(404);
    app.chat(&json!({"model": "gpt-4o-mini", "messages": []})).await.failed(400);
    app.chat(&hello("gpt-4o-mini")).await.ok();
}

async fn other_names_of_a_provider_count_as_one(database: Database) {
    let (app, _) = still(&database).await;
    limit(&app, "gemini", |row| row.requests_per_minute = Some(2)).await;
    let request = |model: &str| answer(app.post("/v1/chat/completions", &hello(model)));
    let all: Vec<Answer> = join_all(
        ["gemini/gemini-2.5-flash", "google/gemini-2.5-flash", "gemini-2.5-flash", "google:gemini-2.5-flash"]
            .map(request),
    )
    .await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 2);
}
