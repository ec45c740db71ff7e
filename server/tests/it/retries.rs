//! Failures before the first byte: what is asked for again, how long that waits, and what the caller is told in the end.

use std::time::Instant;

use serde_json::{Value, json};
use server::{providers::Secret, settings::ProviderOverride};

use crate::support::{Database, TestApp, answer, closed_port, hello, ms, on_both};

on_both!(
    every_status_has_its_answer,
    a_provider_that_recovers_is_asked_again,
    waits_grow_and_are_not_counted_as_ours,
    a_wait_that_is_asked_for_is_kept,
    a_wait_that_is_too_long_is_not_begun,
    an_empty_account_is_not_asked_again,
    a_reset_connection_is_tried_again,
    nobody_listens,
    silence_before_the_first_byte,
    a_deadline_ends_the_tries,
    a_credential_wins_over_the_simulator,
    without_simulator_and_credential,
);

/// The simulator as if it were the provider itself.
fn as_provider(base_url: String, key: &str) -> ProviderOverride {
    ProviderOverride { base_url: Some(base_url), api_key: Some(Secret::new(key)), ..ProviderOverride::default() }
}

async fn every_status_has_its_answer(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.max_attempts = 2).await;
    // Fault, our status, code, source, class, tries.
    let cases = [
        ("400", 400, Value::Null, "caller", "invalid", 1),
        ("401", 502, json!("provider_auth"), "provider", "auth", 1),
        ("402", 429, json!("insufficient_quota"), "provider", "billing", 1),
        ("403", 502, json!("provider_auth"), "provider", "auth", 1),
        ("404", 404, json!("model_not_found"), "provider", "not_found", 1),
        ("408", 504, json!("provider_timeout"), "provider", "timeout", 1),
        ("409", 409, Value::Null, "caller", "invalid", 1),
        ("413", 413, Value::Null, "caller", "invalid", 1),
        ("422", 422, Value::Null, "caller", "invalid", 1),
        ("429", 429, json!("rate_limit_exceeded"), "provider", "rate_limit", 2),
        ("500", 502, json!("provider_error"), "provider", "upstream", 2),
        ("502", 502, json!("provider_error"), "provider", "upstream", 2),
        ("503", 503, json!("provider_overloaded"), "provider", "overloaded", 2),
        ("504", 502, json!("provider_error"), "provider", "upstream", 2),
        ("529", 503, json!("provider_overloaded"), "provider", "overloaded", 2),
        ("html", 502, json!("provider_error"), "provider", "upstream", 2),
    ];
    for (fault, status, code, source, class, tries) in cases {
        for streamed in [false, true] {
            let mut body = hello(&format!("gpt-4o-mini@{fault}"));
            body["stream"] = json!(streamed);
            let failed = app.chat(&body).await.failed(status);
            assert_eq!(failed.header("content-type"), "application/json", "{fault}: no stream was begun");
            let error = &failed.body["error"];
            assert_eq!((&error["code"], &error["source"]), (&code, &json!(source)), "{fault}: {error}");
            assert_eq!(error["provider"], "openai");
            let upstream = fault.parse::<u64>().unwrap_or(502);
            assert_eq!(error["provider_status"], upstream, "{fault}: {error}");
            assert!(!error["message"].as_str().unwrap().contains('<'), "no web pages: {error}");
            let record = app.record(&failed.request_id()).await;
            assert_eq!((record.outcome(), record.error()), (("failed", i64::from(status)), (source, class)), "{fault}");
            assert_eq!(record.tries(), vec![(class, Some(upstream)); tries], "{fault}");
            assert!(record.usage.is_none() && record.log.cost_micro_usd == 0, "{fault}: nothing was used");
            assert!(!record.request_body().is_empty(), "what was asked is kept");
        }
    }
}

async fn a_provider_that_recovers_is_asked_again(database: Database) {
    let app = TestApp::start(&database).await;
    for streamed in [false, true] {
        app.forget_calls().await;
        let body = hello("gpt-4o-mini@flaky:2");
        let (request_id, attempts) = if streamed {
            let stream = app.stream(&body).await.ok();
            assert!(stream.is_done());
            (stream.request_id(), stream.header("x-de-attempts").to_owned())
        } else {
            let whole = app.chat(&body).await.ok();
            (whole.request_id(), whole.header("x-de-attempts").to_owned())
        };
        assert_eq!(attempts, "3");
        let record = app.record(&request_id).await;
        assert_eq!(record.outcome(), ("completed", 200));
        assert_eq!(record.tries(), [("overloaded", Some(503)), ("overloaded", Some(503)), ("ok", None)]);
        let calls = app.calls().await;
        assert_eq!(calls.len(), 3);
        assert!(calls.iter().all(|call| call["body"] == calls[0]["body"] && call["headers"] == calls[0]["headers"]));
        // Used once, however often it was asked.
        assert_eq!(record.log.input_tokens, record.usage.as_ref().unwrap().input_tokens);
        let starts: Vec<i64> = record.log.attempts["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["started_us"].as_i64().unwrap())
            .collect();
        assert!(starts.is_sorted() && starts[0] < starts[2], "{starts:?}");
    }
    let given_up = app.chat(&hello("gpt-4o-mini@flaky:3")).await.failed(503);
    assert_eq!(app.record(&given_up.request_id()).await.tries().len(), 3);
}

/// Milliseconds between the starts of the provider's calls, in order.
async fn gaps(app: &TestApp) -> Vec<u64> {
    let mut starts: Vec<u64> = app.calls().await.iter().map(|call| call["started_ms"].as_u64().unwrap()).collect();
    starts.reverse();
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

async fn waits_grow_and_are_not_counted_as_ours(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.backoff = ms(200);
        settings.gateway.backoff_max = ms(2_000);
    })
    .await;
    for fault in ["flaky:2", "500"] {
        app.forget_calls().await;
        let answer = app.chat(&hello(&format!("gpt-4o-mini@{fault}"))).await;
        let gaps = gaps(&app).await;
        // Half to all of 200 ms, then of 400 ms.
        assert!(gaps.len() == 2 && gaps[0] >= 100 && gaps[1] >= 200, "{fault}: {gaps:?}");
        let log = app.record(&answer.request_id()).await.log;
        assert!(log.latency_us >= 300_000, "{log:?}");
        assert!(
            log.overhead_us < log.latency_us - 300_000,
            "waiting is not our own time: {} of {}",
            log.overhead_us,
            log.latency_us
        );
    }
}

async fn a_wait_that_is_asked_for_is_kept(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.max_attempts = 2).await;
    for fault in ["429:1", "503:1"] {
        app.forget_calls().await;
        let failed = app.chat(&hello(&format!("gpt-4o-mini@{fault}"))).await;
        assert_eq!(failed.status.as_str(), &fault[..3]);
        assert_eq!(failed.header("retry-after"), "1");
        assert_eq!(failed.header("retry-after-ms"), "1000");
        let gaps = gaps(&app).await;
        assert!(gaps.len() == 1 && gaps[0] >= 1_000, "{fault}: {gaps:?}");
    }
}

async fn a_wait_that_is_too_long_is_not_begun(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.retry_after_max = ms(2_000)).await;
    let started = Instant::now();
    let failed = app.chat(&hello("gpt-4o-mini@429:30")).await.failed(429);
    assert!(started.elapsed() < ms(10_000));
    assert_eq!(failed.header("retry-after"), "30");
    assert_eq!(app.record(&failed.request_id()).await.tries().len(), 1);
    assert_eq!(app.calls().await.len(), 1);
}

async fn an_empty_account_is_not_asked_again(database: Database) {
    let app = TestApp::start(&database).await;
    let failed = app.chat(&hello("gpt-4o-mini@quota")).await.failed(429);
    assert_eq!(failed.body["error"]["type"], "insufficient_quota");
    assert_eq!(failed.header("x-should-retry"), "false");
    assert_eq!(app.record(&failed.request_id()).await.tries(), [("billing", Some(429))]);
}

async fn a_reset_connection_is_tried_again(database: Database) {
    let app = TestApp::start(&database).await;
    let failed = app.chat(&hello("gpt-4o-mini@reset")).await.failed(502);
    assert_eq!(failed.body["error"]["code"], "provider_stream_cut");
    assert_eq!(app.record(&failed.request_id()).await.tries(), [("truncated", None); 3]);
    // An answer that began and broke was perhaps made and paid for: still nothing of it has reached the caller.
    let cut = app.chat(&hello("gpt-4o-mini@cut:3")).await.failed(502);
    assert_eq!(app.record(&cut.request_id()).await.error(), ("provider", "truncated"));
}

async fn nobody_listens(database: Database) {
    let port = closed_port();
    let app = TestApp::with(&database, |settings| {
        let nowhere = as_provider(format!("http://127.0.0.1:{port}/v1"), "sk-very-secret");
        settings.providers.insert("openai".into(), nowhere);
    })
    .await;
    for streamed in [false, true] {
        let mut body = hello("gpt-4o-mini");
        body["stream"] = json!(streamed);
        let failed = app.chat(&body).await.failed(502);
        assert_eq!(failed.body["error"]["code"], "provider_unreachable");
        let record = app.record(&failed.request_id()).await;
        assert_eq!(record.error(), ("provider", "connect"));
        assert_eq!(record.tries(), [("connect", None); 3]);
        assert!(!record.log.simulated);
        assert!(!format!("{failed:?}{record:?}").contains("very-secret"));
    }
}

async fn silence_before_the_first_byte(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.first_byte_timeout = ms(150);
        settings.gateway.idle_timeout = ms(150);
    })
    .await;
    for fault in ["silent:5000", "early-head,silent:5000"] {
        for streamed in [false, true] {
            let mut body = hello(&format!("gpt-4o-mini@{fault}"));
            body["stream"] = json!(streamed);
            let started = Instant::now();
            let failed = app.chat(&body).await.failed(504);
            assert!(started.elapsed() < ms(4_000), "{fault}");
            assert_eq!(failed.body["error"]["code"], "provider_timeout");
            // It may have been done and paid for.
            assert_eq!(app.record(&failed.request_id()).await.tries(), [("timeout", None)], "{fault} {streamed}");
            app.call_where("the silent call is given up", |call| call["outcome"] == "client_gone").await;
        }
    }
}

async fn a_deadline_ends_the_tries(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.backoff = ms(5_000);
        settings.gateway.backoff_max = ms(5_000);
    })
    .await;
    let request = app.post("/v1/chat/completions", &hello("gpt-4o-mini@503")).header("x-de-timeout-ms", "1000");
    let started = Instant::now();
    let failed = answer(request).await.failed(503);
    assert!(started.elapsed() < ms(900), "a wait beyond the deadline is not begun: {:?}", started.elapsed());
    assert_eq!(app.record(&failed.request_id()).await.tries().len(), 1);
    for wrong in ["0", "-1", "soon", ""] {
        let request = app.post("/v1/chat/completions", &hello("gpt-4o-mini")).header("x-de-timeout-ms", wrong);
        assert_eq!(answer(request).await.failed(400).body["error"]["param"], "x-de-timeout-ms", "{wrong:?}");
    }
}

async fn a_credential_wins_over_the_simulator(database: Database) {
    let upstream = TestApp::start(&Database::Sqlite).await;
    let base = format!("{}/openai/v1", upstream.simulator());
    let app = TestApp::with(&database, |settings| {
        settings.providers.insert("openai".into(), as_provider(base.clone(), "sk-real"));
    })
    .await;
    let whole = app.chat(&hello("gpt-4o-mini")).await.ok();
    assert_eq!(whole.header("x-de-simulated"), "false");
    assert!(!app.record(&whole.request_id()).await.log.simulated);
    assert_eq!(upstream.calls().await.len(), 1, "it went where the settings say");
    assert!(app.calls().await.is_empty(), "and not to the simulator");
    // The others are still simulated.
    let other = app.chat(&hello("mistral-small-latest")).await.ok();
    assert_eq!(other.header("x-de-simulated"), "true");
    assert_eq!(app.calls().await.len(), 1);
}

async fn without_simulator_and_credential(database: Database) {
    let app =
        TestApp::with(&database, |settings| settings.simulation.mode = server::settings::SimulationMode::Off).await;
    assert!(app.app().simulator.is_none());
    let failed = app.chat(&hello("gpt-4o-mini")).await.failed(500);
    let error = &failed.body["error"];
    assert_eq!((&error["code"], &error["source"]), (&json!("missing_api_key"), &json!("gateway")));
    assert_eq!(error["message"], "API key not configured for provider: openai");
    let record = app.record(&failed.request_id()).await;
    assert_eq!((record.outcome(), record.error()), (("failed", 500), ("gateway", "missing_credential")));
    assert!(record.tries().is_empty());
    // A server of one's own needs no credential; nobody listens there.
    let local = app.chat(&hello("ollama/llama3")).await.failed(502);
    assert_eq!(local.body["error"]["code"], "provider_unreachable");
}
