//! The state of the platform, and a database that goes away.

use std::sync::Arc;

use serde_json::Value;
use server::clock::Clock;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::support::{Database, Place, TestApp, answer, eventually, hello, ms, on_both};

on_both!(the_state_of_one_server, servers_know_each_other);

async fn state(app: &TestApp) -> Value {
    answer(app.get("/config/system")).await.ok().body
}

async fn the_state_of_one_server(database: Database) {
    let app = TestApp::start(&database).await;
    app.chat(&hello("gpt-4o-mini")).await.ok();
    let ran = |state: &Value, name: &str| {
        let task = state["tasks"].as_array().unwrap().iter().find(|task| task["name"] == name).cloned();
        task.filter(|task| task["last_run_at"].is_string())
    };
    let state = eventually("the tasks have run", || async {
        let state = state(&app).await;
        let all = ["configuration", "recorder", "replica", "retention"].iter().all(|name| ran(&state, name).is_some());
        let described = state["replicas"][0]["address"] == app.base_url.as_str();
        (all && described).then_some(state)
    })
    .await;
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(state["environment"], "development");
    let kind = if matches!(database, Database::Sqlite) { "sqlite" } else { "postgres" };
    assert_eq!(state["database"]["kind"], kind);
    assert!(state["database"]["size_bytes"].as_u64().unwrap() > 100_000);
    assert_eq!(state["database"]["migrations"][0], "0001 init");
    let storage = &state["storage"];
    assert!(
        storage["size_bytes"].as_u64().unwrap() > 30 && storage["free_bytes"].as_u64().unwrap() > 1_000_000,
        "{storage}"
    );
    for task in state["tasks"].as_array().unwrap() {
        assert_eq!((&task["state"], &task["restarts"]), (&"running".into(), &0.into()), "{task}");
    }
    assert_eq!(state["queues"][0]["name"], "records of calls");
    assert_eq!(state["queues"][0]["capacity"], 20_000);
    assert_eq!(state["replicas"].as_array().unwrap().len(), 1);
    assert_eq!(state["replicas"][0]["replica_id"], state["replica_id"]);
    assert_eq!(state["replicas"][0]["alive"], true);
    // For administrators, in the console, too.
    let (key, _) = app.key(|_| {}).await;
    let refused = answer(app.client.get(app.url("/config/system")).bearer_auth(&key)).await.failed(403);
    assert_eq!(refused.body["error_code"], "INSUFFICIENT_PERMISSIONS");
    answer(app.client.get(app.url("/config/system"))).await.failed(401);
    let browser = app.browser().await;
    let page = app.call(&browser, "platform/system", &serde_json::json!({})).await.ok();
    assert_eq!(page.body["replica_id"], state["replica_id"]);
}

async fn servers_know_each_other(database: Database) {
    let first = TestApp::start(&database).await;
    let id = state(&first).await["replica_id"].clone();
    if matches!(database, Database::Sqlite) {
        // The next one knows that the one before is gone.
        let place = first.stop().await;
        let second = TestApp::at(place, Clock::system(), |_| {}).await;
        let servers = eventually("it is there", || async {
            let servers = second.db.servers().await.unwrap();
            servers.iter().any(|server| server.address == second.base_url).then_some(servers)
        })
        .await;
        assert!(servers.len() == 1 && servers[0].replica_id != id);
        return;
    }
    let mut settings = crate::support::test_settings(&first.place);
    settings.database.url.clone_from(&first.place.url);
    let second = Box::pin(server::app::App::start(settings, Clock::system(), Default::default())).await.unwrap();
    let both = async |count: usize| {
        eventually("as many servers", || async {
            let replicas = state(&first).await["replicas"].as_array().unwrap().clone();
            let described = replicas.iter().all(|replica| replica["address"] != "" && replica["alive"] == true);
            (replicas.len() == count && described).then_some(())
        })
        .await
    };
    both(2).await;
    Box::pin(second.stop()).await;
    both(1).await;
}

/// A way to a PostgreSQL server that can be cut.
struct Wire {
    port: u16,
    server: JoinHandle<()>,
}

impl Wire {
    async fn to(target: Arc<str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(&*target).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { port, server }
    }

    /// Nothing goes through any more, and nobody answers.
    fn cut(self) {
        self.server.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_a_database_loses_no_record() {
    let Some(database) = Database::postgres() else { return };
    let place = Place::new(&database).await;
    let real = place.url.clone();
    let (head, rest) = real.split_once('@').unwrap();
    let (target, tail) = rest.split_once('/').unwrap();
    let wire = Wire::to(target.into()).await;
    let cuttable = format!("{head}@127.0.0.1:{}/{tail}", wire.port);
    let app = TestApp::at(place, Clock::system(), |settings| {
        settings.database.url = cuttable;
        settings.recording.flush_interval = ms(3_600_000);
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(app.chat(&hello("gpt-4o-mini")).await.ok().request_id());
    }
    wire.cut();
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
