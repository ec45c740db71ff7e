//! Clients that leave, and clients that are slow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Database, Raw, TestApp, data_lines, eventually, hello, ms, on_both};

on_both!(
    a_client_that_leaves_before_the_first_token,
    a_client_that_leaves_in_mid_stream,
    a_client_that_leaves_a_buffered_call,
    a_client_that_leaves_between_tries,
    a_slow_client_slows_the_provider,
    a_client_that_never_sends_its_body,
    a_client_that_never_reads_its_answer,
);

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn streamed(model: &str) -> Value {
    let mut body = hello(model);
    body["stream"] = json!(true);
    body
}

/// Milliseconds until the provider noticed, the least of a few turns: a busy machine may delay one, not all.
async fn least_delay<F: Future<Output = u64>>(mut turn: impl FnMut() -> F) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..4 {
        least = least.min(turn().await);
        if least <= 100 {
            break;
        }
    }
    least
}

/// When the newest call of the provider ended, seen from a moment.
async fn delay(app: &TestApp, since: u64) -> u64 {
    let call = app.call_where("the provider's call is cancelled", |call| call["ended_ms"].is_u64()).await;
    assert_eq!(call["outcome"], "client_gone", "{call}");
    call["ended_ms"].as_u64().unwrap().saturating_sub(since)
}

async fn provider_is_asked(app: &TestApp, model: &str) {
    let asked = |call: &Value| call["model"] == model && call["ended_ms"].is_null();
    app.call_where("the provider is asked", asked).await;
}

async fn a_client_that_leaves_before_the_first_token(database: Database) {
    let app = TestApp::start(&database).await;
    let least = least_delay(|| async {
        app.forget_calls().await;
        let raw = Raw::chat(&app, &streamed("gpt-4o-mini@silent:15000")).await;
        provider_is_asked(&app, "gpt-4o-mini@silent:15000").await;
        let since = now_ms();
        raw.hang_up();
        delay(&app, since).await
    })
    .await;
    assert!(least <= 100, "the provider noticed after {least} ms");
    let record = app.record_where("the cancelled call", |log| log.status == "cancelled").await;
    assert_eq!(record.outcome(), ("cancelled", 499));
    assert_eq!(record.tries(), [("cancelled", None)]);
    assert_eq!((record.log.first_token_us, record.log.output_tokens, record.log.cost_micro_usd), (None, 0, 0));
    assert!(record.log.error_class.is_none() && record.usage.is_none());
}

async fn a_client_that_leaves_in_mid_stream(database: Database) {
    let app = TestApp::with(&database, |settings| settings.simulation.per_token = ms(25)).await;
    let least = least_delay(|| async {
        app.forget_calls().await;
        let mut raw = Raw::chat(&app, &streamed("gpt-4o-mini")).await;
        raw.until("\" simu\"").await;
        let since = now_ms();
        raw.hang_up();
        delay(&app, since).await
    })
    .await;
    assert!(least <= 100, "the provider noticed after {least} ms");
    let record = app.record_where("the cancelled call", |log| log.status == "cancelled").await;
    assert_eq!(record.outcome(), ("cancelled", 499));
    // "This is a simu" and perhaps some more, at four bytes a token.
    assert!((4..20).contains(&record.log.output_tokens), "{:?}", record.log);
    assert!(record.log.input_tokens > 0 && record.log.cost_micro_usd > 0 && record.log.first_token_us.is_some());
    assert!(record.response_body().contains("This is a simu"), "{}", record.response_body());
    assert_eq!(record.usage.unwrap().output_tokens, record.log.output_tokens);
    // Its place among the running calls is free again: the limit is ten.
    for _ in 0..10 {
        let mut raw = Raw::chat(&app, &streamed("gpt-4o-mini")).await;
        raw.until("This").await;
        raw.hang_up();
    }
    eventually("the places are free", || async {
        let answer = app.chat(&hello("gpt-4o-mini")).await;
        assert!(answer.status == 200 || answer.status == 429, "{}", answer.text);
        (answer.status == 200).then_some(())
    })
    .await;
}

async fn a_client_that_leaves_a_buffered_call(database: Database) {
    let app = TestApp::start(&database).await;
    let least = least_delay(|| async {
        app.forget_calls().await;
        let raw = Raw::chat(&app, &hello("gpt-4o-mini@silent:15000")).await;
        provider_is_asked(&app, "gpt-4o-mini@silent:15000").await;
        let since = now_ms();
        raw.hang_up();
        delay(&app, since).await
    })
    .await;
    assert!(least <= 100, "the provider noticed after {least} ms");
    let record = app.record_where("the cancelled call", |log| log.status == "cancelled").await;
    assert_eq!((record.outcome(), record.tries()), (("cancelled", 499), vec![("cancelled", None)]));
    assert!(!record.log.streamed && !record.request_body().is_empty());
}

async fn a_client_that_leaves_between_tries(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.backoff = Duration::from_secs(60);
        settings.gateway.backoff_max = Duration::from_secs(60);
    })
    .await;
    let raw = Raw::chat(&app, &hello("gpt-4o-mini@503")).await;
    app.call_where("the first try", |call| call["status"] == 503).await;
    raw.hang_up();
    let record = app.record_where("the cancelled call", |log| log.status == "cancelled").await;
    assert_eq!(record.tries(), [("overloaded", Some(503))]);
    assert_eq!(app.calls().await.len(), 1);
}

/// Far more than all the buffers on the way can hold.
const TOKENS: u64 = 120_000;

async fn long_answers(app: &TestApp) {
    let mut provider = app.db.provider("openai").await.unwrap().unwrap();
    provider.config["headers"] = json!({"x-sim-tokens": TOKENS.to_string()});
    app.db.update_provider(&provider).await.unwrap();
    app.reload().await;
}

async fn a_slow_client_slows_the_provider(database: Database) {
    let app = TestApp::start(&database).await;
    long_answers(&app).await;
    let mut raw = Raw::chat(&app, &streamed("gpt-4o-mini")).await;
    raw.until("This").await;
    let sent = || async { app.last_call().await["tokens_sent"].as_u64().unwrap() };
    let held = eventually("the provider has to wait", || async {
        let before = sent().await;
        sleep(ms(400)).await;
        Some(before).filter(|_| before > 0)
    })
    .await;
    let held = eventually("the provider stands still", || async {
        let before = sent().await;
        sleep(ms(400)).await;
        (sent().await == before).then_some(before.max(held))
    })
    .await;
    assert!(held < TOKENS, "everything was read ahead of a client that does not read");
    // It gets everything in the end.
    raw.until("data: [DONE]").await;
    let text = raw.text();
    assert!(data_lines(&text).len() as u64 >= TOKENS, "{} events", data_lines(&text).len());
    let record = app.record_where("the slow call", |log| log.status == "completed").await;
    assert_eq!(record.log.output_tokens as u64, TOKENS);
}

async fn a_client_that_never_sends_its_body(database: Database) {
    let app = TestApp::start(&database).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000\r\n\r\n{{\"mess",
        app.api_key
    );
    let raw = Raw::send(&app, &head).await;
    raw.hang_up();
    // The server is none the worse for it.
    app.chat(&hello("gpt-4o-mini")).await.ok();
    assert_eq!(app.calls().await.len(), 1);
}

async fn a_client_that_never_reads_its_answer(database: Database) {
    let app = TestApp::with(&database, |settings| settings.server.write_timeout = ms(300)).await;
    long_answers(&app).await;
    let mut raw = Raw::chat(&app, &streamed("gpt-4o-mini")).await;
    raw.until("This").await;
    // It stays connected, and is given up all the same; so is the provider's call.
    let record = app.record_where("the call that nobody reads", |log| log.status == "cancelled").await;
    assert_eq!(record.outcome(), ("cancelled", 499));
    assert!((record.log.output_tokens as u64) < TOKENS);
    let call = app.call_where("the provider's call is cancelled", |call| call["ended_ms"].is_u64()).await;
    assert_eq!(call["outcome"], "client_gone", "{call}");
    drop(raw);
}
