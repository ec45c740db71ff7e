//! Remote work against the simulator's jobs, over real HTTP.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::remote::{Abilities, Cancelled, RemoteStatus, SubmitError, Submitted, Work};
use super::{remote, validate};
use crate::{
    providers::{
        Auth, ErrorClass, Secret, Target,
        transport::{Limits, Transport},
    },
    sandbox::{self, SandboxConfig},
};

/// A mapping of the simulator's job API, with every part.
fn mapping() -> Value {
    json!({
        "endpoint": "/v1/jobs", "method": "POST", "headers": {"x-api-key": "{api_key}"},
        "body": {"model": "{model}", "prompt": "{prompt}", "client_reference": "{reference}", "callback_url": "{callback_url}"},
        "response_mapping": {"text": "$.output.text", "tokens_used": "$.usage.total_tokens"},
        "poll": {"endpoint": "/v1/jobs/{job_id}", "job_id": "$.id", "status": "$.status", "done": ["succeeded"],
            "failed": ["failed", "cancelled"], "error": "$.error.message", "progress": "$.progress", "interval_ms": 100},
        "lookup": {"endpoint": "/v1/jobs?client_reference={reference}", "job_id": "$.jobs[0].id"},
        "cancel": {"endpoint": "/v1/jobs/{job_id}", "method": "DELETE"},
        "callback": {}
    })
}

/// A simulator and a way to it.
struct Bench {
    address: String,
    transport: Transport,
    inputs: Map<String, Value>,
    _stop: DropGuard,
}

impl Bench {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(sandbox::serve(listener, SandboxConfig::default(), stop.clone()));
        let seconds = Duration::from_secs;
        let limits =
            Limits { connect: seconds(5), first_byte: seconds(20), idle: seconds(20), response_bytes: 1 << 20 };
        let transport = Transport::new(limits).unwrap();
        let inputs = Map::from_iter([("prompt".to_owned(), json!("Rivers"))]);
        Self { address, transport, inputs, _stop: stop.drop_guard() }
    }

    fn target(&self, model: &str) -> Target {
        self.mapped(model, mapping())
    }

    fn mapped(&self, model: &str, mapping: Value) -> Target {
        Target {
            provider: "generic".into(),
            base_url: format!("{}{}", self.address, sandbox::base_path("generic").unwrap()).into(),
            model: model.into(),
            credential: Some(Secret::new("sk-test")),
            auth: Auth::None,
            headers: Arc::from([]),
            lacks: Arc::from([]),
            max_output: None,
            mapping: Some(Arc::new(mapping)),
            simulated: true,
        }
    }

    fn work<'a>(&'a self, name: &'a str) -> Work<'a> {
        Work { inputs: &self.inputs, reference: name, idempotency_key: name, callback_url: None }
    }

    async fn submit(&self, target: &Target, name: &str) -> Result<Submitted, SubmitError> {
        remote::submit(target, &self.transport, &self.work(name), soon()).await
    }

    async fn poll(&self, target: &Target, id: &str) -> RemoteStatus {
        remote::poll(target, &self.transport, id, soon()).await.unwrap()
    }

    async fn lookup(&self, target: &Target, name: &str) -> Option<String> {
        remote::lookup(target, &self.transport, name, soon()).await.unwrap()
    }

    async fn counts(&self) -> Value {
        let body = reqwest::get(format!("{}/_sim/jobs", self.address)).await.unwrap().json::<Value>().await.unwrap();
        body["counts"].clone()
    }

    async fn forget(&self) {
        reqwest::Client::new().delete(format!("{}/_sim/jobs", self.address)).send().await.unwrap();
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn work_is_submitted_once_and_polled_to_its_end() {
    let bench = Bench::start().await;
    let target = bench.target("clip");
    assert_eq!(validate(&mapping()), []);
    let abilities = Abilities {
        can_look_up: true,
        can_cancel: true,
        has_callback: true,
        is_idempotent: false,
        poll_interval: Duration::from_millis(100),
    };
    assert_eq!(remote::abilities(&target), Some(abilities));
    let submitted = bench.submit(&target, "one").await.unwrap();
    assert_eq!(submitted.state, RemoteStatus::Pending { progress: Some(0.0) });
    let id = submitted.remote_id.unwrap();
    assert_eq!(bench.poll(&target, &id).await, RemoteStatus::Pending { progress: Some(50.0) });
    let RemoteStatus::Done(output) = bench.poll(&target, &id).await else { panic!("not done") };
    assert!(output.values["text"].as_str().unwrap().contains("Rivers"), "{:?}", output.values);
    assert!(output.usage.unwrap().input > 0);
    assert_eq!(output.raw["id"], id.as_str());
    // The same key again is the same work.
    assert_eq!(bench.submit(&target, "one").await.unwrap().remote_id, Some(id.clone()));
    assert_eq!(bench.lookup(&target, "one").await, Some(id));
    assert_eq!(bench.lookup(&target, "two").await, None);
    let counts = bench.counts().await;
    assert_eq!((&counts["accepted"], &counts["repeated"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn every_end_is_told_apart() {
    let bench = Bench::start().await;
    let walk = async |model: &str| {
        let target = bench.target(model);
        let id = bench.submit(&target, model).await.unwrap().remote_id.unwrap();
        let mut last = bench.poll(&target, &id).await;
        for _ in 0..5 {
            if !matches!(last, RemoteStatus::Pending { .. }) {
                break;
            }
            last = bench.poll(&target, &id).await;
        }
        last
    };
    assert_eq!(
        walk("a@error").await,
        RemoteStatus::Failed { message: "The job broke off, as it was asked to.".into() }
    );
    assert_eq!(walk("b@gone").await, RemoteStatus::Gone);
    assert!(matches!(walk("c@endless").await, RemoteStatus::Pending { .. }));
    assert!(matches!(walk("d").await, RemoteStatus::Done(_)));
    let target = bench.target("e");
    assert_eq!(bench.poll(&target, "nothing").await, RemoteStatus::Gone);
    // A question that fails says nothing about the work.
    let target = bench.target("f@poll:429");
    let id = bench.submit(&target, "f").await.unwrap().remote_id.unwrap();
    let refused = remote::poll(&target, &bench.transport, &id, soon()).await.unwrap_err();
    assert_eq!((refused.class, refused.retry_after), (ErrorClass::RateLimit, Some(Duration::from_secs(1))));
    assert!(remote::poll(&target, &bench.transport, &id, soon()).await.is_err());
    assert!(matches!(bench.poll(&target, &id).await, RemoteStatus::Done(_)));
    let unreachable = Target { base_url: "http://127.0.0.1:1".into(), ..bench.target("g") };
    let error = remote::poll(&unreachable, &bench.transport, &id, soon()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Connect);
}

#[tokio::test]
async fn it_is_known_whether_a_failed_submission_had_an_effect() {
    let bench = Bench::start().await;
    for (fault, certain, accepted) in [
        ("400", true, 0),
        ("401", true, 0),
        ("402", true, 0),
        ("403", true, 0),
        ("404", true, 0),
        ("413", true, 0),
        ("422", true, 0),
        ("429:7", true, 0),
        ("quota", true, 0),
        ("408", false, 0),
        ("409", false, 0),
        ("500", false, 0),
        ("503:7", false, 0),
        ("504", false, 0),
        ("html", false, 0),
        ("reset", false, 0),
        ("lost", false, 1),
        ("lost:500", false, 1),
        ("cut", false, 1),
        ("malformed", false, 1),
    ] {
        bench.forget().await;
        let target = bench.target(&format!("clip@{fault}"));
        let error = bench.submit(&target, "one").await.unwrap_err();
        assert_eq!(error.certain, certain, "{fault}: {error}");
        assert_eq!(bench.counts().await["accepted"], accepted, "{fault}");
        let wait = fault.ends_with(":7").then(|| Duration::from_secs(7));
        assert_eq!(error.error.retry_after, wait, "{fault}");
        // What is not known can be looked up.
        assert_eq!(bench.lookup(&target, "one").await.is_some(), accepted == 1, "{fault}");
    }
}

#[tokio::test]
async fn what_is_not_sent_had_no_effect_and_what_times_out_may_have_had() {
    let bench = Bench::start().await;
    let certain = async |target: &Target| {
        let error = bench.submit(target, "one").await.unwrap_err();
        (error.certain, error.error.class)
    };
    let unreachable = Target { base_url: "http://127.0.0.1:1".into(), ..bench.target("clip") };
    assert_eq!(certain(&unreachable).await, (true, ErrorClass::Connect));
    let nowhere = Target { base_url: "http://no-such-host.invalid".into(), ..bench.target("clip") };
    assert_eq!(certain(&nowhere).await, (true, ErrorClass::Connect));
    let no_tls = Target { base_url: bench.address.replace("http:", "https:").into(), ..bench.target("clip") };
    assert_eq!(certain(&no_tls).await, (true, ErrorClass::Connect));
    let mut unfillable = mapping();
    unfillable["endpoint"] = json!("/v1/{voice}/jobs");
    assert_eq!(certain(&bench.mapped("clip", unfillable)).await, (true, ErrorClass::Invalid));
    let mut at_once = mapping();
    for part in ["poll", "lookup", "cancel", "callback"] {
        at_once[part] = json!(null);
    }
    let at_once = bench.mapped("clip", at_once);
    assert_eq!(certain(&at_once).await, (true, ErrorClass::Unsupported));
    assert_eq!(remote::abilities(&at_once), None);
    assert_eq!(bench.counts().await["submitted"], 0);

    let slow = bench.target("clip@silent:5000");
    let deadline = Instant::now() + Duration::from_millis(300);
    let error = remote::submit(&slow, &bench.transport, &bench.work("late"), deadline).await.unwrap_err();
    assert_eq!((error.certain, error.error.class), (false, ErrorClass::Timeout));
    assert!(bench.lookup(&slow, "late").await.is_some());
}

#[tokio::test]
async fn an_unavailable_lookup_is_no_answer() {
    let bench = Bench::start().await;
    let target = bench.target("clip@lost,lookup:503");
    assert!(!bench.submit(&target, "one").await.unwrap_err().certain);
    let error = remote::lookup(&target, &bench.transport, "one", soon()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Overloaded);
    // Where the provider knows the key again, repeating does no harm and brings the name.
    assert!(bench.submit(&target, "one").await.unwrap().remote_id.is_some());
    assert_eq!(bench.counts().await["accepted"], 1);
    // A wrong address is told from an absent job.
    let mut by_name = mapping();
    by_name["lookup"] = json!({"endpoint": "/v1/jobs/{reference}", "job_id": "$.id"});
    let error =
        remote::lookup(&bench.mapped("clip", by_name.clone()), &bench.transport, "x", soon()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    by_name["lookup"]["none_on_404"] = json!(true);
    assert_eq!(bench.lookup(&bench.mapped("clip", by_name), "x").await, None);
    let mut none = mapping();
    none["lookup"] = json!(null);
    let error = remote::lookup(&bench.mapped("clip", none), &bench.transport, "x", soon()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unsupported);
}

#[tokio::test]
async fn work_is_cancelled_while_it_runs() {
    let bench = Bench::start().await;
    let target = bench.target("clip");
    let id = bench.submit(&target, "one").await.unwrap().remote_id.unwrap();
    let cancel = async |target: &Target| remote::cancel(target, &bench.transport, &id, soon()).await.unwrap();
    let mut none = mapping();
    none["cancel"] = json!(null);
    assert_eq!(cancel(&bench.mapped("clip", none)).await, Cancelled::Unsupported);
    assert_eq!(cancel(&target).await, Cancelled::Accepted);
    assert_eq!(cancel(&target).await, Cancelled::TooLate);
    let ended = bench.poll(&target, &id).await;
    assert_eq!(ended, RemoteStatus::Failed { message: "the provider reports that the work failed".into() });
}

#[tokio::test]
async fn callbacks_are_read() {
    let bench = Bench::start().await;
    let (sender, mut bodies) = mpsc::unbounded_channel::<bytes::Bytes>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/done", listener.local_addr().unwrap());
    let hook = axum::routing::post(async move |body: bytes::Bytes| sender.send(body).unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/done", hook)).await });
    let target = bench.target("clip@callbacks:2");
    let work = Work { callback_url: Some(&url), ..bench.work("one") };
    let id = remote::submit(&target, &bench.transport, &work, soon()).await.unwrap().remote_id.unwrap();
    for _ in 0..2 {
        let (named, status) = remote::read_callback(&mapping(), &bodies.recv().await.unwrap()).unwrap();
        assert_eq!(named, id);
        assert!(matches!(status, RemoteStatus::Done(output) if output.values.contains_key("text")));
    }
    let read = |mapping: &Value, body: Value| remote::read_callback(mapping, body.to_string().as_bytes());
    let class = |body: Value| read(&mapping(), body).unwrap_err().class;
    assert_eq!(class(json!({"status": "succeeded"})), ErrorClass::Malformed);
    assert_eq!(remote::read_callback(&mapping(), b"nonsense").unwrap_err().class, ErrorClass::Malformed);
    let running = read(&mapping(), json!({"id": 7, "status": "running", "progress": "40%"})).unwrap();
    assert_eq!(running, ("7".to_owned(), RemoteStatus::Pending { progress: Some(40.0) }));
    // A callback may look otherwise than the answer to a poll.
    let mut other = mapping();
    other["callback"] =
        json!({"job_id": "$.task", "status": "$.ok", "done": [true], "response_mapping": {"url": "$.url"}});
    let (id, status) = read(&other, json!({"task": "t1", "ok": true, "url": "https://example.com/a.mp4"})).unwrap();
    assert_eq!(id, "t1");
    assert!(matches!(status, RemoteStatus::Done(output) if output.values["url"] == "https://example.com/a.mp4"));
    other["callback"] = json!(null);
    assert_eq!(read(&other, json!({})).unwrap_err().class, ErrorClass::Unsupported);
}
