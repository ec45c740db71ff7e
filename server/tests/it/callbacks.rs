//! What callers' addresses are told: signed, tried again, and never held up by a receiver that does not answer.

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};
use server::settings::Environment;

use crate::{
    delivery::{deliver, waiting},
    support::{Database, TestApp, answer, eventually, ms, on_both},
};

on_both!(
    every_end_is_told_and_signed,
    failures_are_tried_again_or_not,
    a_receiver_that_is_silent_delays_nobody,
    private_addresses_are_refused,
    what_was_not_sent_is_sent_after_a_restart,
);

const GOOD: &str = "A clean paragraph about the sea, the wind and the birds.";

/// A message as it came.
#[derive(Clone)]
struct Told {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The signature that a secret makes of it.
    fn signature(&self, secret: &Value) -> String {
        let key = STANDARD.decode(secret.as_str().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

/// A receiver that keeps what it was told. The path says how it answers.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Told>>>);

impl Receiver {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/{*path}", post(Self::take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }

    async fn take(State(own): State<Self>, Path(path): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
        let before = {
            let mut told = own.0.lock();
            let before = told.iter().filter(|told| told.path == path).count();
            told.push(Told { path: path.clone(), headers, body: String::from_utf8(body.to_vec()).unwrap() });
            before
        };
        match path.split('/').next().unwrap() {
            "flaky" if before == 0 => (StatusCode::INTERNAL_SERVER_ERROR, "x".repeat(20_000)).into_response(),
            "gone" => StatusCode::GONE.into_response(),
            "moved" => (StatusCode::FOUND, [(header::LOCATION, "http://elsewhere.example/")]).into_response(),
            "later" => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7200")]).into_response(),
            "silent" => std::future::pending().await,
            _ => (StatusCode::NO_CONTENT, "").into_response(),
        }
    }

    fn told(&self, path: &str) -> Vec<Told> {
        self.0.lock().iter().filter(|told| told.path == path).cloned().collect()
    }

    async fn wait(&self, path: &str, count: usize) -> Vec<Told> {
        eventually(&format!("{count} messages to {path}"), || async {
            let told = self.told(path);
            (told.len() >= count).then_some(told)
        })
        .await
    }
}

async fn callbacks(app: &TestApp, id: &str) -> Vec<Value> {
    let list = answer(app.get(&format!("/delivery/callbacks?request_id={id}"))).await.ok().body;
    list["callbacks"].as_array().unwrap().clone()
}

/// The only callback of a request, once it is in this state after so many attempts.
async fn callback(app: &TestApp, id: &str, state: &str, attempts: u64) -> Value {
    eventually(&format!("{state} after {attempts}"), || async {
        let all = callbacks(app, id).await;
        assert_eq!(all.len(), 1, "{all:#?}");
        (all[0]["state"] == state && all[0]["attempts"].as_array().unwrap().len() as u64 == attempts)
            .then(|| all[0].clone())
    })
    .await
}

async fn every_end_is_told_and_signed(database: Database) {
    let app = TestApp::start(&database).await;
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let work = async |path: &str| waiting(&app, json!({"callback_url": format!("{url}/{path}")})).await;

    let id = work("good").await;
    let done = deliver(&app, &id, GOOD).await.ok().body;
    let told = receiver.wait("good", 1).await.remove(0);
    let mut body = told.json();
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    body.as_object_mut().unwrap().remove("timestamp");
    assert_eq!(
        body,
        json!({"request_id": id, "status": "completed", "deliverable_id": done["deliverable_id"], "content_type": "text", "content": GOOD, "quality_score": 1.0})
    );
    assert_eq!(told.header("content-type"), "application/json");
    let secret_of = "/config/instance/development/callback-secret";
    let secret = answer(app.get(secret_of)).await.ok().body["data"].clone();
    assert_eq!((&secret["version"], &secret["previous"]), (&json!(1), &Value::Null));
    assert_eq!(told.header("webhook-signature"), told.signature(&secret["secret"]));
    let sent = callback(&app, &id, "delivered", 1).await;
    assert_eq!((&sent["id"], &sent["attempts"][0]["http_status"]), (&json!(told.header("webhook-id")), &json!(204)));

    // After a rotation both secrets sign.
    let rotated = app.ask(&format!("{secret_of}/rotate"), &json!({})).await.ok().body["data"].clone();
    assert_eq!((&rotated["version"], &rotated["previous"]), (&json!(2), &secret["secret"]));
    assert_ne!(rotated["secret"], secret["secret"]);
    let id = work("bad").await;
    deliver(&app, &id, "").await.ok();
    let told = receiver.wait("bad", 1).await.remove(0);
    assert_eq!(
        (&told.json()["status"], &told.json()["error"]),
        (&json!("failed"), &json!("Quality check failed: Content is empty"))
    );
    let both = format!("{} {}", told.signature(&rotated["secret"]), told.signature(&secret["secret"]));
    assert_eq!(told.header("webhook-signature"), both);
    assert_eq!(app.audit("callback_secret.rotated").await.len(), 1);
    assert!(!app.audit("callback_secret.revealed").await.is_empty());

    let id = work("failed").await;
    app.ask("/delivery/deliver", &json!({"request_id": id, "success": false, "error": "no"})).await.ok();
    assert_eq!(receiver.wait("failed", 1).await[0].json()["error"], "no");
    let id = work("approved").await;
    let item = deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone();
    assert!(callbacks(&app, &id).await.is_empty(), "a review tells nothing yet");
    app.ask("/delivery/approve", &json!({"deliverable_id": item})).await.ok();
    assert_eq!(receiver.wait("approved", 1).await[0].json()["content"], "Hi");
    let id = work("rejected").await;
    let item = deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone();
    app.ask("/delivery/reject", &json!({"deliverable_id": item, "reason": "Too short"})).await.ok();
    assert_eq!(receiver.wait("rejected", 1).await[0].json()["error"], "Too short");
    // By our own workers, too.
    let body = json!({"query": "Write a line about rivers", "callback_url": format!("{url}/own")});
    let id = crate::intake::accepted(&app, &body).await;
    assert_eq!(receiver.wait("own", 1).await[0].json()["request_id"], json!(id));
    let counts: Vec<usize> =
        ["good", "bad", "failed", "approved", "rejected", "own"].map(|path| receiver.told(path).len()).into();
    assert_eq!(counts, [1; 6], "each was told once");
}

async fn failures_are_tried_again_or_not(database: Database) {
    let app = TestApp::start(&database).await;
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let mut ids = HashMap::new();
    for path in ["flaky", "gone", "moved", "later"] {
        let id = waiting(&app, json!({"callback_url": format!("{url}/{path}")})).await;
        deliver(&app, &id, GOOD).await.ok();
        ids.insert(path, id);
    }
    let gone = callback(&app, &ids["gone"], "failed", 1).await;
    assert_eq!(gone["last_error"], "HTTP 410: the receiver wants no more of it");
    let moved = callback(&app, &ids["moved"], "pending", 1).await;
    assert_eq!(moved["last_error"], "HTTP 302: redirects are not followed (to http://elsewhere.example/)");
    let later = callback(&app, &ids["later"], "pending", 1).await;
    let next = later["next_attempt_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let in_s = (next - app.now_us()) / 1_000_000;
    assert!((7_100..=7_201).contains(&in_s), "{in_s}");
    let flaky = callback(&app, &ids["flaky"], "delivered", 2).await;
    assert_eq!(
        (&flaky["attempts"][0]["http_status"], &flaky["attempts"][0]["error"]),
        (&json!(500), &json!("HTTP 500"))
    );
    assert_eq!(flaky["attempts"][0]["answer"].as_str().unwrap().len(), 16_384);
    let told = receiver.told("flaky");
    assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
    assert_eq!(told[0].body, told[1].body);
    let seconds = |told: &Told| told.header("webhook-timestamp").parse::<i64>().unwrap();
    assert!(seconds(&told[1]) - seconds(&told[0]) >= 4);

    // Replayed by hand, whatever became of it.
    let replay =
        async |id: &Value| app.ask(&format!("/delivery/callbacks/{}/replay", id.as_str().unwrap()), &Value::Null).await;
    assert_eq!(replay(&gone["id"]).await.ok().body["state"], "pending");
    callback(&app, &ids["gone"], "failed", 2).await;
    replay(&flaky["id"]).await.ok();
    callback(&app, &ids["flaky"], "delivered", 3).await;
    assert_eq!(receiver.told("flaky").len(), 3);
    assert_eq!(replay(&json!("x")).await.failed(404).body["error"], "Callback not found");
    answer(app.get("/delivery/callbacks?request_id=x")).await.failed(404);
    answer(app.get("/delivery/callbacks")).await.failed(400);
}

async fn a_receiver_that_is_silent_delays_nobody(database: Database) {
    let app = TestApp::start(&database).await;
    let (receiver, dead) = (Receiver::default(), Receiver::default());
    let (url, silent) = (receiver.start().await, dead.start().await);
    for n in 0..12 {
        let id = waiting(&app, json!({"callback_url": format!("{silent}/silent/{n}")})).await;
        deliver(&app, &id, GOOD).await.ok();
    }
    eventually("the silent one is called", || async { (dead.0.lock().len() >= 4).then_some(()) }).await;
    let began = Instant::now();
    for n in 0..6 {
        let id = waiting(&app, json!({"callback_url": format!("{url}/good/{n}")})).await;
        deliver(&app, &id, GOOD).await.ok();
    }
    eventually("the others are told", || async { (receiver.0.lock().len() == 6).then_some(()) }).await;
    assert!(began.elapsed() < ms(10_000), "{:?}", began.elapsed());
    assert_eq!(dead.0.lock().len(), 4, "a receiver has four calls at a time");
}

async fn private_addresses_are_refused(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.environment = Environment::Production;
        settings.server.default_instance = "development".to_owned();
    })
    .await;
    let receiver = Receiver::default();
    let url = receiver.start().await;
    for url in [
        format!("{url}/x"),
        url.replace("127.0.0.1", "localhost"),
        "http://10.0.0.1/x".to_owned(),
        "http://[::1]:9/".to_owned(),
    ] {
        let id = waiting(&app, json!({"callback_url": url})).await;
        deliver(&app, &id, GOOD).await.ok();
        let refused = callback(&app, &id, "failed", 1).await;
        assert!(refused["last_error"].as_str().unwrap().contains("is a private address"), "{refused}");
        assert_eq!(refused["attempts"][0]["http_status"], Value::Null);
    }
    assert!(receiver.0.lock().is_empty());
}

async fn what_was_not_sent_is_sent_after_a_restart(database: Database) {
    let app = TestApp::start(&database).await;
    let receiver = Receiver::default();
    // Nobody listens there yet.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let id = waiting(&app, json!({"callback_url": format!("http://{port}/good")})).await;
    deliver(&app, &id, GOOD).await.ok();
    let failed = callback(&app, &id, "pending", 1).await;
    assert!(failed["last_error"].as_str().unwrap().starts_with("no connection"), "{failed}");
    let place = app.stop().await;
    let listener = tokio::net::TcpListener::bind(port).await.unwrap();
    let router = Router::new().route("/{*path}", post(Receiver::take)).with_state(receiver.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let app = TestApp::at(place, server::clock::Clock::system(), |_| {}).await;
    let told = receiver.wait("good", 1).await;
    assert_eq!(told[0].json()["request_id"], json!(id));
    drop(app);
}
