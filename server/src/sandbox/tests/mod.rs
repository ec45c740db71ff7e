//! The sandbox over real HTTP.

mod anthropic;
mod cohere;
mod faults;
mod gemini;
mod generic;
mod openai;

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{SandboxConfig, base_path, serve};

/// A running sandbox; it stops when dropped.
struct Sandbox {
    address: String,
    client: Client,
    stop: CancellationToken,
    _stop: DropGuard,
    served: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Sandbox {
    async fn start() -> Self {
        Self::with(SandboxConfig::default()).await
    }

    async fn with(config: SandboxConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, config, stop.clone()));
        // The client wants a TLS provider even for plain HTTP; a second installation is refused and harmless.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { address, client, stop: stop.clone(), _stop: stop.drop_guard(), served: Some(served) }
    }

    fn url(&self, provider: &str, path: &str) -> String {
        format!("{}{}{path}", self.address, base_path(provider).unwrap())
    }

    /// A POST with a key in the place where the provider looks for it.
    fn post(&self, provider: &str, path: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(self.url(provider, path)).json(body);
        match provider {
            "anthropic" => request.header("x-api-key", "sk-test").header("anthropic-version", "2023-06-01"),
            "gemini" => request.header("x-goog-api-key", "sk-test"),
            "generic" => request.header("x-api-key", "sk-test"),
            _ => request.bearer_auth("sk-test"),
        }
    }

    async fn calls(&self) -> Vec<Value> {
        let listed: Value =
            self.client.get(format!("{}/_sim/calls", self.address)).send().await.unwrap().json().await.unwrap();
        listed.as_array().unwrap().clone()
    }

    /// The newest call, once it has an outcome.
    async fn ended_call(&self) -> Value {
        for _ in 0..400 {
            if let Some(call) = self.calls().await.into_iter().next().filter(|call| !call["outcome"].is_null()) {
                return call;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the call never ended: {:?}", self.calls().await);
    }
}

/// One server-sent event: its name, empty when it has none, and its data.
fn events(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\r\n", "\n");
    let mut events = Vec::new();
    for record in text.split("\n\n") {
        let (mut name, mut data) = (String::new(), None);
        for line in record.lines() {
            if let Some(value) = line.strip_prefix("event: ") {
                name = value.to_owned();
            } else if let Some(value) = line.strip_prefix("data: ") {
                data = Some(value.to_owned());
            }
        }
        if let Some(data) = data {
            events.push((name, data));
        }
    }
    events
}

/// The data of every event that is JSON.
fn json_events(text: &str) -> Vec<Value> {
    events(text).iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect()
}

/// Status and JSON body of an answer.
async fn told(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
}

/// The value with more fields.
fn with(mut body: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

async fn streamed(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

#[tokio::test]
async fn health_and_unknown_paths() {
    let sandbox = Sandbox::start().await;
    let (status, body) = told(sandbox.client.get(format!("{}/health", sandbox.address))).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("ok")));
    let response = sandbox.client.get(format!("{}/nothing", sandbox.address)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "x-simulated")), (404, "true"));
}

#[tokio::test]
async fn every_provider_has_a_base_path_that_answers() {
    let sandbox = Sandbox::start().await;
    for (provider, _) in super::BASE_PATHS {
        let response = sandbox
            .client
            .get(sandbox.url(provider, "/no/such/thing"))
            .header("anthropic-version", "2023-06-01")
            .header("x-api-key", "k")
            .header("x-goog-api-key", "k")
            .bearer_auth("k")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 404, "{provider}");
        assert!(response.json::<Value>().await.unwrap().is_object(), "{provider}");
    }
    assert_eq!(base_path("nobody"), None);
}

#[tokio::test]
async fn the_stop_ends_even_stalled_answers() {
    let mut sandbox = Sandbox::start().await;
    let body = serde_json::json!({"model": "gpt-4o@stall:2", "stream": true, "messages": [{"role": "user", "content": "Hello"}]});
    let response = sandbox.post("openai", "/chat/completions", &body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    sandbox.stop.cancel();
    let served = sandbox.served.take().unwrap();
    tokio::time::timeout(Duration::from_secs(10), served).await.unwrap().unwrap().unwrap();
    assert!(response.text().await.is_err());
}
