//! The queue surfaces of others: fal's and Replicate's, as their clients see them.

use serde_json::{Value, json};

use crate::support::{Database, TestApp, answer, eventually, on_both};

on_both!(
    a_fal_request_goes_through,
    a_fal_request_can_be_cancelled,
    a_prediction_goes_through,
    a_prediction_can_be_cancelled
);

async fn a_fal_request_goes_through(database: Database) {
    let app = TestApp::start(&database).await;
    let request =
        app.client.post(app.url("/queue/openai/gpt-4o-mini")).header("authorization", format!("Key {}", app.api_key));
    let ticket =
        answer(request.json(&json!({"prompt": "Write a line about rivers", "max_tokens": 40}))).await.ok().body;
    assert_eq!((&ticket["status"], &ticket["queue_position"]), (&json!("IN_QUEUE"), &json!(0)));
    let id = ticket["request_id"].as_str().unwrap();
    let get = |url: &Value| app.client.get(url.as_str().unwrap()).bearer_auth(&app.api_key);
    let done = eventually("it is completed", || async {
        let told = answer(get(&ticket["status_url"]).query(&[("logs", "1")])).await;
        let is_over = told.body["status"] == "COMPLETED";
        assert_eq!(told.status, if is_over { 200 } else { 202 });
        is_over.then_some(told.body)
    })
    .await;
    assert_eq!(done["request_id"], id);
    assert!(done["logs"][0]["message"].as_str().unwrap().contains("openai completed"), "{done}");
    let result = answer(get(&ticket["response_url"])).await.ok();
    assert!(result.body["output"].as_str().unwrap().contains("simulated"));
    let late = app.client.put(ticket["cancel_url"].as_str().unwrap()).bearer_auth(&app.api_key).send().await.unwrap();
    assert_eq!(late.status(), 400);
    assert_eq!(late.json::<Value>().await.unwrap()["status"], "ALREADY_COMPLETED");
    for (path, body, status) in [
        ("/queue/nobody/nothing", json!({"prompt": "a"}), 404),
        ("/queue/openai/gpt-4o-mini", json!({"prompt": ""}), 400),
        ("/queue/openai/gpt-4o-mini/requests/none/status", Value::Null, 404),
    ] {
        let request = if body.is_null() { app.get(path) } else { app.post(path, &body) };
        let refused = answer(request).await;
        assert_eq!(
            (refused.status.as_u16(), refused.body["detail"].is_string()),
            (status, true),
            "{path} {}",
            refused.text
        );
    }
}

async fn a_fal_request_can_be_cancelled(database: Database) {
    let app = TestApp::start(&database).await;
    // It runs when it is cancelled.
    let body = json!({"prompt": "Write a line about rivers"});
    let ticket = answer(app.post("/queue/openai/gpt-4o-mini@silent:30000", &body)).await.ok().body;
    let get = |url: &Value| app.client.get(url.as_str().unwrap()).bearer_auth(&app.api_key);
    eventually("it runs", || async {
        (answer(get(&ticket["status_url"])).await.body["status"] == "IN_PROGRESS").then_some(())
    })
    .await;
    let early = answer(get(&ticket["response_url"])).await;
    assert_eq!(early.status, 400);
    let stop = app.client.put(ticket["cancel_url"].as_str().unwrap()).bearer_auth(&app.api_key).send().await.unwrap();
    assert_eq!(
        (stop.status().as_u16(), &stop.json::<Value>().await.unwrap()["status"]),
        (202, &json!("CANCELLATION_REQUESTED"))
    );
    eventually("it is over", || async {
        (answer(get(&ticket["status_url"])).await.body["status"] == "COMPLETED").then_some(())
    })
    .await;
    assert_eq!(answer(get(&ticket["response_url"])).await.status, 422);
}

async fn a_prediction_goes_through(database: Database) {
    let app = TestApp::start(&database).await;
    let body = json!({"version": "openai/gpt-4o-mini", "input": {"prompt": "Write a line about rivers"}});
    let request = app.post("/replicate/v1/predictions", &body).header("prefer", "wait=20");
    let made = answer(request).await;
    assert_eq!((made.status.as_u16(), &made.body["status"]), (201, &json!("succeeded")), "{}", made.text);
    assert!(made.body["output"][0].as_str().unwrap().contains("simulated"));
    assert_eq!(made.body["input"]["prompt"], "Write a line about rivers");
    assert!(made.body["metrics"]["predict_time"].is_f64());
    let got = answer(app.client.get(made.body["urls"]["get"].as_str().unwrap()).bearer_auth(&app.api_key)).await.ok();
    assert_eq!((&got.body["id"], &got.body["status"]), (&made.body["id"], &json!("succeeded")));
    let by_path = json!({"input": {"prompt": "Another line"}});
    let second = answer(app.post("/replicate/v1/models/openai/gpt-4o-mini/predictions", &by_path)).await;
    assert_eq!(second.status, 201);
    let listed = answer(app.get("/replicate/v1/predictions")).await.ok();
    assert_eq!(listed.body["results"].as_array().unwrap().len(), 2);
    assert_eq!(listed.body["results"][0]["id"], second.body["id"]);
    let wrong =
        answer(app.post("/replicate/v1/predictions", &json!({"version": "nothing", "input": {"prompt": "a"}}))).await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.body["status"], &wrong.body["title"]),
        (404, &json!(404), &json!("Not Found"))
    );
}

async fn a_prediction_can_be_cancelled(database: Database) {
    let app = TestApp::start(&database).await;
    let body = json!({"model": "openai/gpt-4o-mini@silent:30000", "input": {"prompt": "Write a line"}});
    let made = answer(app.post("/replicate/v1/predictions", &body)).await;
    assert_eq!(made.status, 201);
    let get = || app.client.get(made.body["urls"]["get"].as_str().unwrap()).bearer_auth(&app.api_key);
    eventually("it runs", || async { (answer(get()).await.body["status"] == "processing").then_some(()) }).await;
    answer(app.client.post(made.body["urls"]["cancel"].as_str().unwrap()).bearer_auth(&app.api_key)).await.ok();
    eventually("it is stopped", || async { (answer(get()).await.body["status"] == "canceled").then_some(()) }).await;
}
