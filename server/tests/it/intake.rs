//! Work that is handed over: accepted with 202, carried out by the workers, told by its status.

use serde_json::{Value, json};

use crate::support::{Answer, Database, PATIENCE, TestApp, eventually, ms, on_both};

on_both!(
    accepted_work_is_done,
    rules_decide_what_the_caller_leaves_open,
    wrong_requests_are_refused,
    a_list_is_taken_in_whole_or_not_at_all,
    the_same_key_is_the_same_request,
    waiting_work_can_be_cancelled,
    failures_are_tried_again_and_then_told,
    external_work_waits_for_its_result,
    a_preference_to_wait_is_honoured,
    a_delay_and_a_deadline_are_kept,
    others_do_not_see_it,
);

/// Where a request stands.
pub async fn status(app: &TestApp, id: &str) -> Value {
    crate::support::answer(app.get(&format!("/intake/status?request_id={id}"))).await.ok().body
}

/// The status once it is one of these.
pub async fn until(app: &TestApp, id: &str, statuses: &[&str]) -> Value {
    eventually(&format!("{id} is {statuses:?}"), || async {
        let status = status(app, id).await;
        statuses.contains(&status["status"].as_str().unwrap()).then_some(status)
    })
    .await
}

pub async fn submit(app: &TestApp, body: &Value) -> Answer {
    app.ask("/intake/intake", body).await
}

/// Hands work over; its id.
pub async fn accepted(app: &TestApp, body: &Value) -> String {
    let answer = submit(app, body).await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.body["request_id"].as_str().unwrap().to_owned()
}

async fn accepted_work_is_done(database: Database) {
    let app = TestApp::start(&database).await;
    let answer = submit(&app, &json!({"query": " Write a line about rivers ", "app_id": "site"})).await;
    assert_eq!(answer.status, 202);
    assert_eq!((&answer.body["success"], &answer.body["status"]), (&json!(true), &json!("queued")));
    assert_eq!((&answer.body["queue_position"], &answer.body["estimated_wait_ms"]), (&json!(1), &json!(2000)));
    let id = answer.body["request_id"].as_str().unwrap();
    let done = until(&app, id, &["completed", "failed"]).await;
    assert_eq!(
        (&done["status"], &done["app_id"], &done["task_type"]),
        (&json!("completed"), &json!("site"), &json!("text"))
    );
    assert_eq!((&done["provider"], &done["model"]), (&json!("anthropic"), &json!("claude-3-5-sonnet")));
    assert!(done["result"]["content"].as_str().unwrap().contains("simulated"), "{done}");
    for time in ["created_at", "queued_at", "started_at", "completed_at"] {
        assert!(done[time].as_str().is_some_and(|at| at.ends_with('Z')), "{time}: {done}");
    }
    // The call is in the request log, under the request's name.
    let record = app.record_where("the job's call", |row| row.caller_request_id.as_deref() == Some(id)).await;
    assert_eq!((record.log.surface.as_str(), record.outcome()), ("job", ("completed", 200)));
    let again = app.post("/intake/cancel", &json!({"request_id": id})).send().await.unwrap();
    assert_eq!(again.status(), 400);
    let told: Value = again.json().await.unwrap();
    assert_eq!(
        (&told["error_code"], &told["error"]),
        (&json!("INVALID_STATUS"), &json!("Cannot cancel request in completed status"))
    );
    assert_eq!(app.count("jobs").await, 0, "the hot table holds only what is not over");
}

async fn rules_decide_what_the_caller_leaves_open(database: Database) {
    let app = TestApp::start(&database).await;
    for (query, task_type, provider, model) in [
        ("Draw a cartoon of a dog", "image", "gemini", "gemini-nano-banana"),
        ("Give me a quick answer", "text", "anthropic", "claude-3-5-haiku"),
        ("Hello", "text", "anthropic", "claude-3-5-sonnet"),
        ("Narrate this", "audio", "elevenlabs", "eleven_multilingual_v2"),
    ] {
        let answer = submit(&app, &json!({"query": query})).await;
        let told = (&answer.body["task_type"], &answer.body["provider"], &answer.body["model"]);
        assert_eq!(told, (&json!(task_type), &json!(provider), &json!(model)), "{query}");
    }
    let said = json!({"query": "Draw a dog", "task_type": "text", "provider": "openai", "model": "gpt-4o-mini"});
    let id = accepted(&app, &said).await;
    let done = until(&app, &id, &["completed"]).await;
    assert_eq!(
        (&done["provider"], &done["model"], &done["task_type"]),
        (&json!("openai"), &json!("gpt-4o-mini"), &json!("text"))
    );
}

async fn wrong_requests_are_refused(database: Database) {
    let app = TestApp::start(&database).await;
    let code = async |body: Value| {
        let answer = submit(&app, &body).await;
        (answer.status.as_u16(), answer.body["error_code"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(code(json!({})).await, (400, "MISSING_QUERY".into()));
    assert_eq!(code(json!({"query": "  "})).await, (400, "MISSING_QUERY".into()));
    assert_eq!(code(json!({"query": "a", "task_type": "song"})).await, (400, "INVALID_REQUEST".into()));
    assert_eq!(code(json!({"query": "a", "priority": 1_000_000})).await, (400, "INVALID_REQUEST".into()));
    assert_eq!(code(json!({"query": "a", "callback_url": "ftp://x"})).await, (400, "INVALID_REQUEST".into()));
    assert_eq!(code(json!({"query": "a", "instance_id": "nowhere"})).await, (404, "INSTANCE_NOT_FOUND".into()));
    let broken =
        app.client.post(app.url("/intake/intake")).bearer_auth(&app.api_key).body("{\"query\"").send().await.unwrap();
    assert_eq!(broken.status(), 400);
    assert_eq!(broken.json::<Value>().await.unwrap()["error_code"], "INVALID_JSON");
    for (path, status, code) in [
        ("/intake/status", 400, "MISSING_PARAM"),
        ("/intake/status?request_id=none", 404, "NOT_FOUND"),
        ("/intake/nothing", 404, "ROUTE_NOT_FOUND"),
    ] {
        let answer = crate::support::answer(app.get(path)).await;
        assert_eq!((answer.status.as_u16(), &answer.body["error_code"]), (status, &json!(code)), "{path}");
    }
    for (body, status, code) in [(json!({}), 400, "MISSING_PARAM"), (json!({"request_id": "none"}), 404, "NOT_FOUND")] {
        let answer = app.ask("/intake/cancel", &body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["error_code"]), (status, &json!(code)));
    }
    let nobody = app.client.post(app.url("/intake/intake")).json(&json!({"query": "a"})).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    let health: Value = app.client.get(app.url("/intake/health")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("intake")));
    assert_eq!(app.count("requests").await, 0);
}

async fn a_list_is_taken_in_whole_or_not_at_all(database: Database) {
    let app = TestApp::start(&database).await;
    let bad = app.ask("/intake/intake", &json!([{"query": "a"}, {"query": ""}])).await;
    assert_eq!((bad.status.as_u16(), app.count("requests").await), (400, 0));
    let many: Vec<Value> =
        (0..200).map(|n| json!({"query": format!("Tell me about {n}"), "provider": "nobody"})).collect();
    let answer = app.ask("/intake/intake", &json!(many)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["count"]), (202, &json!(200)));
    assert_eq!(answer.body["requests"][199]["queue_position"], 200);
    assert_eq!(app.count("requests").await, 200);
}

async fn the_same_key_is_the_same_request(database: Database) {
    let app = TestApp::start(&database).await;
    let send = async |query: &str| {
        let body = json!({"query": query, "provider": "nobody"});
        let answer = app.post("/intake/intake", &body).header("idempotency-key", "k1").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (first, again) = tokio::join!(send("Hello"), send("Hello"));
    assert_eq!((first.0, again.0), (202, 202));
    assert_eq!(first.1["request_id"], again.1["request_id"]);
    assert_eq!(send("Hello").await.1["request_id"], first.1["request_id"]);
    let other = send("Something else").await;
    assert_eq!((other.0, &other.1["error_code"]), (422, &json!("IDEMPOTENCY_KEY_REUSED")));
    assert_eq!(app.count("requests").await, 1);
}

async fn waiting_work_can_be_cancelled(database: Database) {
    let app = TestApp::start(&database).await;
    let id = accepted(&app, &json!({"query": "Later", "delay_ms": 3_600_000})).await;
    let waits = status(&app, &id).await;
    assert_eq!(waits["status"], "queued");
    assert!(waits["reason"].as_str().unwrap().starts_with("it was asked for at "), "{waits}");
    let answer = app.ask("/intake/cancel", &json!({"request_id": id})).await.ok();
    assert_eq!((&answer.body["status"], &answer.body["success"]), (&json!("cancelled"), &json!(true)));
    assert_eq!(status(&app, &id).await["status"], "cancelled");
    // Twice is once.
    assert_eq!(app.ask("/intake/cancel", &json!({"request_id": id})).await.status, 200);
}

async fn failures_are_tried_again_and_then_told(database: Database) {
    let app = TestApp::start(&database).await;
    let flaky = json!({"query": "Write a line", "provider": "openai", "model": "gpt-4o-mini@flaky:4"});
    let id = accepted(&app, &flaky).await;
    let done = until(&app, &id, &["completed", "failed"]).await;
    assert_eq!((&done["status"], &done["retry_count"]), (&json!("completed"), &json!(1)), "{done}");

    let broken = json!({"query": "Write a line", "provider": "openai", "model": "gpt-4o-mini@400", "max_retries": 2});
    let id = accepted(&app, &broken).await;
    let done = until(&app, &id, &["failed"]).await;
    assert_eq!(
        (&done["retry_count"], &done["error_class"]),
        (&json!(0), &json!("invalid")),
        "a wrong request is not repeated"
    );

    let down = json!({"query": "Write a line", "provider": "groq", "model": "x@503", "max_retries": 1});
    let id = accepted(&app, &down).await;
    let done = until(&app, &id, &["failed"]).await;
    assert_eq!(done["retry_count"], 1, "{done}");
    let attempts = app.db.attempts(&id).await.unwrap();
    assert_eq!(attempts.iter().map(|one| &*one.outcome).collect::<Vec<_>>(), ["retried", "failed"]);
    let answer = app.ask("/intake/cancel", &json!({"request_id": id})).await.ok();
    assert_eq!(answer.body["status"], "cancelled", "what failed can be put aside");
}

async fn external_work_waits_for_its_result(database: Database) {
    let app = TestApp::start(&database).await;
    let id = accepted(&app, &json!({"query": "Do it by hand", "provider": "acme-worker"})).await;
    let waits = until(&app, &id, &["processing"]).await;
    assert_eq!(waits["provider"], "acme-worker");
    let reason = eventually("it says what it waits for", || async {
        status(&app, &id).await["reason"].as_str().map(str::to_owned)
    });
    assert_eq!(reason.await, "waiting for acme-worker to deliver the result");
    let answer = app.ask("/intake/cancel", &json!({"request_id": id})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["error"]),
        (400, &json!("Cannot cancel request in processing status"))
    );
}

async fn a_preference_to_wait_is_honoured(database: Database) {
    let app = TestApp::start(&database).await;
    let body = json!({"query": "Write a line about rivers"});
    let answer = app.post("/intake/intake", &body).header("prefer", "wait=20").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["status"], "completed");
    assert!(told["result"]["content"].as_str().unwrap().contains("simulated"));
    let late = app.post("/intake/intake", &json!({"query": "Later", "delay_ms": 3_600_000})).header("prefer", "wait=1");
    let answer = late.send().await.unwrap();
    assert_eq!(answer.status(), 202);
}

async fn a_delay_and_a_deadline_are_kept(database: Database) {
    let app = TestApp::start(&database).await;
    let began = tokio::time::Instant::now();
    let id = accepted(&app, &json!({"query": "Write a line", "delay_ms": 700})).await;
    until(&app, &id, &["completed"]).await;
    assert!(began.elapsed() >= ms(700));
    let id = accepted(&app, &json!({"query": "Never", "provider": "nobody", "deadline_ms": 200})).await;
    let failed = until(&app, &id, &["failed"]).await;
    assert_eq!(failed["error_class"], "deadline", "{failed}");
    assert!(began.elapsed() < PATIENCE);
}

async fn others_do_not_see_it(database: Database) {
    let app = TestApp::start(&database).await;
    let id = accepted(&app, &json!({"query": "Mine", "delay_ms": 3_600_000})).await;
    let org = app.ask("/config/organization", &json!({"name": "Others"})).await.ok().body["data"]["org_id"].clone();
    let instance =
        app.ask("/config/instance", &json!({"org_id": org, "name": "theirs"})).await.ok().body["data"]["instance_id"]
            .clone();
    let project = app.ask("/config/project", &json!({"instance_id": instance, "name": "p"})).await.ok().body["data"]["project_id"].clone();
    let key = app
        .ask("/config/api-key", &json!({"name": "k", "instance_id": instance, "project_id": project}))
        .await
        .ok()
        .body["data"]
        .clone();
    let key = key["api_key"].as_str().or(key["key"].as_str()).or(key["secret"].as_str()).expect("a key").to_owned();
    for request in [
        app.client.get(app.url(&format!("/intake/status?request_id={id}"))),
        app.client.post(app.url("/intake/cancel")).json(&json!({"request_id": id})),
    ] {
        let answer = request.bearer_auth(&key).send().await.unwrap();
        assert_eq!(answer.status(), 404);
    }
    assert_eq!(status(&app, &id).await["status"], "queued");
}
