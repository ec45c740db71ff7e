//! Results from outside, what becomes of them, and the decisions of reviewers.

use app::types::Role;
use serde_json::{Value, json};
use server::store::jobs::{Ending, Guard, Then};

use crate::{
    intake::{accepted, until},
    support::{Answer, Database, TestApp, answer, eventually, on_both},
};

on_both!(
    results_of_external_work_are_assessed,
    reviewers_decide_once,
    reviewers_do_not_collide,
    a_rejected_result_is_tried_again,
    providers_speak_in_their_own_words,
    wrong_results_are_refused,
    profiles_say_what_is_good,
);

const GOOD: &str = "A clean paragraph about the sea, the wind and the birds.";

/// Work that waits for a result from outside.
pub async fn waiting(app: &TestApp, more: Value) -> String {
    let mut body = json!({"query": "Write", "provider": "acme-worker", "task_type": "text", "model": "m"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = accepted(app, &body).await;
    eventually("the work is announced", || async {
        app.db.job(&id).await.unwrap().filter(|job| job.state == "remote")
    })
    .await;
    id
}

pub async fn deliver(app: &TestApp, id: &str, content: &str) -> Answer {
    let body = json!({"request_id": id, "success": true, "content_type": "text", "content": content});
    app.ask("/delivery/deliver", &body).await
}

async fn deliverable(app: &TestApp, id: &Value) -> Value {
    let path = format!("/delivery/deliverable?id={}", id.as_str().unwrap());
    answer(app.get(&path)).await.ok().body["deliverable"].clone()
}

#[track_caller]
fn refused(answer: Answer, status: u16, code: &str, message: &str) {
    let answer = answer.failed(status);
    assert_eq!((&answer.body["error_code"], &answer.body["error"]), (&json!(code), &json!(message)));
    assert_eq!(answer.body["request_id"], answer.request_id());
}

/// What happened to a request and its deliverables, oldest first.
async fn story(app: &TestApp, id: &str) -> Vec<String> {
    let mut events = app.db.events_of(&Default::default(), ("request", id), 100, 0).await.unwrap();
    for row in app.db.deliverables_of(id).await.unwrap() {
        events.extend(app.db.events_of(&Default::default(), ("deliverable", &row.id), 100, 0).await.unwrap());
    }
    events.sort_by_key(|event| event.created_us);
    events.into_iter().map(|event| event.action).collect()
}

async fn results_of_external_work_are_assessed(database: Database) {
    let app = TestApp::start(&database).await;
    let id = waiting(&app, json!({})).await;
    let mut body = json!({"request_id": id, "success": true, "content": GOOD});
    body["raw_response"] = json!({"n": 1});
    let done = app.ask("/delivery/deliver", &body).await.ok().body;
    assert_eq!(
        (&done["success"], &done["status"], &done["quality_score"]),
        (&json!(true), &json!("approved"), &json!(1.0))
    );
    let status = until(&app, &id, &["completed"]).await;
    assert_eq!(
        (&status["result"]["content"], &status["result"]["deliverable_id"]),
        (&json!(GOOD), &done["deliverable_id"])
    );
    let row = deliverable(&app, &done["deliverable_id"]).await;
    assert_eq!((&row["status"], &row["request_id"], &row["content"]), (&json!("delivered"), &json!(id), &json!(GOOD)));
    assert_eq!(row["final_output"], json!({"content": GOOD, "content_type": "text"}));
    assert_eq!(row["provider_response"], json!({"n": 1}));
    assert_eq!(row["quality_metadata"]["word_count"], 11);
    assert!(row["delivered_at"].is_string());
    let told = [
        "request.created",
        "request.processing",
        "deliverable.created",
        "deliverable.approved",
        "deliverable.delivered",
        "request.completed",
    ];
    let story = story(&app, &id).await;
    assert_eq!(story.iter().filter(|action| *action != "request.queued").collect::<Vec<_>>(), told);
    let again = deliver(&app, &id, GOOD).await;
    refused(again, 400, "INVALID_STATUS", "Cannot deliver a result for request in completed status");

    let id = waiting(&app, json!({})).await;
    let done = deliver(&app, &id, " ").await.ok().body;
    assert_eq!((&done["status"], &done["quality_score"]), (&json!("rejected"), &json!(0.0)));
    assert_eq!(until(&app, &id, &["failed"]).await["error_message"], "Quality check failed");

    let id = waiting(&app, json!({})).await;
    let body = json!({"request_id": id, "success": false, "error": "out of paper"});
    let done = app.ask("/delivery/deliver", &body).await.ok().body;
    assert_eq!((&done["status"], &done["quality_score"]), (&json!("failed"), &Value::Null));
    assert_eq!(until(&app, &id, &["failed"]).await["error_message"], "out of paper");
    assert_eq!(deliverable(&app, &done["deliverable_id"]).await["status"], "failed");

    // As long as it is not over, another result may come; it ends the review.
    let id = waiting(&app, json!({})).await;
    let first = deliver(&app, &id, "Hi").await.ok().body;
    assert_eq!((&first["status"], &first["quality_score"]), (&json!("pending_review"), &json!(0.7)));
    assert_eq!(until(&app, &id, &["processing"]).await["status"], "processing");
    assert_eq!(deliver(&app, &id, GOOD).await.ok().body["status"], "approved");
    assert_eq!(deliverable(&app, &first["deliverable_id"]).await["status"], "rejected");
    assert_eq!(app.count("jobs").await, 0);
}

async fn reviewers_decide_once(database: Database) {
    let app = TestApp::start(&database).await;
    let id = waiting(&app, json!({})).await;
    let item = deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone();
    let pending = answer(app.get("/delivery/pending")).await.ok().body;
    assert_eq!((&pending["deliverables"][0]["id"], &pending["next"]), (&item, &Value::Null));
    assert_eq!(pending["deliverables"][0]["request"]["query"], "Write");
    let body = json!({"deliverable_id": item, "content": "Hi there"});
    // Twenty at once: one decides.
    let tries = (0..20).map(|n| {
        let path = if n % 2 == 0 { "/delivery/approve" } else { "/delivery/reject" };
        app.ask(path, &body)
    });
    let answers = futures::future::join_all(tries).await;
    let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:#?}");
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!((lost.status.as_u16(), &lost.body["error_code"]), (400, &json!("INVALID_STATUS")), "{}", lost.text);
    }
    let row = deliverable(&app, &item).await;
    let (status, last) = if won[0].body["status"] == "delivered" {
        assert_eq!(row["final_output"]["content"], "Hi there");
        assert_eq!(row["quality_metadata"]["original_content"], "Hi");
        ("completed", "request.completed")
    } else {
        assert_eq!(row["review_reason"], "Manually rejected");
        ("failed", "request.failed")
    };
    assert!(row["reviewed_by"].is_string());
    until(&app, &id, &[status]).await;
    let ends =
        story(&app, &id).await.into_iter().filter(|action| action == "request.completed" || action == "request.failed");
    assert_eq!(ends.collect::<Vec<_>>(), [last]);

    let id = waiting(&app, json!({})).await;
    let item = deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone();
    let done = app.ask("/delivery/approve", &json!({"deliverable_id": item})).await.ok().body;
    assert_eq!(
        (&done["success"], &done["deliverable_id"], &done["status"]),
        (&json!(true), &item, &json!("delivered"))
    );
    assert_eq!(until(&app, &id, &["completed"]).await["result"]["content"], "Hi");
    let twice = app.ask("/delivery/approve", &json!({"deliverable_id": item})).await;
    refused(twice, 400, "INVALID_STATUS", "Cannot approve deliverable in delivered status");
    let other = app.ask("/delivery/reject", &json!({"deliverable_id": item})).await;
    refused(other, 400, "INVALID_STATUS", "Cannot reject deliverable in delivered status");

    let id = waiting(&app, json!({})).await;
    let item = deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone();
    let done = app.ask("/delivery/reject", &json!({"deliverable_id": item, "reason": "Too short"})).await.ok().body;
    assert_eq!(done["status"], "rejected");
    assert_eq!(until(&app, &id, &["failed"]).await["error_message"], "Too short");
    refused(app.ask("/delivery/approve", &json!({})).await, 400, "MISSING_FIELD", "deliverable_id is required");
    refused(
        app.ask("/delivery/reject", &json!({"deliverable_id": "x"})).await,
        404,
        "NOT_FOUND",
        "Deliverable not found",
    );
    refused(answer(app.get("/delivery/deliverable")).await, 400, "MISSING_PARAM", "id is required");
    assert_eq!(answer(app.get("/delivery/pending")).await.ok().body["deliverables"], json!([]));
}

async fn reviewers_do_not_collide(database: Database) {
    let app = TestApp::start(&database).await;
    let mut keys = Vec::new();
    for name in ["ada", "bob"] {
        let user = app.user(&format!("{name}@example.org"), Role::User).await;
        app.let_in(&user.user_id, "development", "user").await;
        keys.push(app.key(|key| (key.user_id, key.project_id) = (Some(user.user_id.clone()), None)).await.0);
    }
    let ask = async |key: &str, what: &str, item: &Value, more: Value| {
        let mut body = json!({"deliverable_id": item});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer(app.client.post(app.url(&format!("/delivery/{what}"))).bearer_auth(key).json(&body)).await
    };
    let mut items = Vec::new();
    for _ in 0..5 {
        let id = waiting(&app, json!({})).await;
        items.push(deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone());
    }
    // Page by page, oldest first.
    let mut seen: Vec<Value> = Vec::new();
    let mut path = "/delivery/pending?limit=2".to_owned();
    loop {
        let page = answer(app.get(&path)).await.ok().body;
        seen.extend(page["deliverables"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/delivery/pending?limit=2&after={next}");
    }
    assert_eq!(seen, items);
    let item = &items[0];
    let claimed = ask(&keys[0], "claim", item, json!({"minutes": 5})).await.ok().body;
    assert!(claimed["claimed_until"].is_string());
    for what in ["claim", "approve", "reject", "release"] {
        refused(ask(&keys[1], what, item, json!({})).await, 409, "CLAIMED", "Another reviewer has this deliverable");
    }
    ask(&keys[0], "claim", item, json!({"minutes": 9})).await.ok();
    ask(&keys[0], "release", item, json!({})).await.ok();
    ask(&keys[1], "claim", item, json!({})).await.ok();
    ask(&keys[1], "approve", item, json!({})).await.ok();
    ask(&keys[0], "claim", &items[1], json!({"minutes": 0})).await.failed(400);
    refused(
        ask(&keys[0], "claim", item, json!({})).await,
        400,
        "INVALID_STATUS",
        "Cannot claim deliverable in delivered status",
    );
    // At once: one has it.
    let tries = futures::future::join(
        ask(&keys[0], "claim", &items[2], json!({})),
        ask(&keys[1], "claim", &items[2], json!({})),
    );
    let (one, other) = tries.await;
    assert_eq!([one.status.as_u16(), other.status.as_u16()].iter().sum::<u16>(), 609);
}

async fn a_rejected_result_is_tried_again(database: Database) {
    let app = TestApp::start(&database).await;
    let id = waiting(&app, json!({})).await;
    let item = deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone();
    let body = json!({"deliverable_id": item, "reason": "Longer, please", "retry": true});
    let done = app.ask("/delivery/reject", &body).await.ok().body;
    assert_eq!((&done["status"], &done["request_status"]), (&json!("rejected"), &json!("queued")));
    // The same provider is asked again.
    eventually("it is announced again", || async {
        app.db.job(&id).await.unwrap().filter(|job| job.state == "remote")
    })
    .await;
    assert_eq!(until(&app, &id, &["processing"]).await["retry_count"], 1);
    let item = deliver(&app, &id, "Ho").await.ok().body["deliverable_id"].clone();
    // And then a model of ours, which answers by itself.
    let body = json!({"deliverable_id": item, "retry": true, "model": "gpt-4o-mini"});
    app.ask("/delivery/reject", &body).await.ok();
    let done = until(&app, &id, &["completed", "failed"]).await;
    assert_eq!(
        (&done["status"], &done["provider"], &done["retry_count"]),
        (&json!("completed"), &json!("openai"), &json!(2))
    );
    let all = app.db.deliverables_of(&id).await.unwrap();
    let statuses: Vec<&str> = all.iter().map(|row| row.status.as_str()).collect();
    assert_eq!(statuses, ["rejected", "rejected", "delivered"]);
    let id = waiting(&app, json!({})).await;
    let item = deliver(&app, &id, "Hi").await.ok().body["deliverable_id"].clone();
    let body = json!({"deliverable_id": item, "retry": true, "model": "no-such-model"});
    assert_eq!(app.ask("/delivery/reject", &body).await.failed(400).body["details"]["field"], "model");
}

async fn providers_speak_in_their_own_words(database: Database) {
    let app = TestApp::start(&database).await;
    let cases = [
        ("ideogram", json!({"status": "completed", "image_url": "https://x.example/1.png"}), "request_id", "image_url"),
        ("elevenlabs", json!({"audio_url": "https://x.example/1.mp3"}), "request_id", "audio_url"),
        ("shotstack", json!({"status": "done", "url": "https://x.example/1.mp4"}), "id", "video_url"),
        ("acme", json!({"result": GOOD}), "correlation_id", "text"),
    ];
    for (provider, mut body, name, kind) in cases {
        let id = waiting(&app, json!({})).await;
        body[name] = id.as_str().into();
        let asked = app.post("/delivery/webhook", &body).header("x-provider", provider);
        let done = answer(asked).await.ok().body;
        assert_eq!((&done["status"], &done["request_id"]), (&json!("approved"), &json!(id)), "{provider}");
        let row = deliverable(&app, &done["deliverable_id"]).await;
        assert_eq!((&row["content_type"], &row["provider_response"]), (&json!(kind), &body));
    }
    // By the provider's own name for it.
    let id = waiting(&app, json!({})).await;
    let mut job = app.db.job(&id).await.unwrap().unwrap();
    job.remote_id = Some("theirs-7".to_owned());
    let named = Ending {
        job_id: id.clone(),
        epoch: job.epoch,
        guard: Guard::Live,
        then: Then::Goes(Box::new(job)),
        attempt: None,
        request: None,
        deliverable: None,
        events: Vec::new(),
        outbox: Vec::new(),
        jobs: Vec::new(),
    };
    assert!(app.db.finish_jobs(&[named]).await.unwrap().contains(&id));
    let body = json!({"id": "theirs-7", "status": "failed", "error": {"message": "no colours"}});
    let done = app.ask("/delivery/webhook?provider=ideogram", &body).await.ok().body;
    assert_eq!((&done["status"], &done["request_id"]), (&json!("failed"), &json!(id)));
    assert_eq!(until(&app, &id, &["failed"]).await["error_message"], "no colours");
    refused(
        app.ask("/delivery/webhook?provider=acme", &json!({"content": "x"})).await,
        400,
        "MISSING_REQUEST_ID",
        "No request ID found in webhook payload",
    );
    let broken =
        app.client.post(app.url("/delivery/webhook")).bearer_auth(&app.api_key).body("{").send().await.unwrap();
    assert_eq!(broken.json::<Value>().await.unwrap()["error_code"], "INVALID_JSON");

    // The secret of the request stands in for a key, for this request alone.
    let (id, other) = (waiting(&app, json!({})).await, waiting(&app, json!({})).await);
    let url = app.app().state.delivery.callback_url(&app.base_url, &id);
    let bare = async |url: &str| answer(app.client.post(url).json(&json!({"content": GOOD}))).await;
    refused(bare(&url.replace(&id, &other)).await, 401, "INVALID_SIGNATURE", "Invalid webhook signature");
    refused(bare(&format!("{url}x")).await, 401, "INVALID_SIGNATURE", "Invalid webhook signature");
    assert_eq!(bare(&url.replace("token", "tok")).await.status, 401);
    assert_eq!(bare(&url).await.ok().body["request_id"], json!(id));
}

async fn wrong_results_are_refused(database: Database) {
    let app = TestApp::start(&database).await;
    app.organization("org_other", "other").await;
    let (foreign, _) = app
        .key(|key| {
            (key.org_id, key.instance_id, key.project_id) =
                ("org_other".to_owned(), "other".to_owned(), Some("prj_development".to_owned()));
        })
        .await;
    let id = waiting(&app, json!({})).await;
    let body = |more: Value| {
        let mut body = json!({"request_id": id, "success": true, "content": GOOD});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let as_stranger = app.client.post(app.url("/delivery/deliver")).bearer_auth(&foreign).json(&body(json!({})));
    refused(answer(as_stranger).await, 404, "NOT_FOUND", "Request not found");
    let missing = async |body: Value, field: &str| {
        refused(app.ask("/delivery/deliver", &body).await, 400, "MISSING_FIELD", &format!("{field} is required"));
    };
    missing(json!({"success": true}), "request_id").await;
    missing(json!({"request_id": id}), "success").await;
    refused(
        app.ask("/delivery/deliver", &json!({"request_id": "x", "success": true})).await,
        404,
        "NOT_FOUND",
        "Request not found",
    );
    app.ask("/delivery/deliver", &body(json!({"content_type": "hologram"}))).await.failed(400);
    refused(app.ask("/delivery/unknown", &json!({})).await, 404, "ROUTE_NOT_FOUND", "Not Found");
    let nul = body(json!({"content": format!("{GOOD}\u{0}"), "raw_response": {"a\u{0}": "\u{0}"}}));
    let done = app.ask("/delivery/deliver", &nul).await.ok().body;
    assert_eq!(deliverable(&app, &done["deliverable_id"]).await["content"], format!("{GOOD}\u{fffd}"));
    let health = answer(app.client.get(app.url("/delivery/health"))).await.ok().body;
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("delivery")));
    // Twenty at once: one is taken.
    let id = waiting(&app, json!({})).await;
    let answers = futures::future::join_all((0..20).map(|_| deliver(&app, &id, GOOD))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 200 | 400)));
    assert_eq!(app.db.deliverables_of(&id).await.unwrap().len(), 1);
}

async fn profiles_say_what_is_good(database: Database) {
    let app = TestApp::start(&database).await;
    let profile = async |body: Value| app.ask("/config/quality-profile", &body).await.ok().body["data"].clone();
    let own =
        profile(json!({"name": "Careful", "instance_id": "development", "task_type": "text", "auto_approve": false}))
            .await;
    assert_eq!(
        (&own["approve_from"], &own["reject_below"], &own["on_reject"]),
        (&json!(0.8), &json!(0.3), &json!("fail"))
    );
    profile(json!({"name": "For all", "reject_below": 0.75})).await;
    let id = waiting(&app, json!({})).await;
    assert_eq!(deliver(&app, &id, GOOD).await.ok().body["status"], "pending_review");
    let path = format!("/config/quality-profile/{}", own["id"].as_str().unwrap());
    let change = async |body: Value| answer(app.client.put(app.url(&path)).bearer_auth(&app.api_key).json(&body)).await;
    let schema = json!({"type": "object", "required": ["title"]});
    change(json!({"auto_approve": true, "json_schema": schema, "on_reject": "review"})).await.ok();
    let json = async |content: Value| {
        let id = waiting(&app, json!({})).await;
        let body = json!({"request_id": id, "success": true, "content_type": "json", "content": content});
        app.ask("/delivery/deliver", &body).await.ok().body
    };
    assert_eq!(json(json!({"title": "x"})).await["status"], "approved");
    let wrong = json(json!({"titel": "x"})).await;
    assert_eq!((&wrong["status"], &wrong["quality_score"]), (&json!("pending_review"), &json!(0.0)));
    let issues = deliverable(&app, &wrong["deliverable_id"]).await["quality_metadata"]["issues"].to_string();
    assert!(issues.contains("title"), "{issues}");
    change(json!({"is_active": false})).await.ok();
    let id = waiting(&app, json!({})).await;
    assert_eq!(deliver(&app, &id, "Hi").await.ok().body["status"], "rejected", "the profile for all holds now");
    change(json!({"is_active": true, "json_schema": null, "on_reject": "retry", "reject_below": 0.75})).await.ok();
    let id = waiting(&app, json!({})).await;
    let again = deliver(&app, &id, "Hi").await.ok().body;
    assert_eq!((&again["status"], &again["retry"]), (&json!("rejected"), &json!(true)));
    eventually("it is announced again", || async {
        app.db.job(&id).await.unwrap().filter(|job| job.state == "remote")
    })
    .await;
    assert_eq!(deliver(&app, &id, GOOD).await.ok().body["status"], "approved");
    for wrong in [
        json!({"approve_from": 2}),
        json!({"reject_below": 0.9}),
        json!({"json_schema": {"type": "nothing"}}),
        json!({"on_reject": "cry"}),
    ] {
        change(wrong).await.failed(400);
    }
}
