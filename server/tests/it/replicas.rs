//! Three servers on one PostgreSQL: their limits are one limit.

use futures::future::join_all;
use serde_json::{Value, json};
use server::store::{Db, DbOptions, limits::LimitRow};

use crate::support::{
    Answer, Database, Place, answer, client, data_lines, eventually, hello,
    process::{Server, electrons_at},
};

struct Fleet {
    servers: Vec<Server>,
    key: String,
    _place: Place,
}

impl Fleet {
    /// Three servers that know one limit, and no other.
    async fn start(database: &Database, change: impl FnOnce(&mut LimitRow)) -> Self {
        let place = Place::new(database).await;
        let first = Server::at(&place).await;
        let key = first.api_key.clone().unwrap();
        assert!(first.stop().await.success());
        let db = Db::connect(&place.url, &DbOptions { max_connections: 1, ..DbOptions::default() }).await.unwrap();
        for row in db.list_limits().await.unwrap() {
            db.delete_limit(&row.id, 1).await.unwrap();
        }
        for id in ["development", "production"] {
            let mut instance = db.instance(id).await.unwrap().unwrap();
            instance.config = json!({});
            db.update_instance(&instance).await.unwrap();
        }
        let mut row = LimitRow { id: "shared".into(), warn_percent: 80, is_active: true, ..LimitRow::default() };
        change(&mut row);
        db.insert_limit(&row).await.unwrap();
        db.close().await;
        let mut servers = Vec::new();
        for _ in 0..3 {
            let mut command = electrons_at(&place, &["serve"]);
            command.env("ELECTRONS__DATABASE__MAX_CONNECTIONS", "4");
            servers.push(Server::start(command).await);
        }
        Self { servers, key, _place: place }
    }

    async fn chat(&self, server: usize, body: &Value) -> Answer {
        let url = format!("{}/v1/chat/completions", self.servers[server].base_url);
        answer(client().post(url).bearer_auth(&self.key).json(body)).await
    }

    /// So many calls at once at each server: how many were answered and how many refused.
    async fn at_once(&self, calls: [usize; 3]) -> (usize, usize) {
        let body = hello("mistral-small-latest");
        let mut all = Vec::new();
        for (server, calls) in calls.into_iter().enumerate() {
            all.extend((0..calls).map(|_| self.chat(server, &body)));
        }
        let answers = join_all(all).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        let (passed, refused) = (count(200), count(429));
        let other = answers.iter().find(|answer| answer.status != 200 && answer.status != 429);
        assert!(other.is_none(), "{other:#?}");
        (passed, refused)
    }

    async fn stop(self) {
        for server in self.servers {
            assert!(server.stop().await.success());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_for_k_lets_exactly_k_through() {
    let Some(database) = Database::postgres() else { return };
    for (most, calls) in [(7, [15, 15, 15]), (40, [50, 4, 4])] {
        let fleet = Fleet::start(&database, |row| row.requests_per_minute = Some(most)).await;
        let most = usize::try_from(most).unwrap();
        assert_eq!(fleet.at_once(calls).await, (most, calls.iter().sum::<usize>() - most), "{calls:?}");
        fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_day_are_one_quota() {
    let Some(database) = Database::postgres() else { return };
    let fleet = Fleet::start(&database, |row| row.tokens_per_day = Some(1)).await;
    // The first one that comes uses it up, wherever it comes.
    assert_eq!(fleet.at_once([4, 4, 4]).await, (1, 11));
    eventually("its record is written, and still it counts", || async {
        let refused = fleet.chat(1, &hello("mistral-small-latest")).await;
        (refused.body["error"]["code"] == "insufficient_quota").then_some(())
    })
    .await;
    // Servers that come later know it, too.
    let Fleet { servers, key, _place } = fleet;
    for server in servers {
        assert!(server.stop().await.success());
    }
    let fleet = Fleet { servers: vec![Server::at(&_place).await], key, _place };
    fleet.chat(0, &hello("mistral-small-latest")).await.failed(429);
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_no_place() {
    let Some(database) = Database::postgres() else { return };
    let mut fleet = Fleet::start(&database, |row| row.concurrent_requests = Some(2)).await;
    let mut slow = hello("mistral/mistral-small-latest@stall:5");
    slow["stream"] = json!(true);
    let url = format!("{}/v1/chat/completions", fleet.servers[0].base_url);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = client().post(&url).bearer_auth(&fleet.key).json(&slow).send().await.unwrap();
        let first = stream.chunk().await.unwrap().unwrap();
        assert!(!data_lines(&String::from_utf8_lossy(&first)).is_empty());
        streams.push(stream);
    }
    let refused = fleet.chat(1, &hello("mistral-small-latest")).await.failed(429);
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("2 calls at a time"), "{}", refused.text);
    let dead = fleet.servers.remove(0);
    dead.signal("KILL");
    dead.ended().await;
    eventually("the places of the dead are free", || async {
        (fleet.chat(0, &hello("mistral-small-latest")).await.status == 200).then_some(())
    })
    .await;
    fleet.stop().await;
}
