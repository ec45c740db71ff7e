//! How a server ends, however it ends, and what the next one finds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::json;
use server::store::{Db, DbOptions};

use crate::support::{
    Database, Place, Raw, TestApp, client, eventually, hello, ms, on_both,
    process::{Server, electrons_at},
};

on_both!(
    a_signal_lets_a_stream_finish,
    a_stop_does_not_wait_forever,
    a_stop_writes_everything_down,
    a_kill_loses_no_record_older_than_a_second,
    a_second_start_changes_nothing_a_person_edited,
    what_is_old_is_deleted,
);

/// The database of a place, beside whoever uses it.
async fn open(place: &Place) -> Db {
    Db::connect(&place.url, &DbOptions { max_connections: 2, ..DbOptions::default() }).await.unwrap()
}

async fn a_signal_lets_a_stream_finish(database: Database) {
    let place = Place::new(&database).await;
    let mut command = electrons_at(&place, &["serve"]);
    command.env("ELECTRONS__SIMULATION__PER_TOKEN_MS", "15");
    let server = Server::start(command).await;
    let key = server.api_key.clone().unwrap();
    let mut body = hello("gpt-4o-mini");
    body["stream"] = json!(true);
    let url = format!("{}/v1/chat/completions", server.base_url);
    let mut response = client().post(&url).bearer_auth(&key).json(&body).send().await.unwrap();
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let mut text = String::new();
    while !text.contains("\" simu\"") {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(!text.contains("[DONE]"));
    server.signal("TERM");
    while let Some(piece) = response.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(server.ended().await.success());
    let db = open(&place).await;
    let log = db.request(&request_id).await.unwrap().expect("its record");
    assert_eq!((log.status.as_str(), log.http_status), ("completed", 200));
    assert!(log.output_tokens > 10);
    assert!(client().post(&url).send().await.is_err(), "nobody listens any more");
    db.close().await;
}

async fn a_stop_does_not_wait_forever(database: Database) {
    let place = Place::new(&database).await;
    let mut command = electrons_at(&place, &["serve"]);
    command.env("ELECTRONS__SERVER__DRAIN_TIMEOUT_MS", "300");
    let server = Server::start(command).await;
    let key = server.api_key.clone().unwrap();
    let request = client().post(format!("{}/v1/chat/completions", server.base_url)).bearer_auth(&key);
    let mut body = hello("gpt-4o-mini@stall:3");
    body["stream"] = json!(true);
    let mut response = request.json(&body).send().await.unwrap();
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    response.chunk().await.unwrap();
    // Another client only holds its connection.
    let idle = client().get(format!("{}/health", server.base_url)).send().await.unwrap();
    let began = Instant::now();
    server.signal("INT");
    assert!(server.ended().await.success());
    assert!(began.elapsed() >= ms(300) && began.elapsed() < ms(8_000), "{:?}", began.elapsed());
    drop(idle);
    let db = open(&place).await;
    let log = db.request(&request_id).await.unwrap().expect("also what was cut is recorded");
    assert_eq!(log.status, "cancelled");
    db.close().await;
}

async fn a_stop_writes_everything_down(database: Database) {
    // Nothing is written by itself before the stop.
    let app = TestApp::with(&database, |settings| settings.recording.flush_interval = Duration::from_secs(3_600)).await;
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(app.chat(&hello("gpt-4o-mini")).await.ok().request_id());
    }
    assert_eq!(app.count("request_log").await, 0);
    let mut raw =
        Raw::chat(&app, &json!({"model": "gpt-4o-mini@stall:2", "stream": true, "messages": hello("x")["messages"]}))
            .await;
    raw.until("\"This\"").await;
    let began = Instant::now();
    raw.hang_up();
    let place = app.stop().await;
    assert!(began.elapsed() < Duration::from_secs(9), "nothing had to be given up: {:?}", began.elapsed());
    let db = open(&place).await;
    for id in &ids {
        assert_eq!(db.request(id).await.unwrap().expect("its record").status, "completed");
    }
    let all = db.list_requests(&Default::default(), &server::store::Page::first(100)).await.unwrap();
    assert_eq!(all.len(), 26);
    db.close().await;
}

/// Asks as fast as it is answered until told to stop, and keeps what was answered, and when.
async fn load(
    url: String,
    key: String,
    over: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<(String, Instant)>>>,
    streamed: bool,
) {
    let client = client();
    let mut body = hello("mistral-small-latest");
    body["stream"] = json!(streamed);
    while !over.load(Ordering::SeqCst) {
        let Ok(response) = client.post(&url).bearer_auth(&key).json(&body).send().await else { continue };
        assert_eq!(response.status(), 200);
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let Ok(text) = response.text().await else { continue };
        if !streamed || text.contains("[DONE]") {
            answered.lock().push((id, Instant::now()));
        }
    }
}

async fn a_kill_loses_no_record_older_than_a_second(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let key = server.api_key.clone().unwrap();
    let url = format!("{}/v1/chat/completions", server.base_url);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    // Few enough that the server has time left to write, on however few cores.
    let clients: Vec<_> = (0..3)
        .map(|turn| tokio::spawn(load(url.clone(), key.clone(), over.clone(), answered.clone(), turn % 2 == 1)))
        .collect();
    // Enough of them long enough ago, however slow the machine is.
    eventually("enough is answered", || async {
        let ago = Instant::now() - ms(1_300);
        (answered.lock().iter().filter(|(_, at)| *at < ago).count() > 60).then_some(())
    })
    .await;
    let killed = Instant::now();
    server.signal("KILL");
    assert!(!server.ended().await.success());
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let answered = std::mem::take(&mut *answered.lock());
    let old: Vec<&String> =
        answered.iter().filter(|(_, at)| *at + Duration::from_secs(1) < killed).map(|(id, _)| id).collect();
    assert!(old.len() > 60);
    // The next server finds the database in order.
    let server = Server::at(&place).await;
    assert!(server.api_key.is_none());
    let db = open(&place).await;
    let mut lost = 0;
    for id in &old {
        match db.request(id).await.unwrap() {
            Some(log) => assert_eq!(log.status, "completed"),
            None => lost += 1,
        }
    }
    assert_eq!(lost, 0, "of {} records", old.len());
    // What is there is there as a whole.
    let newest = db.list_requests(&Default::default(), &server::store::Page::first(200)).await.unwrap();
    for log in newest {
        assert!(db.request_contents(&log.request_id, 0).await.unwrap().is_some(), "{}", log.request_id);
    }
    db.close().await;
    assert!(server.stop().await.success());
}

async fn a_second_start_changes_nothing_a_person_edited(database: Database) {
    let app = TestApp::start(&database).await;
    let now = app.now_us();
    let mut model = app.db.model("gpt-4o-mini").await.unwrap().unwrap();
    model.pricing = json!({"input": 9, "output": 9});
    model.display_name = "Our name for it".into();
    model.updated_us = now;
    app.db.update_model(&model).await.unwrap();
    let deleted = app.db.model("gpt-4o").await.unwrap().unwrap();
    app.db.delete_model(&deleted.config_id, now).await.unwrap();
    let mut provider = app.db.provider("openai").await.unwrap().unwrap();
    provider.base_url = "https://proxy.example/v1".into();
    app.db.update_provider(&provider).await.unwrap();
    let mut instance = app.db.instance("development").await.unwrap().unwrap();
    (instance.name, instance.store_contents) = ("Lab".into(), false);
    app.db.update_instance(&instance).await.unwrap();
    let limits = app.db.list_limits().await.unwrap();
    app.db.delete_limit(&limits[0].id, now).await.unwrap();
    let mut rule = app.db.list_routing_rules().await.unwrap().remove(0);
    rule.weight = 7;
    app.db.update_routing_rule(&rule).await.unwrap();
    let before = app.db.load_configuration().await.unwrap();
    let place = app.stop().await;

    for _ in 0..2 {
        let server = Server::at(&place).await;
        assert!(server.stop().await.success());
    }
    let db = open(&place).await;
    let after = db.load_configuration().await.unwrap();
    assert_eq!(after.version, before.version, "nothing was written at all");
    assert_eq!(format!("{:?}", after.models), format!("{:?}", before.models));
    assert_eq!(format!("{:?}", after.providers), format!("{:?}", before.providers));
    assert_eq!(format!("{:?}", after.instances), format!("{:?}", before.instances));
    let sorted = |rows: Vec<String>| {
        let mut rows = rows;
        rows.sort();
        rows
    };
    let lines = |configuration: &server::store::Configuration| {
        let rows = configuration.limits.iter().map(|row| format!("{row:?}"));
        sorted(rows.chain(configuration.routing_rules.iter().map(|row| format!("{row:?}"))).collect())
    };
    assert_eq!(lines(&after), lines(&before));
    assert!(after.models.iter().all(|model| model.model_id != "gpt-4o"), "what was deleted stays away");
    db.close().await;
}

async fn what_is_old_is_deleted(database: Database) {
    let app = TestApp::start(&database).await;
    let id = app.chat(&hello("gpt-4o-mini")).await.ok().request_id();
    let record = app.record(&id).await;
    assert!(record.contents.is_some());
    // The same call, of long ago.
    let day = crate::support::DAY_US;
    let ago = |days: i64, name: &str| {
        let mut old = server::store::requests::RequestRecord {
            log: record.log.clone(),
            usage: None,
            contents: record.contents.clone(),
        };
        old.log.request_id = name.into();
        old.log.created_us -= days * day;
        if let Some(contents) = &mut old.contents {
            (contents.request_id, contents.expires_us) = (name.into(), contents.expires_us - days * day);
        }
        old
    };
    app.db.insert_requests(&[ago(8, "week"), ago(91, "quarter")]).await.unwrap();
    let place = app.stop().await;
    // Each start sweeps, and then every hour.
    let app = TestApp::at(place, server::clock::Clock::system(), |_| {}).await;
    eventually("the oldest are gone", || async { app.db.request("quarter").await.unwrap().is_none().then_some(()) })
        .await;
    eventually("what they said is gone", || async { (app.count("request_contents").await == 1).then_some(()) }).await;
    assert!(app.db.request("week").await.unwrap().is_some(), "the log itself is kept for longer");
    assert!(app.record(&id).await.contents.is_some());
    assert_eq!(app.count("usage_logs").await, 1);
}
