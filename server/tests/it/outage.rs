//! A database that goes away, and comes back.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use server::clock::Clock;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Answer, Cable, Database, Place, TestApp, answer, eventually, hello, ms, on_both};

on_both!(ten_seconds_without_a_database);

/// What keeps a server from its database. On SQLite somebody holds the lock for writing.
enum Outage {
    Cut(Cable),
    Locked(Box<SqliteConnection>),
}

impl Outage {
    async fn prepare(place: &Place, database: &Database) -> Self {
        match database {
            Database::Postgres(_) => Self::Cut(Cable::to(&place.url).await),
            Database::Sqlite => Self::Locked(Box::new(
                SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", place.url)).await.unwrap(),
            )),
        }
    }

    async fn begin(&mut self) {
        match self {
            Self::Cut(cable) => cable.cut(),
            Self::Locked(connection) => {
                // The server writes, too: it may take a moment to come between.
                let locked = sqlx::query("PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE").execute(&mut **connection);
                locked.await.unwrap();
            }
        }
    }

    async fn end(&mut self) {
        match self {
            Self::Cut(cable) => cable.mend(),
            Self::Locked(connection) => {
                sqlx::query("ROLLBACK").execute(&mut **connection).await.unwrap();
            }
        }
    }
}

/// Makes projects until the database is away: how many of them it was told of.
async fn make_projects(app: &TestApp, writer: usize) -> usize {
    for number in 0.. {
        let name = json!({"name": format!("Under way {writer}-{number}"), "instance_id": "development"});
        let made = app.ask("/config/project", &name).await;
        if made.status != 200 {
            away(&made);
            return number;
        }
    }
    0
}

/// The answer to a change that cannot be made now.
#[track_caller]
fn away(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.body["error"], "The database is not available; try again in a moment");
}

/// How many rows there are of what a change writes.
async fn rows(app: &TestApp) -> [i64; 5] {
    let mut counts = [0; 5];
    for (count, table) in counts.iter_mut().zip(["instances", "model_configs", "model_versions", "api_keys", "limits"])
    {
        *count = app.count(table).await;
    }
    counts
}

async fn ten_seconds_without_a_database(database: Database) {
    let place = Place::new(&database).await;
    let mut outage = Outage::prepare(&place, &database).await;
    let app = TestApp::at(place, Clock::system(), |settings| {
        if let Outage::Cut(cable) = &outage {
            settings.database.url.clone_from(&cable.url);
        }
    })
    .await;
    // What a counter of a day begins with is read at its first use.
    app.chat(&hello("mistral-small-latest")).await.ok();
    let before = rows(&app).await;

    // Some changes are under way when it happens.
    let writers = join_all((0..4).map(|writer| make_projects(&app, writer)));
    let begin = async {
        eventually("changes are made", || async { (app.audit("project.created").await.len() > 12).then_some(()) })
            .await;
        outage.begin().await;
        Instant::now()
    };
    let (told, began) = tokio::join!(writers, begin);

    let put = app.client.put(app.url("/config/instance/production")).bearer_auth(&app.api_key);
    let changes = async {
        let model = crate::config::model("mine");
        let key = json!({"name": "x", "limit": {"requests_per_minute": 5}});
        let (put, model, key) = tokio::join!(
            answer(put.json(&json!({"name": "During"}))),
            app.ask("/config/model-config", &model),
            app.ask("/config/api-key", &key),
        );
        [put, model, key]
    };
    tokio::pin!(changes);
    let (mut refused, mut calls) = (None, Vec::new());
    while refused.is_none() || began.elapsed() < Duration::from_secs(10) {
        let asked = Instant::now();
        let mut body = hello("mistral-small-latest");
        body["stream"] = (calls.len() % 2 == 1).into();
        let call = app.post("/v1/chat/completions", &body).send();
        let response = tokio::select! {
            biased;
            done = &mut changes, if refused.is_none() => {
                refused = Some(done);
                continue;
            }
            response = call => response.unwrap(),
        };
        assert_eq!(response.status(), 200);
        calls.push(response.headers()["x-request-id"].to_str().unwrap().to_owned());
        assert!(response.text().await.unwrap().contains("simulat"));
        assert!(asked.elapsed() < ms(5_000), "call {} waited {:?}", calls.len(), asked.elapsed());
    }
    refused.unwrap().iter().for_each(away);
    if matches!(database, Database::Postgres(_)) {
        answer(app.client.get(app.url("/health/ready"))).await.failed(503);
    }
    outage.end().await;

    // It goes on by itself.
    eventually("it is ready", || async {
        let ready = answer(app.client.get(app.url("/health/ready"))).await;
        (ready.status == 200).then_some(())
    })
    .await;
    for id in &calls {
        let record = app.record(id).await;
        assert_eq!((record.outcome(), record.usage.is_some()), (("completed", 200), true));
    }
    // Nothing is half there. Who was not told of a change may find it, but whole.
    assert_eq!(rows(&app).await, before);
    let projects = app.client.get(app.url("/config/project?search=Under%20way")).bearer_auth(&app.api_key);
    let projects = answer(projects).await.ok().body["data"].as_array().unwrap().clone();
    let told: usize = told.into_iter().sum();
    assert!((told..=told + 4).contains(&projects.len()), "{told} were told, {} are there", projects.len());
    let noted: Vec<Value> = app.audit("project.created").await.into_iter().map(|entry| entry.details).collect();
    let noted = noted.iter().filter(|details| details["after"]["name"].as_str().unwrap().starts_with("Under way"));
    assert_eq!(noted.count(), projects.len());
    app.audited().await;
    let put = app.client.put(app.url("/config/instance/production")).bearer_auth(&app.api_key);
    answer(put.json(&json!({"name": "Afterwards"}))).await.ok();
    // Changes of others are heard of again.
    let mut instance = app.db.instance("development").await.unwrap().unwrap();
    instance.name = "Lab".to_owned();
    app.db.update_instance(&instance).await.unwrap();
    eventually("the other name is known", || async {
        let call = app.post("/v1/chat/completions", &hello("gpt-4o-mini")).header("x-instance-id", "Lab");
        (answer(call).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_a_database_loses_no_record() {
    let Some(database) = Database::postgres() else { return };
    let place = Place::new(&database).await;
    let (real, cable) = (place.url.clone(), Cable::to(&place.url).await);
    let app = TestApp::at(place, Clock::system(), |settings| {
        settings.database.url.clone_from(&cable.url);
        settings.recording.flush_interval = ms(3_600_000);
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(app.chat(&hello("gpt-4o-mini")).await.ok().request_id());
    }
    cable.cut();
    let began = std::time::Instant::now();
    let place = app.stop().await;
    assert!(began.elapsed() < ms(14_000), "{:?}", began.elapsed());
    let files = || {
        let names =
            std::fs::read_dir(place.folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("unwritten-")).count()
    };
    assert_eq!(files(), 1);
    // The database is back.
    let next = TestApp::at(place, Clock::system(), |settings| settings.database.url = real).await;
    for id in &ids {
        let record = next.record(id).await;
        assert_eq!((record.outcome(), record.contents.is_some()), (("completed", 200), true));
    }
    let left = std::fs::read_dir(next.place.folder.path()).unwrap();
    assert!(!left.into_iter().any(|file| file.unwrap().file_name().to_str().unwrap().starts_with("unwritten-")));
}
