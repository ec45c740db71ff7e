//! Budgets and quotas: what they answer, when they warn, and that no end of a server makes them forget.

use app::types::LimitState;
use futures::future::join_all;
use serde_json::json;
use server::{clock::Clock, providers::Secret, settings::ProviderOverride, store::limits::LimitRow};

use crate::support::{
    Answer, DAY_US, Database, Place, Raw, TestApp, answer, client, closed_port, eventually, hello, on_both,
    process::Server,
};

on_both!(
    a_spent_budget_says_so_on_each_surface,
    a_quota_of_tokens_says_so_on_each_surface,
    a_budget_warns_before_it_ends,
    parallel_calls_never_spend_more,
    budgets_survive_a_restart,
    budgets_survive_a_kill,
    a_new_limit_counts_what_was_spent_before,
    a_call_that_never_left_gives_all_of_it_back,
    streams_settle_like_buffered_calls,
    pages_show_how_far_a_limit_is_used,
);

/// A day in January, so that neither the day nor the month ends while a test looks.
const NOON: i64 = 1_800_014_400_000_000;

/// One call of `hello("gpt-4o")` with at most 1,000 tokens of answer may cost a little more than this.
const LONG_ANSWER: i64 = 10_000;

async fn still(database: &Database) -> (TestApp, Clock) {
    let clock = Clock::fixed(NOON);
    (TestApp::at(Place::new(database).await, clock.clone(), |_| {}).await, clock)
}

/// No limits but this one.
async fn only(app: &TestApp, change: impl FnOnce(&mut LimitRow)) {
    for row in app.db.list_limits().await.unwrap() {
        app.db.delete_limit(&row.id, app.now_us()).await.unwrap();
    }
    let mut row = LimitRow {
        id: "budget".into(),
        instance_id: Some("development".into()),
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

/// What is known of it.
async fn state(app: &TestApp) -> LimitState {
    let snapshot = app.app().state.catalog.snapshot();
    app.app().state.gateway.limiter().state(&snapshot.limits, "budget", &[]).await.unwrap().remove(0)
}

/// A model that has a price and takes its time.
async fn slow_model(app: &TestApp) {
    app.own_model("slow", Some("org_default"), |model| {
        model.upstream_model = "gpt-4o@silent:800".into();
        model.pricing = json!({"input": 2.5, "output": 10});
    })
    .await;
}

async fn spent(app: &TestApp, answer: &Answer) -> i64 {
    app.record(&answer.request_id()).await.usage.map_or(0, |usage| usage.cost_micro_usd)
}

async fn a_spent_budget_says_so_on_each_surface(database: Database) {
    let (app, clock) = still(&database).await;
    only(&app, |row| row.budget_day_micro_usd = Some(LONG_ANSWER + 500)).await;
    let first = app.chat(&hello("gpt-4o")).await.ok();
    assert!(spent(&app, &first).await > 0);
    // Its rest does not suffice for another long answer, but for a short one.
    let refused = app.chat(&json!({"model": "gpt-4o", "max_tokens": 1_100, "messages": hello("")["messages"]})).await;
    let refused = refused.failed(429);
    let error = &refused.body["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("insufficient_quota"), &json!("insufficient_quota")));
    assert_eq!(error["source"], "caller");
    assert!(error["message"].as_str().unwrap().contains("0.0105 USD per day"), "{error}");
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(refused.header("retry-after"), "43200", "until midnight UTC");
    let record = app.record(&refused.request_id()).await;
    assert_eq!(record.error(), ("caller", "budget"));
    assert_eq!((record.log.limit_id.as_deref(), record.usage), (Some("budget"), None));
    let text = app
        .ask("/text/generate", &json!({"prompt": "Hi", "model": "gpt-4o", "options": {"max_tokens": 1_200}}))
        .await
        .failed(402);
    assert_eq!(text.body["error_code"], "BUDGET_EXCEEDED");
    let details = &text.body["details"];
    assert_eq!((&details["limit_id"], &details["limit"]), (&json!("budget"), &json!("budget_day_micro_usd")));
    let mut short = hello("gpt-4o");
    short["max_tokens"] = json!(10);
    app.chat(&short).await.ok();
    clock.advance_us(DAY_US / 2);
    app.chat(&hello("gpt-4o")).await.ok();
}

async fn a_quota_of_tokens_says_so_on_each_surface(database: Database) {
    let (app, _) = still(&database).await;
    only(&app, |row| row.tokens_per_day = Some(1)).await;
    app.chat(&hello("gpt-4o-mini")).await.ok();
    let refused = app.chat(&hello("gpt-4o-mini")).await.failed(429);
    assert_eq!(refused.body["error"]["code"], "insufficient_quota");
    assert_eq!((refused.header("x-should-retry"), refused.header("retry-after")), ("false", "43200"));
    let record = app.record(&refused.request_id()).await;
    assert_eq!(record.error(), ("caller", "quota"));
    let text = app.ask("/text/generate", &json!({"prompt": "Hi", "model": "gpt-4o-mini"})).await.failed(429);
    assert_eq!(text.body["error_code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(text.body["details"]["limit"], "tokens_per_day");
}

async fn a_budget_warns_before_it_ends(database: Database) {
    let (app, _) = still(&database).await;
    only(&app, |row| (row.budget_month_micro_usd, row.warn_percent) = (Some(1_000_000), 1)).await;
    let mut warned = None;
    for _ in 0..200 {
        let answer = app.chat(&hello("gpt-4o")).await.ok();
        if let Some(warning) = answer.headers.get("x-de-budget-warning") {
            warned = Some(warning.to_str().unwrap().to_owned());
            break;
        }
    }
    let warned = warned.expect("a warning at one percent");
    assert!(warned.starts_with("month; spent=0.01"), "{warned}");
    assert!(warned.ends_with("; budget=1.000000; limit=budget"), "{warned}");
    let stream = app.stream(&hello("gpt-4o")).await.ok();
    assert!(stream.header("x-de-budget-warning").starts_with("month; spent=0.01"));
}

async fn parallel_calls_never_spend_more(database: Database) {
    let (app, _) = still(&database).await;
    only(&app, |row| row.budget_day_micro_usd = Some(4 * (LONG_ANSWER + 200))).await;
    slow_model(&app).await;
    let all = join_all((0..20).map(|_| app.chat_as(&app.api_key, "slow"))).await;
    let passed: Vec<&Answer> = all.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(passed.len(), 4);
    // Those in the way still run, so it is worth trying again, and the SDKs may.
    let refused = all.iter().find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.body["error"]["code"], "rate_limit_exceeded", "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.headers.get("x-should-retry").is_none());
    // They cost less than they might have.
    app.chat(&hello("gpt-4o")).await.ok();
}

async fn budgets_survive_a_restart(database: Database) {
    let (app, clock) = still(&database).await;
    only(&app, |row| row.budget_day_micro_usd = Some(LONG_ANSWER + 500)).await;
    let mut long = hello("gpt-4o");
    long["max_tokens"] = json!(1_045);
    app.chat(&long).await.ok();
    app.chat(&long).await.failed(429);
    let key = app.api_key.clone();
    let app = TestApp::at(app.stop().await, clock, |_| {}).await;
    let again = client().post(app.url("/v1/chat/completions")).bearer_auth(&key).json(&long);
    answer(again).await.failed(429);
}

async fn budgets_survive_a_kill(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let key = server.api_key.clone().unwrap();
    let db = server::store::Db::connect(&place.url, &Default::default()).await.unwrap();
    let row = LimitRow {
        id: "budget".into(),
        instance_id: Some("development".into()),
        tokens_per_day: Some(1),
        warn_percent: 80,
        is_active: true,
        ..LimitRow::default()
    };
    db.insert_limit(&row).await.unwrap();
    let ask = async |server: &Server| {
        let url = format!("{}/v1/chat/completions", server.base_url);
        answer(client().post(url).bearer_auth(&key).json(&hello("gpt-4o-mini"))).await
    };
    // The limit is known within a second.
    eventually("the quota is used up", async || (ask(&server).await.status == 429).then_some(())).await;
    // Its record is written within a fifth of a second.
    eventually("the record is written", async || {
        let rows = db.list_requests(&Default::default(), &server::store::Page::first(10)).await.unwrap();
        rows.iter().any(|row| row.status == "completed").then_some(())
    })
    .await;
    server.signal("KILL");
    server.ended().await;
    let server = Server::at(&place).await;
    assert_eq!(ask(&server).await.body["error"]["code"], "insufficient_quota");
    server.stop().await;
}

async fn a_new_limit_counts_what_was_spent_before(database: Database) {
    let (app, _) = still(&database).await;
    let (key, made) = app.key(|_| {}).await;
    only(&app, |row| row.requests_per_minute = Some(1_000)).await;
    let first = app.chat_as(&key, "gpt-4o-mini").await.ok();
    assert!(spent(&app, &first).await > 0);
    only(&app, |row| {
        (row.id, row.key_id, row.tokens_per_day) = ("key".into(), Some(made.key_id.clone()), Some(1));
    })
    .await;
    app.chat_as(&key, "gpt-4o-mini").await.failed(429);
    app.chat(&hello("gpt-4o-mini")).await.ok();
}

async fn a_call_that_never_left_gives_all_of_it_back(database: Database) {
    let nowhere = format!("http://127.0.0.1:{}/v1", closed_port());
    let place = Place::new(&database).await;
    let app = TestApp::at(place, Clock::fixed(NOON), |settings| {
        let there = ProviderOverride {
            base_url: Some(nowhere),
            api_key: Some(Secret::new("sk-none")),
            ..ProviderOverride::default()
        };
        settings.providers.insert("mistral".into(), there);
    })
    .await;
    only(&app, |row| {
        (row.requests_per_minute, row.tokens_per_day) = (Some(2), Some(1_500));
        row.budget_day_micro_usd = Some(15_000);
    })
    .await;
    // Nobody was reached, so nothing was used.
    for _ in 0..4 {
        app.chat(&hello("mistral-small-latest")).await.failed(502);
    }
    let fresh = state(&app).await;
    assert!(fresh.caps.iter().all(|cap| cap.used == 0 && cap.reserved == 0), "{fresh:#?}");
    // A provider that fails was asked, and that was all.
    app.chat(&hello("gpt-4o@500")).await.failed(502);
    app.chat(&hello("gpt-4o@500")).await.failed(502);
    let failed = state(&app).await;
    assert_eq!((failed.tokens_today, failed.spent_today_micro_usd), (0, 0));
    let refused = app.chat(&hello("gpt-4o")).await.failed(429);
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("2 requests per minute"), "{}", refused.text);
}

async fn streams_settle_like_buffered_calls(database: Database) {
    let (app, _) = still(&database).await;
    only(&app, |row| {
        (row.tokens_per_minute, row.tokens_per_day) = (Some(100_000), Some(100_000));
        (row.concurrent_requests, row.budget_day_micro_usd) = (Some(3), Some(10_000_000));
    })
    .await;
    slow_model(&app).await;
    let whole = app.chat(&hello("gpt-4o")).await.ok();
    let buffered = state(&app).await;
    assert_eq!(buffered.tokens_today, whole.body["usage"]["total_tokens"].as_i64().unwrap());
    assert_eq!(buffered.spent_today_micro_usd, spent(&app, &whole).await);
    assert!(buffered.caps.iter().all(|cap| cap.reserved == 0), "{buffered:#?}");
    app.stream(&hello("gpt-4o")).await.ok();
    let streamed = eventually("the stream is settled", async || {
        let now = state(&app).await;
        now.caps
            .iter()
            .all(|cap| cap.reserved == 0 && (cap.name != "concurrent_requests" || cap.used == 0))
            .then_some(now)
    })
    .await;
    assert_eq!(streamed.tokens_today, 2 * buffered.tokens_today);
    assert_eq!(streamed.spent_today_micro_usd, 2 * buffered.spent_today_micro_usd);
    // A client that leaves leaves its place, and pays what came.
    let mut slow = hello("slow");
    slow["stream"] = json!(true);
    let raw = Raw::chat(&app, &slow).await;
    eventually("the call runs", async || (state(&app).await.caps[1].used == 1).then_some(())).await;
    let running = state(&app).await;
    assert!(running.caps.iter().any(|cap| cap.name == "budget_day_micro_usd" && cap.reserved >= LONG_ANSWER));
    raw.hang_up();
    let left = eventually("its place is free", async || {
        let now = state(&app).await;
        (now.caps[1].used == 0).then_some(now)
    })
    .await;
    assert!(left.caps.iter().all(|cap| cap.reserved == 0), "{left:#?}");
    assert_eq!(left.spent_today_micro_usd, streamed.spent_today_micro_usd, "nothing came");
}

async fn pages_show_how_far_a_limit_is_used(database: Database) {
    let (app, _) = still(&database).await;
    only(&app, |row| {
        (row.instance_id, row.provider) = (None, Some("openai".into()));
        (row.requests_per_minute, row.budget_month_micro_usd) = (Some(10), Some(1_000_000));
    })
    .await;
    app.chat(&hello("gpt-4o")).await.ok();
    let browser = app.browser().await;
    let state = app.call(&browser, "limits/state", &json!({"limit_id": "budget"})).await;
    assert_eq!((state.status.as_u16(), &state.body["instance_id"]), (200, &json!("development")), "{}", state.text);
    let requests = &state.body["caps"][0];
    assert_eq!(requests["name"], "requests_per_minute");
    assert_eq!((&requests["used"], &requests["left"]), (&json!(1), &json!(9)));
    assert_eq!(requests["resets_us"], NOON + 60_000_000);
    assert!(state.body["spent_month_micro_usd"].as_i64().unwrap() > 0);
    assert_eq!(state.body["caps"][1]["resets_us"], 1_801_440_000_000_000i64, "the first of February");
    assert_eq!(app.call(&browser, "limits/state", &json!({"limit_id": "none"})).await.status, 404);
    let states = app.call(&browser, "limits/states", &json!({"limit_ids": ["none", "budget"]})).await.ok();
    assert_eq!(states.body, json!([state.body]));
    // The API says the same.
    let told = answer(app.get("/config/rate-limit/budget/state")).await.ok();
    let data = &told.body["data"];
    assert_eq!((&data["instance_id"], &data["caps"][0]["left"]), (&json!("development"), &json!(9)));
    assert_eq!(data["caps"][1]["resets_at"], "2027-02-01T00:00:00.000000Z");
    assert_eq!(data["spent_month_micro_usd"], state.body["spent_month_micro_usd"]);
    answer(app.get("/config/rate-limit/none/state")).await.failed(404);
}
