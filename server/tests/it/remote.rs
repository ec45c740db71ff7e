//! Work that a provider does over there: submitted once, paid once, whatever happens in between.

use serde_json::{Value, json};

use crate::{
    intake::{accepted, status, until},
    support::{Database, TestApp, eventually, on_both},
};

on_both!(
    long_work_is_asked_for_until_it_is_done,
    a_lost_answer_is_looked_up_and_not_paid_twice,
    what_nobody_can_find_out_waits_for_a_person,
    the_same_key_makes_a_repetition_safe,
    a_failed_job_is_tried_again_as_a_new_one,
    cancelling_reaches_the_provider,
);

/// A model of the simulator's job API; `parts` change its mapping.
async fn model(app: &TestApp, upstream: &str, parts: &Value) -> String {
    let provider = json!({"id": "generic", "display_name": "Generic", "adapter": "mapped",
        "base_url": "https://generic.example", "credential": {"header": "x-api-key", "prefix": ""}});
    app.ask("/config/provider", &provider).await.ok();
    let mut mapping = json!({
        "endpoint": "/v1/jobs", "method": "POST", "headers": {"x-api-key": "{api_key}"},
        "body": {"model": "{model}", "prompt": "{prompt}", "client_reference": "{reference}"},
        "response_mapping": {"text": "$.output.text", "tokens_used": "$.usage.total_tokens"},
        "poll": {"endpoint": "/v1/jobs/{job_id}", "job_id": "$.id", "status": "$.status", "done": ["succeeded"],
                 "failed": ["failed", "cancelled"], "error": "$.error.message", "progress": "$.progress", "interval_ms": 100},
        "lookup": {"endpoint": "/v1/jobs?client_reference={reference}", "job_id": "$.jobs[0].id"},
        "cancel": {"endpoint": "/v1/jobs/{job_id}", "method": "DELETE"}
    });
    for (name, part) in parts.as_object().unwrap() {
        match part {
            Value::Null => drop(mapping.as_object_mut().unwrap().remove(name)),
            part => mapping[name] = part.clone(),
        }
    }
    let body = json!({"model_id": "clip", "provider_id": "generic", "display_name": "Clip", "adapter": "mapped",
        "upstream_model": upstream, "capabilities": {"text": true}, "status": "active", "payload_mapping": mapping});
    app.ask("/config/model-config", &body).await.ok();
    "clip".to_owned()
}

async fn submit(app: &TestApp, model: &str, max_retries: i64) -> String {
    let body = json!({"query": "A clip of rivers", "task_type": "text", "provider": "generic", "model": model,
        "max_retries": max_retries});
    accepted(app, &body).await
}

/// How many jobs the provider accepted, and how many it was told to stop.
async fn at_the_provider(app: &TestApp) -> (u64, u64) {
    let url = format!("{}/_sim/jobs", app.simulator());
    let told: Value = app.client.get(url).send().await.unwrap().json().await.unwrap();
    let count = |name: &str| told[name].as_u64().or_else(|| told["counts"][name].as_u64()).unwrap();
    (count("accepted"), count("cancelled"))
}

async fn long_work_is_asked_for_until_it_is_done(database: Database) {
    let app = TestApp::start(&database).await;
    let model = model(&app, "clip@takes:600", &json!({})).await;
    let id = submit(&app, &model, 3).await;
    eventually("it tells what it waits for", || async {
        status(&app, &id).await["reason"].as_str().filter(|reason| reason.starts_with("generic works on it")).map(drop)
    })
    .await;
    let done = until(&app, &id, &["completed", "failed"]).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert!(done["result"]["content"].as_str().unwrap().contains("simulated"));
    assert_eq!(at_the_provider(&app).await.0, 1);
    let attempts = app.db.attempts(&id).await.unwrap();
    assert_eq!(attempts.iter().map(|one| &*one.outcome).collect::<Vec<_>>(), ["submitted", "completed"]);
}

async fn a_lost_answer_is_looked_up_and_not_paid_twice(database: Database) {
    let app = TestApp::start(&database).await;
    let model = model(&app, "clip@lost", &json!({})).await;
    let id = submit(&app, &model, 3).await;
    let done = until(&app, &id, &["completed", "failed"]).await;
    assert_eq!((&done["status"], &done["retry_count"]), (&json!("completed"), &json!(0)), "{done}");
    assert_eq!(at_the_provider(&app).await.0, 1);
}

async fn what_nobody_can_find_out_waits_for_a_person(database: Database) {
    let app = TestApp::start(&database).await;
    let model = model(&app, "clip@lost,forgetful", &json!({"lookup": null})).await;
    let id = submit(&app, &model, 3).await;
    eventually("it is held", || async {
        let job = app.db.job(&id).await.unwrap()?;
        (job.state == "held").then_some(())
    })
    .await;
    let waits = status(&app, &id).await;
    assert!(waits["reason"].as_str().unwrap().contains("somebody has to look there"), "{waits}");
    assert_eq!(at_the_provider(&app).await.0, 1, "it was not submitted again");
    // Somebody looked, and found it.
    let url = format!("{}/_sim/jobs", app.simulator());
    let told: Value = app.client.get(url).send().await.unwrap().json().await.unwrap();
    let remote = told["jobs"][0]["id"].as_str().unwrap().to_owned();
    let caller = app.app().state.identity.by_key(&app.api_key, None).unwrap();
    app.app().state.router.decide(&caller, &id, Some(remote)).await.unwrap();
    assert_eq!(until(&app, &id, &["completed", "failed"]).await["status"], "completed");
    assert_eq!(at_the_provider(&app).await.0, 1);
}

async fn the_same_key_makes_a_repetition_safe(database: Database) {
    let app = TestApp::start(&database).await;
    let model = model(&app, "clip@lost", &json!({"lookup": null, "idempotent": true})).await;
    let id = submit(&app, &model, 3).await;
    assert_eq!(until(&app, &id, &["completed", "failed"]).await["status"], "completed");
    assert_eq!(at_the_provider(&app).await.0, 1);
}

async fn a_failed_job_is_tried_again_as_a_new_one(database: Database) {
    let app = TestApp::start(&database).await;
    let model = model(&app, "clip@error:1", &json!({})).await;
    let id = submit(&app, &model, 1).await;
    let done = until(&app, &id, &["failed"]).await;
    assert_eq!((&done["retry_count"], &done["error_class"]), (&json!(1), &json!("provider")), "{done}");
    assert_eq!(at_the_provider(&app).await.0, 2);
}

async fn cancelling_reaches_the_provider(database: Database) {
    let app = TestApp::start(&database).await;
    let model = model(&app, "clip@endless", &json!({})).await;
    let id = submit(&app, &model, 3).await;
    eventually("the provider has it", || async { (at_the_provider(&app).await.0 == 1).then_some(()) }).await;
    eventually("its name is known", || async { app.db.job(&id).await.unwrap()?.remote_id }).await;
    let caller = app.app().state.identity.by_key(&app.api_key, None).unwrap();
    app.app().state.router.cancel(&caller, &id, true).await.unwrap();
    until(&app, &id, &["cancelled"]).await;
    assert_eq!(at_the_provider(&app).await, (1, 1));
}
