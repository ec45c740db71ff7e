use super::*;
use serde_json::json;

#[tokio::test]
async fn plain_call_and_stream_agree() {
    let sandbox = Sandbox::start().await;
    let body = json!({"prompt": "Tell me about rivers", "max_tokens": 40});
    let (_, whole) = told(sandbox.post("generic", "/v1/generate", &body)).await;
    let chunks = json_events(&streamed(sandbox.post("generic", "/v1/stream", &body)).await);
    let text: String = chunks.iter().filter_map(|chunk| chunk["delta"].as_str()).collect();
    assert_eq!(whole["result"]["text"], text);
    assert_eq!(chunks.last().unwrap(), &json!({"done": true, "usage": whole["usage"]}));
    assert_eq!(whole["usage"]["output_tokens"], 40);
    let (status, body) = told(sandbox.post("generic", "/v1/generate", &json!({}))).await;
    assert_eq!((status, body["error"]["field"].as_str()), (400, Some("prompt")));
    let (status, _) =
        told(sandbox.client.post(sandbox.url("generic", "/v1/generate")).json(&json!({"prompt": "x"}))).await;
    assert_eq!(status, 401);
}

/// Submits a job for a model that may carry faults.
async fn submit(sandbox: &Sandbox, model: &str, more: Value) -> (u16, Value) {
    let body = with(json!({"prompt": "Rivers", "model": model}), more);
    told(sandbox.post("generic", "/v1/jobs", &body)).await
}

async fn poll(sandbox: &Sandbox, id: &str) -> (u16, Value) {
    told(sandbox.client.get(sandbox.url("generic", &format!("/v1/jobs/{id}"))).header("x-api-key", "k")).await
}

async fn counts(sandbox: &Sandbox) -> Value {
    told(sandbox.client.get(format!("{}/_sim/jobs", sandbox.address))).await.1["counts"].clone()
}

#[tokio::test]
async fn jobs_walk_to_their_end() {
    let sandbox = Sandbox::start().await;
    let id = async |model: &str| {
        let (status, job) = submit(&sandbox, model, json!({})).await;
        assert_eq!((status, &job["status"]), (202, &json!("queued")));
        job["id"].as_str().unwrap().to_owned()
    };
    let job = id("clip").await;
    assert_eq!(poll(&sandbox, &job).await.1["status"], "running");
    let (_, done) = poll(&sandbox, &job).await;
    assert_eq!((&done["status"], &done["progress"]), (&json!("succeeded"), &json!(100)));
    assert!(done["output"]["text"].as_str().unwrap().starts_with("This is a simulated answer"));
    assert_eq!(poll(&sandbox, &job).await.1, done);
    let slow = id("clip@pending:3").await;
    let mut walk = Vec::new();
    for _ in 0..4 {
        let (_, now) = poll(&sandbox, &slow).await;
        walk.push((now["status"].as_str().unwrap().to_owned(), now["progress"].as_u64().unwrap()));
    }
    let walk: Vec<_> = walk.iter().map(|(status, progress)| (status.as_str(), *progress)).collect();
    assert_eq!(walk, [("running", 25), ("running", 50), ("running", 75), ("succeeded", 100)]);
    let failing = poll(&sandbox, &id("clip@error,pending:0").await).await.1;
    assert_eq!((&failing["status"], &failing["error"]["code"]), (&json!("failed"), &json!("simulated")));
    let endless = id("clip@endless").await;
    for _ in 0..20 {
        assert_eq!(poll(&sandbox, &endless).await.1["status"], "running");
    }
    let gone = id("clip@gone").await;
    assert_eq!(poll(&sandbox, &gone).await.0, 200);
    assert_eq!(poll(&sandbox, &gone).await.0, 404);
    let refusing = id("clip@poll:429").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(poll(&sandbox, &refusing).await.0);
    }
    assert_eq!(statuses, [429, 429, 200]);
    assert_eq!(poll(&sandbox, "nothing").await.0, 404);
    let timed = id("clip@takes:30").await;
    let mut now = json!({"status": "running"});
    while now["status"] == "running" {
        now = poll(&sandbox, &timed).await.1;
    }
    assert_eq!(now["status"], "succeeded");
}

#[tokio::test]
async fn an_idempotency_key_begins_one_job() {
    let sandbox = Sandbox::start().await;
    let submit = async |model: &str, key: &str| {
        let body = json!({"prompt": "Rivers", "model": model, "client_reference": "ref 1"});
        told(sandbox.post("generic", "/v1/jobs", &body).header("idempotency-key", key)).await.1["id"].clone()
    };
    let first = submit("clip", "a").await;
    assert_eq!(submit("clip", "a").await, first);
    assert_ne!(submit("clip", "b").await, first);
    assert_ne!(submit("clip@forgetful", "a").await, first);
    let counts = counts(&sandbox).await;
    assert_eq!((&counts["submitted"], &counts["accepted"], &counts["repeated"]), (&json!(4), &json!(3), &json!(1)));
    let list = sandbox.client.get(sandbox.url("generic", "/v1/jobs?client_reference=ref%201")).header("x-api-key", "k");
    assert_eq!(told(list).await.1["jobs"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_job_and_a_cut_request_does_not() {
    let sandbox = Sandbox::start().await;
    let found = async |reference: &str| {
        let url = sandbox.url("generic", &format!("/v1/jobs?client_reference={reference}"));
        let (status, list) = told(sandbox.client.get(url).header("x-api-key", "k")).await;
        (status, list["jobs"].as_array().map(Vec::len))
    };
    let submit = async |model: &str, reference: &str| {
        let body = json!({"prompt": "Rivers", "model": model, "client_reference": reference});
        sandbox.post("generic", "/v1/jobs", &body).send().await.map(|response| response.status().as_u16())
    };
    assert!(submit("clip@lost", "lost").await.is_err());
    assert_eq!(found("lost").await, (200, Some(1)));
    assert_eq!(submit("clip@lost:500", "told").await.unwrap(), 500);
    assert_eq!(found("told").await, (200, Some(1)));
    assert!(submit("clip@reset", "cut").await.is_err());
    assert_eq!(found("cut").await, (200, Some(0)));
    assert!(submit("clip@reset,lookup:503", "blind").await.is_err());
    assert_eq!(found("blind").await.0, 503);
    assert_eq!(counts(&sandbox).await["accepted"], 2);
    let busy = async || submit("clip@429:1,flaky:2", "busy").await.unwrap();
    assert_eq!([busy().await, busy().await, busy().await], [429, 429, 202]);
}

#[tokio::test]
async fn jobs_are_cancelled_until_they_end() {
    let sandbox = Sandbox::start().await;
    let cancel = async |id: &str| {
        let url = sandbox.url("generic", &format!("/v1/jobs/{id}"));
        told(sandbox.client.delete(url).header("x-api-key", "k")).await
    };
    let job = submit(&sandbox, "clip", json!({})).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(cancel(&job).await.1["status"], "cancelled");
    assert_eq!(cancel(&job).await.0, 409);
    assert_eq!(poll(&sandbox, &job).await.1["status"], "cancelled");
    assert_eq!(cancel("nothing").await.0, 404);
}

#[tokio::test]
async fn ends_are_told_as_often_as_asked_and_only_on_this_machine() {
    let sandbox = Sandbox::start().await;
    let (sender, mut told_of) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/done", listener.local_addr().unwrap());
    let hook = axum::routing::post(async move |axum::Json(body): axum::Json<Value>| sender.send(body).unwrap());
    let _server = tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/done", hook)).await });
    for (model, times) in [("clip", 1), ("clip@callbacks:2", 2), ("clip@late:20,takes:5", 1), ("clip@error", 1)] {
        let (_, job) = submit(&sandbox, model, json!({"callback_url": url})).await;
        for _ in 0..times {
            let body = told_of.recv().await.unwrap();
            assert_eq!(body["id"], job["id"], "{model}");
            assert_eq!(body["status"], if model.ends_with("error") { "failed" } else { "succeeded" });
        }
    }
    // Nobody is told of what never ends, nor where none is wanted; polls end it, too.
    submit(&sandbox, "clip@endless", json!({"callback_url": url})).await;
    submit(&sandbox, "clip@callbacks:0", json!({"callback_url": url})).await;
    let (_, job) = submit(&sandbox, "clip@pending:0", json!({"callback_url": url})).await;
    poll(&sandbox, job["id"].as_str().unwrap()).await;
    assert_eq!(told_of.recv().await.unwrap()["id"], job["id"]);
    let (status, refused) = submit(&sandbox, "clip", json!({"callback_url": "https://example.com/x"})).await;
    assert_eq!((status, &refused["error"]["field"]), (400, &json!("callback_url")));
}
