//! What happens to accepted work when processes die, freeze or stop.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    Database, PATIENCE, Place, client, eventually, ms, on_both,
    process::{Server, electrons_at},
};

on_both!(work_survives_kills, a_frozen_worker_changes_nothing, a_stop_gives_work_back);

/// A server with short leases.
async fn server(place: &Place, more: &[(&str, &str)]) -> Server {
    let mut command = electrons_at(place, &["serve"]);
    command.env("ELECTRONS__ROUTER__LEASE_MS", "1500").env("ELECTRONS__ROUTER__POLL_MS", "200");
    command.envs(more.iter().copied());
    Server::start(command).await
}

async fn statuses(server: &Server, key: &str, ids: &[String]) -> Option<HashMap<String, String>> {
    let mut found = HashMap::new();
    for id in ids {
        let url = format!("{}/intake/status?request_id={id}", server.base_url);
        let answer = client().get(url).bearer_auth(key).send().await.ok()?;
        let body: Value = answer.json().await.ok()?;
        found.insert(id.clone(), body["status"].as_str()?.to_owned());
    }
    Some(found)
}

async fn work_survives_kills(database: Database) {
    let place = Place::new(&database).await;
    let mut running = server(&place, &[]).await;
    let key = running.api_key.clone().unwrap();
    let mut ids = Vec::new();
    for round in 0..3 {
        for n in 0..15 {
            let body = json!({"query": format!("Write a line about {round} and {n}"), "provider": "mistral",
                "model": if n % 5 == 0 { "mistral-small-latest@silent:300" } else { "mistral-small-latest" }});
            let url = format!("{}/intake/intake", running.base_url);
            let answer = client().post(url).bearer_auth(&key).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 202);
            let body: Value = answer.json().await.unwrap();
            ids.push(body["request_id"].as_str().unwrap().to_owned());
        }
        // Somewhere in the middle of it.
        running.signal("KILL");
        running.ended().await;
        running = server(&place, &[]).await;
    }
    eventually("all of it ends", || async {
        let all = statuses(&running, &key, &ids).await?;
        all.values().all(|status| status == "completed").then_some(())
    })
    .await;
    assert!(running.stop().await.success());
    let raw = place.raw().await;
    let count = async |sql: &'static str| -> i64 {
        match &raw {
            crate::support::Raws::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
            crate::support::Raws::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        }
    };
    assert_eq!(count("SELECT COUNT(*) FROM jobs").await, 0, "no job is stuck");
    // Delivered once each, whatever was done twice.
    assert_eq!(count("SELECT COUNT(*) FROM deliverables WHERE status = 'delivered'").await, ids.len() as i64);
    let ends = "SELECT COUNT(*) FROM events WHERE action = 'request.completed'";
    assert_eq!(count(ends).await, ids.len() as i64);
}

async fn a_frozen_worker_changes_nothing(database: Database) {
    // One server on SQLite cannot be overtaken by another; there the frozen one finds its own lease passed.
    let place = Place::new(&database).await;
    let first = server(&place, &[]).await;
    let key = first.api_key.clone().unwrap();
    let url = format!("{}/intake/intake", first.base_url);
    let body = json!({"query": "Write a line", "provider": "mistral", "model": "mistral-small-latest@silent:400"});
    let answer = client().post(url).bearer_auth(&key).json(&body).send().await.unwrap();
    let id = answer.json::<Value>().await.unwrap()["request_id"].as_str().unwrap().to_owned();
    let ids = [id.clone()];
    eventually("it is begun", || async { (statuses(&first, &key, &ids).await?[&id] == "processing").then_some(()) })
        .await;
    first.signal("STOP");
    let second = match database {
        Database::Sqlite => None,
        Database::Postgres(_) => Some(server(&place, &[]).await),
    };
    let frozen = Instant::now();
    match &second {
        Some(second) => {
            eventually("another worker does it", || async {
                (statuses(second, &key, &ids).await?[&id] == "completed").then_some(())
            })
            .await;
            assert!(frozen.elapsed() < ms(20_000));
        }
        None => tokio::time::sleep(ms(2_500)).await,
    }
    first.signal("CONT");
    eventually("it is done", || async { (statuses(&first, &key, &ids).await?[&id] == "completed").then_some(()) })
        .await;
    for server in [Some(first), second].into_iter().flatten() {
        server.stop().await;
    }
    let raw = place.raw().await;
    let sql = "SELECT COUNT(*) FROM deliverables";
    let delivered: i64 = match &raw {
        crate::support::Raws::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        crate::support::Raws::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
    };
    assert_eq!(delivered, 1);
}

async fn a_stop_gives_work_back(database: Database) {
    let place = Place::new(&database).await;
    let first = server(&place, &[]).await;
    let key = first.api_key.clone().unwrap();
    let url = format!("{}/intake/intake", first.base_url);
    // It takes longer than a stop waits.
    let body = json!({"query": "Write a line", "provider": "mistral", "model": "mistral-small-latest@silent:30000"});
    let answer = client().post(url).bearer_auth(&key).json(&body).send().await.unwrap();
    let id = answer.json::<Value>().await.unwrap()["request_id"].as_str().unwrap().to_owned();
    eventually("it is begun", || async {
        (statuses(&first, &key, std::slice::from_ref(&id)).await?[&id] == "processing").then_some(())
    })
    .await;
    let began = Instant::now();
    assert!(first.stop().await.success());
    assert!(began.elapsed() < PATIENCE);
    let raw = place.raw().await;
    let sql = "SELECT state, attempt FROM jobs";
    let row: (String, i64) = match &raw {
        crate::support::Raws::Sqlite(pool) => sqlx::query_as(sql).fetch_one(pool).await.unwrap(),
        crate::support::Raws::Postgres(pool) => sqlx::query_as(sql).fetch_one(pool).await.unwrap(),
    };
    assert_eq!(row, ("waiting".to_owned(), 0), "given back, and it cost no attempt");
}
