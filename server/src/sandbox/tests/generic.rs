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

#[tokio::test]
async fn jobs_walk_to_their_end() {
    let sandbox = Sandbox::start().await;
    let submit = async |fault: &str| {
        let (_, job) =
            told(sandbox.post("generic", "/v1/jobs", &json!({"prompt": "Rivers"})).header("x-sim-fault", fault)).await;
        assert_eq!(job["status"], "queued");
        job["id"].as_str().unwrap().to_owned()
    };
    let poll = async |id: &str| {
        told(sandbox.client.get(sandbox.url("generic", &format!("/v1/jobs/{id}"))).header("x-api-key", "k")).await
    };
    let job = submit("").await;
    assert_eq!(poll(&job).await.1["status"], "running");
    let (_, done) = poll(&job).await;
    assert_eq!(done["status"], "done");
    assert!(done["output"]["text"].as_str().unwrap().starts_with("This is a simulated answer"));
    assert_eq!(poll(&job).await.1, done);
    let slow = submit("pending:3").await;
    let mut walk = Vec::new();
    for _ in 0..4 {
        walk.push(poll(&slow).await.1["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(walk, ["running", "running", "running", "done"]);
    let failing = submit("error,pending:0").await;
    assert_eq!(poll(&failing).await.1["status"], "failed");
    assert_eq!(poll("nothing").await.0, 404);
}
