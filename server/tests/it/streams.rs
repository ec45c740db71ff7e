//! Honest streams: what breaks upstream is told inside the stream, which then ends without its end marker; it is never
//! asked for again once something was sent; and what was received is what is counted.

use std::time::Instant;

use serde_json::json;

use crate::support::{Database, Record, Streamed, TestApp, hello, ms, on_both};

on_both!(
    a_cut_stream_is_an_error,
    a_broken_connection_is_an_error,
    a_stalled_stream_is_an_error,
    a_malformed_chunk_is_an_error,
    an_error_event_is_passed_on,
    an_end_without_a_finish_reason_is_an_error,
    usage_is_estimated_when_the_provider_is_silent,
    usage_is_counted_once,
    a_refusal_is_a_finish_reason,
    comments_keep_a_silent_stream_alive,
    comments_fill_the_gaps,
    comments_do_not_hide_a_stall,
    an_error_after_comments_is_in_the_stream,
    the_whole_call_has_a_limit,
);

/// A stream that broke off after it began, and what was recorded of it.
async fn broken(app: &TestApp, model: &str, code: &str, class: &str) -> (Streamed, Record) {
    let stream = app.stream(&hello(model)).await.ok();
    assert!(!stream.broken, "the connection to the caller is ended, not cut");
    assert!(!stream.text.contains("[DONE]"), "{model}: {}", stream.text);
    let last: serde_json::Value = serde_json::from_str(stream.events.last().unwrap()).unwrap();
    let error = &last["error"];
    assert_eq!((&error["code"], &error["source"]), (&json!(code), &json!("provider")), "{model}: {last}");
    assert_eq!(error["provider"], "openai");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()));
    let record = app.record(&stream.request_id()).await;
    assert_eq!(record.outcome(), ("failed", 200), "the caller saw 200");
    assert_eq!(record.error(), ("provider", class));
    assert_eq!(record.log.error_message.as_deref(), error["message"].as_str());
    assert_eq!(record.tries().len(), 1, "nothing is repeated after the first byte");
    assert_eq!(record.tries()[0].0, class, "the try that broke is not told as a success");
    (stream, record)
}

/// A model of ours, with a price, that the simulator breaks.
async fn priced(app: &TestApp, fault: &str) -> String {
    let name = format!("broken-{}", fault.replace([':', ','], "-"));
    app.own_model(&name, None, |model| model.upstream_model = format!("gpt-4o-mini@{fault}")).await;
    name
}

async fn a_cut_stream_is_an_error(database: Database) {
    let app = TestApp::start(&database).await;
    let whole = app.chat(&hello("gpt-4o-mini")).await.ok();
    for tokens in [0, 1, 3, 12] {
        let model = priced(&app, &format!("cut:{tokens}")).await;
        let (stream, record) = broken(&app, &model, "provider_stream_cut", "truncated").await;
        assert!(whole.content().starts_with(&stream.content()));
        assert_eq!(stream.events.len(), tokens + 2, "the role, the tokens, the error: {}", stream.text);
        assert!(!stream.chunks().iter().any(|chunk| chunk["choices"][0]["finish_reason"].is_string()));
        let log = &record.log;
        if tokens == 0 {
            assert_eq!((log.output_tokens, log.first_token_us), (0, None));
            continue;
        }
        // The provider told no usage, so what came is estimated at four bytes a token.
        assert_eq!(log.output_tokens, stream.content().len().div_ceil(4) as i64);
        assert!(log.input_tokens > 0 && log.cost_micro_usd > 0 && log.first_token_us.is_some());
        assert_eq!(record.usage.unwrap().cost_micro_usd, log.cost_micro_usd);
        assert_eq!(app.last_call().await["outcome"], format!("fault:cut:{tokens}"));
    }
    assert_eq!(app.calls().await.len(), 5, "one call of the provider for each of ours");
}

async fn a_broken_connection_is_an_error(database: Database) {
    let app = TestApp::start(&database).await;
    let (stream, record) = broken(&app, "gpt-4o-mini@drop:3", "provider_stream_cut", "truncated").await;
    assert_eq!(stream.content(), "This is a");
    assert!(record.response_body().contains("This is a"), "{}", record.response_body());
}

async fn a_stalled_stream_is_an_error(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.idle_timeout = ms(200)).await;
    let started = Instant::now();
    let (stream, _) = broken(&app, "gpt-4o-mini@stall:3", "provider_timeout", "timeout").await;
    assert_eq!(stream.content(), "This is a");
    assert!(started.elapsed() >= ms(200), "{:?}", started.elapsed());
    app.call_where("the stalled call is given up", |call| call["outcome"] == "client_gone").await;
    // Before the first byte it has a status of its own.
    let whole = app.chat(&hello("gpt-4o-mini@stall:0")).await.failed(504);
    assert_eq!(whole.body["error"]["code"], "provider_timeout");
    assert_eq!(app.record(&whole.request_id()).await.error(), ("provider", "timeout"));
}

async fn a_malformed_chunk_is_an_error(database: Database) {
    let app = TestApp::start(&database).await;
    let (stream, _) = broken(&app, "gpt-4o-mini@malformed:3", "provider_malformed", "malformed").await;
    assert_eq!(stream.content(), "This is a");
    assert!(!stream.text.contains("\"simulated\":\"malformed\""), "garbage is not passed on");
    let whole = app.chat(&hello("gpt-4o-mini@malformed:0")).await.failed(502);
    assert_eq!(whole.body["error"]["code"], "provider_malformed");
    assert_eq!(app.record(&whole.request_id()).await.tries(), [("malformed", None)]);
}

async fn an_error_event_is_passed_on(database: Database) {
    let app = TestApp::start(&database).await;
    let (stream, _) = broken(&app, "gpt-4o-mini@error:3", "provider_error", "upstream").await;
    assert_eq!(stream.content(), "This is a");
    let message = stream.error().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("The server had an error"), "the provider's own words: {message}");
    assert_eq!(stream.chunks().iter().filter(|chunk| chunk["error"].is_object()).count(), 1);
}

async fn an_end_without_a_finish_reason_is_an_error(database: Database) {
    let app = TestApp::start(&database).await;
    let (stream, record) = broken(&app, "gpt-4o-mini@cut:99999", "provider_stream_cut", "truncated").await;
    let whole = app.chat(&hello("gpt-4o-mini")).await.ok();
    assert_eq!(stream.content(), whole.content(), "all of the text, but no end");
    assert_eq!(record.log.finish_reason, None);
}

async fn usage_is_estimated_when_the_provider_is_silent(database: Database) {
    let app = TestApp::start(&database).await;
    let model = priced(&app, "no-usage").await;
    let mut body = hello(&model);
    body["stream_options"] = json!({"include_usage": true});
    let stream = app.stream(&body).await.ok();
    assert!(stream.is_done());
    let whole = app.chat(&hello(&model)).await.ok();
    assert!(whole.body.get("usage").is_none());
    for request_id in [stream.request_id(), whole.request_id()] {
        let record = app.record(&request_id).await;
        assert_eq!(record.outcome(), ("completed", 200));
        assert_eq!(record.log.output_tokens, whole.content().len().div_ceil(4) as i64);
        assert!(record.log.input_tokens > 0 && record.log.cost_micro_usd > 0);
    }
}

async fn usage_is_counted_once(database: Database) {
    let app = TestApp::start(&database).await;
    let plain = app.chat(&hello("gpt-4o-mini")).await.ok();
    let tokens = plain.body["usage"]["completion_tokens"].as_i64().unwrap();
    let double = priced(&app, "dup-usage").await;
    let stream = app.stream(&hello(&double)).await.ok();
    assert_eq!(app.record(&stream.request_id()).await.log.output_tokens, tokens);
    // What the provider says is what is counted, right or wrong.
    let wrong = priced(&app, "wrong-usage").await;
    for streamed in [false, true] {
        let request_id = if streamed {
            app.stream(&hello(&wrong)).await.request_id()
        } else {
            app.chat(&hello(&wrong)).await.request_id()
        };
        assert_eq!(app.record(&request_id).await.log.output_tokens, tokens * 2 + 7);
    }
    // Cached input has its own price.
    let mut cached = hello("gpt-4o-mini");
    cached["messages"][0]["content"] = "[cached] Say hello to the gardeners and to all of their friends.".into();
    let whole = app.chat(&cached).await.ok();
    let stream = app.stream(&cached).await.ok();
    let (first, second) = (app.record(&whole.request_id()).await.log, app.record(&stream.request_id()).await.log);
    assert!(first.cached_tokens > 0 && first.cached_tokens < first.input_tokens);
    assert_eq!((first.cached_tokens, first.cost_micro_usd), (second.cached_tokens, second.cost_micro_usd));
    let plain = (first.input_tokens - first.cached_tokens) as f64;
    let cost = plain * 0.15 + first.cached_tokens as f64 * 0.075 + first.output_tokens as f64 * 0.6;
    assert_eq!(first.cost_micro_usd, cost.round() as i64);
}

async fn a_refusal_is_a_finish_reason(database: Database) {
    let app = TestApp::start(&database).await;
    let stream = app.stream(&hello("gpt-4o-mini@safety")).await.ok();
    assert!(stream.is_done());
    let record = app.record(&stream.request_id()).await;
    assert_eq!((record.outcome(), record.log.finish_reason.as_deref()), (("completed", 200), Some("content_filter")));
    let odd = app.stream(&hello("gpt-4o-mini@empty-choices")).await.ok();
    assert!(odd.is_done() && !odd.content().is_empty());
    let empty = app.chat(&hello("gpt-4o-mini@empty-choices")).await;
    assert!(empty.status == 200 || empty.status == 502, "{}", empty.text);
}

async fn comments_keep_a_silent_stream_alive(database: Database) {
    let app = TestApp::with(&database, |settings| settings.gateway.keep_alive = ms(50)).await;
    let stream = app.stream(&hello("gpt-4o-mini@silent:500")).await.ok();
    assert!(stream.is_done() && !stream.content().is_empty());
    assert!((3..=11).contains(&stream.comments), "{} comments", stream.comments);
    let before = stream.text.split("data: ").next().unwrap();
    assert_eq!(before.matches(": keep-alive\n\n").count(), stream.comments, "all of them before the first token");
    assert!(stream.first_byte < ms(450), "the answer began before the provider did: {:?}", stream.first_byte);
    assert_eq!(app.record(&stream.request_id()).await.outcome(), ("completed", 200));
    // The provider's own silence after its head is the same to the caller.
    let early = app.stream(&hello("gpt-4o-mini@early-head,silent:300")).await.ok();
    assert!(early.is_done() && early.comments >= 2, "{}", early.text);
}

async fn comments_fill_the_gaps(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.keep_alive = ms(40);
        settings.simulation.per_token = ms(150);
    })
    .await;
    let mut body = hello("gpt-4o-mini");
    body["max_tokens"] = json!(4);
    let stream = app.stream(&body).await.ok();
    assert!(stream.is_done());
    assert_eq!(stream.content(), "This is a simu");
    assert!(stream.comments >= 4, "{}", stream.text);
    assert_eq!(app.record(&stream.request_id()).await.log.finish_reason.as_deref(), Some("length"));
}

async fn comments_do_not_hide_a_stall(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.keep_alive = ms(30);
        settings.gateway.idle_timeout = ms(300);
    })
    .await;
    let started = Instant::now();
    let (stream, _) = broken(&app, "gpt-4o-mini@stall:2", "provider_timeout", "timeout").await;
    assert!(stream.comments >= 3, "{}", stream.text);
    assert!(started.elapsed() < ms(5_000), "{:?}", started.elapsed());
}

async fn an_error_after_comments_is_in_the_stream(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.keep_alive = ms(40);
        settings.gateway.max_attempts = 2;
    })
    .await;
    let stream = app.stream(&hello("gpt-4o-mini@503,silent:200")).await.ok();
    assert!(stream.comments >= 2 && !stream.text.contains("[DONE]"), "{}", stream.text);
    assert_eq!(stream.error().unwrap()["code"], "provider_overloaded");
    let record = app.record(&stream.request_id()).await;
    assert_eq!(record.tries(), [("overloaded", Some(503)), ("overloaded", Some(503))]);
    assert_eq!(record.error(), ("provider", "overloaded"));
    assert_eq!(record.outcome(), ("failed", 200), "the caller saw 200");
}

async fn the_whole_call_has_a_limit(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.gateway.total_timeout = ms(400);
        settings.simulation.per_token = ms(50);
    })
    .await;
    let (stream, record) = broken(&app, "gpt-4o-mini", "provider_timeout", "timeout").await;
    assert!(stream.content().starts_with("This is a"), "{}", stream.text);
    assert!(record.log.latency_us >= 400_000);
    app.call_where("the provider's stream is given up", |call| call["outcome"] == "client_gone").await;
    // The caller may ask for less, but not for more.
    let slow = app.post("/v1/chat/completions", &hello("gpt-4o-mini@silent:3000"));
    let answer = crate::support::answer(slow.header("x-de-timeout-ms", "100")).await.failed(504);
    assert!(app.record(&answer.request_id()).await.log.latency_us < 400_000);
    let slow = app.post("/v1/chat/completions", &hello("gpt-4o-mini@silent:3000"));
    crate::support::answer(slow.header("x-de-timeout-ms", "60000")).await.failed(504);
}
