use super::*;
use futures::StreamExt;
use serde_json::json;
use std::time::Instant;

fn ask(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Tell me about rivers and mountains"}]})
}

/// A chat through OpenAI's format with a fault.
fn faulty(sandbox: &Sandbox, fault: &str, stream: bool) -> RequestBuilder {
    sandbox.post("openai", "/chat/completions", &ask("gpt-4o", stream)).header("x-sim-fault", fault)
}

fn contents(text: &str) -> Vec<String> {
    json_events(text)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .filter(|said| !said.is_empty())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn statuses_by_header_and_by_model() {
    let sandbox = Sandbox::start().await;
    for status in [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529_u16] {
        let (got, body) = told(faulty(&sandbox, &status.to_string(), false)).await;
        assert_eq!(got, status);
        assert!(body["error"]["message"].is_string(), "{body}");
        let (got, _) = told(sandbox.post("openai", "/chat/completions", &ask(&format!("gpt-4o@{status}"), true))).await;
        assert_eq!(got, status);
    }
    let response = faulty(&sandbox, "429:2", false).send().await.unwrap();
    assert_eq!(
        (
            header(&response, "retry-after"),
            header(&response, "retry-after-ms"),
            header(&response, "x-ratelimit-remaining-requests")
        ),
        ("2", "2000", "0")
    );
    assert_eq!(sandbox.ended_call().await["outcome"], "fault:429:2");
    let (status, body) = told(faulty(&sandbox, "quota", false)).await;
    assert_eq!((status, body["error"]["code"].as_str()), (429, Some("insufficient_quota")));
    let (status, body) = told(faulty(&sandbox, "nonsense", false)).await;
    assert_eq!(status, 400);
    assert!(body["error"]["message"].as_str().unwrap().contains("nonsense"));
    let response = faulty(&sandbox, "html", false).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (502, "text/html"));
    assert!(response.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn flaky_recovers() {
    let sandbox = Sandbox::start().await;
    for key in ["a", "b"] {
        let mut got = Vec::new();
        for _ in 0..3 {
            got.push(
                faulty(&sandbox, "flaky:2", false).header("x-sim-key", key).send().await.unwrap().status().as_u16(),
            );
        }
        assert_eq!(got, [503, 503, 200]);
    }
    let plain = faulty(&sandbox, "flaky:1", false);
    assert_eq!(plain.send().await.unwrap().status(), 503);
    assert_eq!(faulty(&sandbox, "flaky:1", false).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn broken_streams() {
    let sandbox = Sandbox::start().await;
    let cut = streamed(faulty(&sandbox, "cut:5", true)).await;
    assert_eq!(contents(&cut), ["This", " is", " a", " simu", "lated"]);
    assert!(!cut.contains("[DONE]"));
    let call = sandbox.ended_call().await;
    assert_eq!((call["outcome"].as_str(), call["tokens_sent"].as_u64()), (Some("fault:cut:5"), Some(5)));

    let dropped = faulty(&sandbox, "drop:5", true).send().await.unwrap();
    let mut body = dropped.bytes_stream();
    let (mut got, mut failed) = (Vec::new(), false);
    while let Some(part) = body.next().await {
        match part {
            Ok(part) => got.extend_from_slice(&part),
            Err(_) => failed = true,
        }
    }
    assert_eq!(contents(std::str::from_utf8(&got).unwrap()).len(), 5);
    assert!(failed);

    let bad = streamed(faulty(&sandbox, "malformed:2", true)).await;
    assert_eq!(
        events(&bad)
            .iter()
            .filter(|(_, data)| serde_json::from_str::<Value>(data).is_err() && data != "[DONE]")
            .count(),
        1
    );
    assert!(bad.ends_with("data: [DONE]\n\n"));

    let error = streamed(faulty(&sandbox, "error:3", true)).await;
    assert_eq!(contents(&error).len(), 3);
    assert_eq!(json_events(&error).last().unwrap()["error"]["type"], "server_error");
    assert!(!error.contains("[DONE]"));
}

#[tokio::test]
async fn a_stall_is_noticed_when_the_client_leaves() {
    let sandbox = Sandbox::start().await;
    let mut stalled = faulty(&sandbox, "stall:4", true).send().await.unwrap();
    let mut text = String::new();
    while contents(&text).len() < 4 {
        text.push_str(std::str::from_utf8(&stalled.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), stalled.chunk()).await.is_err());
    assert!(sandbox.calls().await[0]["outcome"].is_null());
    drop(stalled);
    let call = sandbox.ended_call().await;
    assert_eq!((call["outcome"].as_str(), call["tokens_sent"].as_u64()), (Some("client_gone"), Some(4)));
}

#[tokio::test]
async fn leaving_before_the_answer_is_noticed() {
    let sandbox = Sandbox::start().await;
    let started = Instant::now();
    let waiting = faulty(&sandbox, "silent:60000", false).timeout(Duration::from_millis(80)).send().await;
    assert!(waiting.unwrap_err().is_timeout());
    let call = sandbox.ended_call().await;
    assert_eq!(call["outcome"], "client_gone");
    assert!(call["first_byte_ms"].is_null());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn buffered_answers_break_too() {
    let sandbox = Sandbox::start().await;
    let cut = faulty(&sandbox, "cut:1", false).send().await.unwrap();
    assert_eq!(cut.status(), 200);
    assert!(cut.bytes().await.is_err());
    let malformed = faulty(&sandbox, "malformed", false).send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&malformed).is_err());
    assert_eq!(faulty(&sandbox, "error:1", false).send().await.unwrap().status(), 500);
    assert!(faulty(&sandbox, "reset", false).send().await.is_err());
    assert!(faulty(&sandbox, "reset", true).send().await.is_err());
    assert_eq!(sandbox.ended_call().await["outcome"], "fault:reset");
}

#[tokio::test]
async fn odd_framings_say_the_same() {
    let sandbox = Sandbox::start().await;
    let body = json!({"model": "gpt-4o", "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "Tell me about rivers"}]});
    let get = async |fault: &str| {
        streamed(
            sandbox
                .post("openai", "/chat/completions", &body)
                .header("x-sim-tokens", "40")
                .header("x-sim-fault", fault),
        )
        .await
    };
    let plain = streamed(sandbox.post("openai", "/chat/completions", &body).header("x-sim-tokens", "40")).await;
    for fault in ["crlf", "comments", "split", "crlf,comments,split"] {
        let odd = get(fault).await;
        assert_eq!(contents(&odd), contents(&plain), "{fault}");
        assert_eq!(odd.contains("\r\n"), fault.contains("crlf"));
        assert_eq!(odd.contains(": simulated comment"), fault.contains("comments"));
        assert_eq!(sandbox.ended_call().await["outcome"], "completed");
    }
    let tells = |text: &str| json_events(text).iter().filter(|chunk| chunk["usage"].is_object()).count();
    assert_eq!((tells(&plain), tells(&get("dup-usage").await), tells(&get("no-usage").await)), (1, 2, 0));
    let empty = |text: &str| json_events(text).iter().filter(|chunk| chunk["choices"] == json!([])).count();
    assert_eq!((empty(&plain), empty(&get("empty-choices").await)), (1, 2));
    let finish = |text: &str| {
        json_events(text)
            .iter()
            .rev()
            .find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str().map(str::to_owned))
    };
    assert_eq!(finish(&get("safety").await).as_deref(), Some("content_filter"));
}

#[tokio::test]
async fn split_arrives_in_many_parts() {
    let sandbox = Sandbox::start().await;
    let mut parts = faulty(&sandbox, "split", true).header("x-sim-tokens", "20").send().await.unwrap();
    let mut count = 0;
    while parts.chunk().await.unwrap().is_some() {
        count += 1;
    }
    assert!(count > 60, "{count}");
}

#[tokio::test]
async fn usage_can_lie_or_be_missing() {
    let sandbox = Sandbox::start().await;
    let usage = async |fault: &str| told(faulty(&sandbox, fault, false)).await.1["usage"].clone();
    let honest = usage("").await;
    assert_ne!(usage("wrong-usage").await, honest);
    assert!(usage("no-usage").await.is_null());
    let (_, body) = told(faulty(&sandbox, "empty-choices", false)).await;
    assert_eq!(body["choices"], json!([]));
}

#[tokio::test]
async fn delays_are_kept() {
    let sandbox = Sandbox::with(SandboxConfig {
        first_byte: Duration::from_millis(40),
        per_token: Duration::from_millis(2),
        bare: false,
    })
    .await;
    let time = async |request: RequestBuilder| {
        let start = Instant::now();
        let mut response = request.send().await.unwrap();
        let head = start.elapsed();
        while response.chunk().await.unwrap().is_some() {}
        (head, start.elapsed())
    };
    let plain =
        |stream| sandbox.post("openai", "/chat/completions", &ask("gpt-4o", stream)).header("x-sim-tokens", "20");
    let (head, end) = time(plain(true)).await;
    assert!(head >= Duration::from_millis(40) && end >= Duration::from_millis(80), "{head:?} {end:?}");
    let (head, _) = time(plain(false)).await;
    assert!(head >= Duration::from_millis(80), "{head:?}");
    let (head, end) = time(plain(true).header("x-sim-first-byte-ms", "0").header("x-sim-token-ms", "0")).await;
    assert!(head < Duration::from_millis(40) && end < Duration::from_millis(80), "{head:?} {end:?}");
    let (head, end) = time(plain(true).header("x-sim-fault", "early-head,silent:150")).await;
    assert!(head < Duration::from_millis(100) && end >= Duration::from_millis(150), "{head:?} {end:?}");
}

#[tokio::test]
async fn the_record_can_be_limited_and_cleared() {
    let sandbox = Sandbox::start().await;
    for _ in 0..3 {
        faulty(&sandbox, "", false).send().await.unwrap().bytes().await.unwrap();
    }
    assert_eq!(sandbox.calls().await.len(), 3);
    let (_, one) = told(sandbox.client.get(format!("{}/_sim/calls?limit=1", sandbox.address))).await;
    assert_eq!(one.as_array().unwrap().len(), 1);
    sandbox.client.delete(format!("{}/_sim/calls", sandbox.address)).send().await.unwrap();
    assert!(sandbox.calls().await.is_empty());
}

/// Every provider's streaming chat: name, path with the model in it or not, and body.
fn every_stream() -> Vec<(&'static str, &'static str, Value)> {
    let turn = json!([{"role": "user", "content": "Tell me about rivers"}]);
    vec![
        ("openai", "/chat/completions", json!({"model": "gpt-4o", "stream": true, "messages": turn})),
        ("mistral", "/chat/completions", json!({"model": "mistral-small-latest", "stream": true, "messages": turn})),
        ("openrouter", "/chat/completions", json!({"model": "openai/gpt-4o-mini", "stream": true, "messages": turn})),
        (
            "anthropic",
            "/v1/messages",
            json!({"model": "claude-haiku-4-5", "max_tokens": 900, "stream": true, "messages": turn}),
        ),
        (
            "gemini",
            "/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            json!({"contents": [{"role": "user", "parts": [{"text": "Tell me about rivers"}]}]}),
        ),
        ("cohere", "/v2/chat", json!({"model": "command-a-03-2025", "stream": true, "messages": turn})),
        ("generic", "/v1/stream", json!({"prompt": "Tell me about rivers"})),
    ]
}

#[tokio::test]
async fn every_fault_works_for_every_provider() {
    let sandbox = Sandbox::start().await;
    for (provider, path, body) in every_stream() {
        let short = || sandbox.post(provider, path, &body).header("x-sim-tokens", "12");
        let plain = streamed(short()).await;
        let fault = |spec: &str| short().header("x-sim-fault", spec.to_owned());
        let data = |text: &str| events(text).into_iter().map(|(_, data)| data).collect::<Vec<_>>();
        let end = |text: &str| data(text).pop().unwrap();

        for spec in ["crlf", "comments", "split"] {
            let odd = data(&streamed(fault(spec)).await);
            assert_eq!(odd.len(), data(&plain).len(), "{provider} {spec}");
        }
        let cut = streamed(fault("cut:4")).await;
        assert_eq!(sandbox.ended_call().await["tokens_sent"], 4, "{provider}");
        assert_ne!(end(&cut), end(&plain), "{provider}");
        assert!(fault("drop:4").send().await.unwrap().bytes().await.is_err(), "{provider}");
        assert!(fault("reset").send().await.is_err(), "{provider}");
        let broken = streamed(fault("malformed:4")).await;
        let bad = data(&broken)
            .iter()
            .filter(|data| *data != "[DONE]" && serde_json::from_str::<Value>(data).is_err())
            .count();
        assert_eq!(bad, 1, "{provider}");
        assert!(end(&streamed(fault("error:4")).await).to_lowercase().contains("error"), "{provider}");
        assert_eq!(
            data(&streamed(fault("dup-usage")).await).len(),
            data(&plain).len() + usize::from(provider != "openai" && provider != "openrouter"),
            "{provider}"
        );
        assert_eq!(data(&streamed(fault("empty-choices")).await).len(), data(&plain).len() + 1, "{provider}");
        for spec in ["wrong-usage", "no-usage", "safety"] {
            assert!(!data(&streamed(fault(spec)).await).is_empty(), "{provider} {spec}");
        }
        for status in [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529_u16] {
            let (got, body) = told(fault(&status.to_string())).await;
            assert_eq!(got, status, "{provider}");
            assert!(body.is_object(), "{provider} {status}");
        }
        assert_eq!(fault("quota").send().await.unwrap().status(), 429, "{provider}");
        assert_eq!(fault("html").send().await.unwrap().status(), 502, "{provider}");
        assert_eq!(fault("flaky").send().await.unwrap().status(), 503, "{provider}");
        assert_eq!(fault("flaky").send().await.unwrap().status(), 200, "{provider}");
    }
}

#[tokio::test]
async fn every_provider_notices_a_leaving_client() {
    let sandbox = Sandbox::start().await;
    for (provider, path, body) in every_stream() {
        let mut stalled = sandbox.post(provider, path, &body).header("x-sim-fault", "stall:3").send().await.unwrap();
        assert!(stalled.chunk().await.unwrap().is_some());
        drop(stalled);
        let call = sandbox.ended_call().await;
        assert_eq!((call["provider"].as_str(), call["outcome"].as_str()), (Some(provider), Some("client_gone")));
    }
}
