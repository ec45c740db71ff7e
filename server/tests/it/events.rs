//! Events: taken from callers, counted, as a feed, and as a stream that loses nothing.

use std::time::Duration;

use app::types::Role;
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{Answer, Database, PATIENCE, TestApp, answer, data_lines, ms, on_both};

on_both!(
    posted_events_are_shown_counted_and_told,
    what_is_missing_is_named,
    a_stream_goes_on_where_it_was,
    many_readers_see_the_same,
    organizations_and_instances_are_apart,
    a_stop_ends_streams,
);

fn event(tenant: &str, action: &str, id: &str) -> Value {
    json!({"tenant_id": tenant, "action": action, "eventable_type": "request", "eventable_id": id})
}

async fn post(app: &TestApp, body: &Value) -> Value {
    app.ask("/config/events", body).await.ok().body["data"].clone()
}

async fn get(app: &TestApp, path: &str) -> Value {
    answer(app.get(path)).await.ok().body["data"].clone()
}

async fn posted_events_are_shown_counted_and_told(database: Database) {
    let app = TestApp::start(&database).await;
    let mut body = event("shop", "request.failed", "r1");
    body["particulars"] = json!({"error": "no paper"});
    body["user_id"] = "ada".into();
    let made = answer(app.post("/config/events", &body).header("user-agent", "scenario")).await.ok();
    assert_eq!(made.body["request_id"], made.request_id());
    let made = &made.body["data"];
    assert_eq!((&made["ip_address"], &made["user_agent"]), (&json!("127.0.0.1"), &json!("scenario")));
    assert_eq!((&made["action"], &made["user_id"]), (&json!("request.failed"), &json!("ada")));
    post(&app, &event("shop", "request.created", "r1")).await;
    post(&app, &event("shop", "request.created", "r2")).await;
    post(&app, &event("shop", "invoice.paid", "r2")).await;
    post(&app, &event("other", "request.created", "r1")).await;

    let of = get(&app, "/config/events/request/r1").await;
    let told: Vec<_> = of.as_array().unwrap().iter().map(|e| (&e["tenant_id"], &e["action"])).collect();
    let expected = json!([["other", "request.created"], ["shop", "request.created"], ["shop", "request.failed"]]);
    assert_eq!(json!(told), expected);
    assert_eq!(of[2], *made);
    assert_eq!(get(&app, "/config/events/request/r1?limit=1&offset=2").await, json!([made]));

    let counted =
        json!({"total_events": 4, "by_action": {"invoice.paid": 1, "request.created": 2, "request.failed": 1}});
    assert_eq!(get(&app, "/config/events/stats?tenant_id=shop").await, counted);
    let later = "/config/events/stats?tenant_id=shop&since=2100-01-01T00:00:00Z";
    assert_eq!(get(&app, later).await, json!({"total_events": 0, "by_action": {}}));
    let since = made["created_at"].as_str().unwrap();
    assert_eq!(get(&app, &format!("/config/events/stats?tenant_id=shop&since={since}")).await, counted);

    let feed = get(&app, "/config/activity?tenant_id=shop").await;
    assert_eq!(feed.as_array().unwrap().len(), 3, "an unknown action has no line");
    let line = &feed[2];
    assert_eq!(line["description"], "Request failed: no paper");
    assert_eq!(
        (&line["feed_type"], &line["link"], &line["is_read"]),
        (&json!("user"), &json!("admin/requests/r1"), &json!(false))
    );
    assert_eq!(line["metadata"], json!({"action": "request.failed", "eventable_type": "request"}));
    assert_eq!(line["event_id"], made["id"]);
    assert_eq!(get(&app, "/config/activity?tenant_id=shop&feed_type=user").await, json!([line]));
    let read = json!({"tenant_id": "shop", "feed_item_ids": [line["id"]]});
    assert_eq!(app.ask("/config/activity/read", &read).await.ok().body["data"], json!({"marked_count": 1}));
    assert_eq!(get(&app, "/config/activity?tenant_id=shop&unread_only=true").await.as_array().unwrap().len(), 2);
    assert_eq!(get(&app, "/config/activity?tenant_id=shop&user_id=bob").await.as_array().unwrap().len(), 2);
}

async fn what_is_missing_is_named(database: Database) {
    let app = TestApp::start(&database).await;
    for field in ["tenant_id", "action", "eventable_type", "eventable_id"] {
        let mut body = event("shop", "request.created", "r1");
        body.as_object_mut().unwrap().remove(field);
        let refused = app.ask("/config/events", &body).await.failed(400);
        assert_eq!(
            (&refused.body["error"], &refused.body["status"]),
            (&json!(format!("{field} is required")), &json!(400))
        );
    }
    let mut large = event("shop", "request.created", "r1");
    large["particulars"] = json!({"text": "x".repeat(70_000)});
    assert_eq!(app.ask("/config/events", &large).await.failed(400).body["fields"][0]["field"], "particulars");
    large["particulars"] = json!("words");
    app.ask("/config/events", &large).await.failed(400);
    for path in ["/config/events/stats", "/config/activity"] {
        assert_eq!(answer(app.get(path)).await.failed(400).body["error"], "tenant_id is required");
    }
    let read = app.ask("/config/activity/read", &json!({"feed_item_ids": []})).await.failed(400);
    assert_eq!(read.body["error"], "tenant_id is required");
    let read = app.ask("/config/activity/read", &json!({"tenant_id": "x"})).await.failed(400);
    assert_eq!(read.body["error"], "feed_item_ids array is required");
    for wrong in ["limit=0", "limit=x", "limit=1001", "offset=-1"] {
        answer(app.get(&format!("/config/events/request/r1?{wrong}"))).await.failed(400);
    }
    answer(app.get("/config/events/stats?tenant_id=a&since=yesterday")).await.failed(400);
    answer(app.get("/config/events/stream").header("last-event-id", "x")).await.failed(400);
    assert_eq!(get(&app, "/config/events/nothing/here").await, json!([]));
    let nul = json!({"tenant_id": "a\u{0}", "action": "a", "eventable_type": "b", "eventable_id": "c"});
    app.ask("/config/events", &nul).await.failed(400);
    let mut inside = event("shop", "request.created", "r1");
    inside["particulars"] = json!({"text": "a\u{0}b"});
    assert_eq!(post(&app, &inside).await["particulars"]["text"], "a\u{fffd}b");
}

/// A stream and what came of it so far.
struct Live(Response, String);

impl Live {
    async fn open(app: &TestApp, key: &str, query: &str, after: Option<&str>) -> Self {
        let mut request = app.client.get(app.url(&format!("/config/events/stream{query}"))).bearer_auth(key);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut live = Self(response, String::new());
        live.until(": listening").await;
        live
    }

    async fn until(&mut self, text: &str) {
        let more = async {
            while !self.1.contains(text) || !self.1.ends_with("\n\n") {
                self.1
                    .push_str(std::str::from_utf8(&self.0.chunk().await.unwrap().expect("the stream ended")).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, more).await.unwrap_or_else(|_| panic!("no {text} in {}", self.1));
    }

    fn ids(&self) -> Vec<String> {
        let events = data_lines(&self.1).into_iter().map(|data| serde_json::from_str::<Value>(&data).unwrap());
        events.map(|event| event["eventable_id"].as_str().unwrap().to_owned()).collect()
    }

    fn last(&self) -> String {
        self.1.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned()
    }
}

async fn a_stream_goes_on_where_it_was(database: Database) {
    let app = TestApp::start(&database).await;
    post(&app, &event("shop", "request.created", "before")).await;
    let mut live = Live::open(&app, &app.api_key, "?tenant_id=shop", None).await;
    let mut failures = Live::open(&app, &app.api_key, "?action=request.failed,request.cancelled", None).await;
    post(&app, &event("shop", "request.created", "n0")).await;
    live.until("\"n0\"").await;
    assert_eq!(live.ids(), ["n0"], "it begins with what comes");
    // It is interrupted again and again while events come.
    let (mut seen, mut last) = (vec!["n0".to_owned()], live.last());
    for n in 1..30 {
        drop(live);
        post(&app, &event("shop", "request.created", &format!("n{n}"))).await;
        post(&app, &event("elsewhere", "request.failed", &format!("x{n}"))).await;
        live = Live::open(&app, &app.api_key, "?tenant_id=shop", Some(&last)).await;
        live.until(&format!("\"n{n}\"")).await;
        seen.extend(live.ids());
        last = live.last();
    }
    let expected: Vec<String> = (0..30).map(|n| format!("n{n}")).collect();
    assert_eq!(seen, expected);
    failures.until("\"x29\"").await;
    let expected: Vec<String> = (1..30).map(|n| format!("x{n}")).collect();
    assert_eq!(failures.ids(), expected);
    let mut of = Live::open(&app, &app.api_key, "?eventable_type=request&eventable_id=n7&after=0", None).await;
    of.until("\"n7\"").await;
    assert_eq!(of.ids(), ["n7"]);
    assert!(of.1.contains("\nevent: event\ndata: {\"id\":"));
}

async fn many_readers_see_the_same(database: Database) {
    let app = TestApp::start(&database).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(Live::open(&app, &app.api_key, "?tenant_id=shop", None).await);
    }
    // More than a reader may be behind: who does not read is served by the database.
    let all = 1_200;
    let writes = (0..8).map(|writer| {
        let app = &app;
        async move {
            for n in (writer..all).step_by(8) {
                post(app, &event("shop", "invoice.paid", &format!("e{n}"))).await;
            }
        }
    });
    futures::future::join_all(writes).await;
    post(&app, &event("shop", "invoice.paid", "the end")).await;
    let mut first: Option<Vec<String>> = None;
    for reader in &mut readers {
        reader.until("the end").await;
        let ids = reader.ids();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((ids.len(), sorted.len()), (all + 1, all + 1));
        assert_eq!(*first.get_or_insert(ids.clone()), ids);
    }
}

async fn organizations_and_instances_are_apart(database: Database) {
    let app = TestApp::start(&database).await;
    app.organization("org_other", "other").await;
    let person = app.user("dev@example.org", Role::User).await;
    app.let_in(&person.user_id, "development", "user").await;
    let (own, _) = app.key(|key| (key.user_id, key.project_id) = (Some(person.user_id.clone()), None)).await;
    let (foreign, _) = app
        .key(|key| {
            (key.org_id, key.instance_id, key.project_id) =
                ("org_other".to_owned(), "other".to_owned(), Some("prj_development".to_owned()));
        })
        .await;
    let mut live = Live::open(&app, &own, "?after=0", None).await;
    for (tenant, id) in [("production", "p"), ("other", "o"), ("development", "d"), ("opaque", "q")] {
        post(&app, &event(tenant, "request.created", id)).await;
    }
    live.until("\"q\"").await;
    assert_eq!(live.ids(), ["d", "q"]);
    let ask = async |key: &str, path: &str| answer(app.client.get(app.url(path)).bearer_auth(key)).await;
    let none = |answer: Answer| assert_eq!(answer.ok().body["data"], json!([]));
    none(ask(&own, "/config/events/request/p").await);
    none(ask(&own, "/config/events/request/o").await);
    none(ask(&foreign, "/config/events/request/q").await);
    assert_eq!(ask(&own, "/config/events/request/d").await.ok().body["data"].as_array().unwrap().len(), 1);
    for path in ["/config/activity?tenant_id=", "/config/events/stats?tenant_id=", "/config/events/stream?tenant_id="] {
        ask(&own, &format!("{path}production")).await.failed(403);
        ask(&own, &format!("{path}other")).await.failed(403);
        ask(&foreign, &format!("{path}development")).await.failed(403);
    }
    none(ask(&foreign, "/config/activity?tenant_id=opaque").await);
    let refused = app.client.post(app.url("/config/events")).bearer_auth(&own).json(&event("production", "x", "y"));
    answer(refused).await.failed(403);
    assert_eq!(get(&app, "/config/events/stats?tenant_id=other").await["total_events"], 1);
}

async fn a_stop_ends_streams(database: Database) {
    let app = TestApp::start(&database).await;
    let mut live = Live::open(&app, &app.api_key, "", None).await;
    let began = std::time::Instant::now();
    let (stopped, rest) = tokio::join!(Box::pin(app.stop()), async { live.0.chunk().await.unwrap() });
    assert!(rest.is_none() && began.elapsed() < ms(4_000), "{:?}", began.elapsed());
    drop(stopped);
    assert!(began.elapsed() < Duration::from_secs(20));
}
