//! The state of the platform.

use crate::support::{Database, TestApp, answer, eventually, hello, on_both};
use serde_json::Value;
use server::clock::Clock;

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
    assert_eq!((&refused.body["status"], refused.body["error"].is_string()), (&403.into(), true), "{}", refused.text);
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
