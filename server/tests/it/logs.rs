//! The platform's own log: what is written of a request, who may read it, and the live view.

use app::types::Role;
use serde_json::{Value, json};
use server::{
    services::catalog::seed::{DEVELOPMENT, ORGANIZATION},
    store::{access::AccessRow, logs::LogRow},
};

use crate::support::{
    Answer, Database, PATIENCE, Place, TestApp, answer, client, eventually, hello, ms, note, on_both,
    process::{Server, electrons_at},
};

on_both!(
    a_failed_call_is_found_by_its_id,
    who_administers_sees,
    lines_are_paged_and_filtered,
    a_live_view_goes_on_where_it_was,
    a_stop_ends_live_views,
);

async fn a_failed_call_is_found_by_its_id(database: Database) {
    let place = Place::new(&database).await;
    let mut command = electrons_at(&place, &["serve"]);
    command.env("ELECTRONS__LOG__FLUSH_INTERVAL_MS", "50");
    command.env("ELECTRONS__GATEWAY__BACKOFF_MS", "10");
    let server = Server::start(command).await;
    let key = server.api_key.clone().unwrap();
    let url = |path: &str| format!("{}{path}", server.base_url);
    let call = client().post(url("/v1/chat/completions?key=abc")).bearer_auth(&key).json(&hello("gpt-4o-mini@error"));
    let failed = answer(call).await.failed(502);
    let request_id = failed.request_id();
    let lines = eventually("the lines of the call", || async {
        let list = client().get(url(&format!("/config/logs?request_id={request_id}"))).bearer_auth(&key);
        let lines = answer(list).await.ok().body["logs"].as_array().unwrap().clone();
        (lines.len() >= 4).then_some(lines)
    })
    .await;
    // Newest first: the answer, and before it one for each try.
    let told: Vec<_> = lines.iter().map(|line| (line["component"].as_str().unwrap(), &line["level"])).collect();
    assert_eq!(told[0], ("http", &json!("WARN")), "{lines:#?}");
    assert_eq!(
        (&lines[0]["metadata"]["status"], &lines[0]["metadata"]["path"]),
        (&json!(502), &json!("/v1/chat/completions"))
    );
    let tries: Vec<_> = lines.iter().filter(|line| line["component"] == "gateway").collect();
    assert_eq!(tries.len(), 3);
    assert_eq!((&tries[0]["metadata"]["tried"], &tries[0]["metadata"]["again"]), (&json!(3), &json!(false)));
    for line in &lines {
        assert_eq!((&line["instance_id"], line["user_id"].is_string()), (&json!("development"), true), "{line}");
    }
    assert!(!json!(lines).to_string().contains(&key[8..]));
    // What the stop says is kept, too.
    let db = server::store::Db::connect(&place.url, &Default::default()).await.unwrap();
    assert!(server.stop().await.success());
    let page = server::store::Page::first(50);
    let lines = db.list_logs(&Default::default(), &page).await.unwrap().rows;
    assert!(lines.iter().any(|line| line.message == "stopping"), "{lines:#?}");
    db.close().await;
}

/// A line of now, of an organization's instance.
fn line(app: &TestApp, level: &str, message: &str, origin: Option<(&str, &str)>) -> LogRow {
    LogRow {
        log_id: uuid::Uuid::now_v7().to_string(),
        time_us: app.now_us(),
        level: level.to_owned(),
        message: message.to_owned(),
        component: "test".to_owned(),
        request_id: None,
        org_id: origin.map(|(org, _)| org.to_owned()),
        instance_id: origin.map(|(_, instance)| instance.to_owned()),
        user_id: None,
        metadata: json!({}),
    }
}

async fn lines(app: &TestApp, key: &str, query: &str) -> Answer {
    answer(app.client.get(app.url(&format!("/config/logs{query}"))).bearer_auth(key)).await
}

fn messages(answer: &Answer) -> Vec<&str> {
    answer.body["logs"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap()).collect()
}

async fn who_administers_sees(database: Database) {
    let app = TestApp::start(&database).await;
    app.organization("other", "far").await;
    let rows = [
        line(&app, "INFO", "platform", None),
        line(&app, "INFO", "development", Some((ORGANIZATION, DEVELOPMENT))),
        line(&app, "INFO", "production", Some((ORGANIZATION, "production"))),
        line(&app, "INFO", "far", Some(("other", "far"))),
    ];
    app.db.insert_logs(&rows.iter().collect::<Vec<_>>()).await.unwrap();
    let key_of = async |role: Role, level: &str| {
        let user = app.user(&format!("{level}-{role:?}@example.org"), role).await;
        if !level.is_empty() {
            let access = AccessRow {
                user_id: user.user_id.clone(),
                instance_id: DEVELOPMENT.to_owned(),
                level: level.to_owned(),
                granted_us: app.now_us(),
            };
            app.db.grant_access(&access, &note("")).await.unwrap();
        }
        app.key(|row| (row.user_id, row.project_id) = (Some(user.user_id.clone()), None)).await.0
    };
    let all = lines(&app, &app.api_key, "").await.ok();
    assert_eq!(messages(&all), ["far", "production", "development", "platform"]);
    assert_eq!(messages(&lines(&app, &app.api_key, "?instance_id=far").await.ok()), ["far"]);

    let admin = key_of(Role::Admin, "").await;
    assert_eq!(messages(&lines(&app, &admin, "").await.ok()), ["production", "development"]);
    assert_eq!(messages(&lines(&app, &admin, "?instance_id=production").await.ok()), ["production"]);
    lines(&app, &admin, "?instance_id=far").await.failed(403);
    lines(&app, &admin, "?instance_id=nowhere").await.failed(404);

    let local = key_of(Role::User, "admin").await;
    assert_eq!(messages(&lines(&app, &local, "").await.ok()), ["development"]);
    lines(&app, &local, "?instance_id=production").await.failed(403);

    let needs_admin = "To configure this needs at least the level \"admin\" in the instance";
    for (key, status, error) in [
        (key_of(Role::User, "user").await, 403, needs_admin),
        (app.key(|_| {}).await.0, 403, needs_admin),
        (
            app.key(|row| row.scopes = vec!["generate".to_owned()]).await.0,
            403,
            "This API key lacks the scope \"admin\"",
        ),
        ("sk_test_nothing".to_owned(), 401, "Invalid API key"),
    ] {
        for path in ["/config/logs", "/config/logs/stream"] {
            let refused = answer(app.client.get(app.url(path)).bearer_auth(&key)).await.failed(status);
            assert_eq!((&refused.body["error"], &refused.body["status"]), (&json!(error), &json!(status)), "{path}");
            assert_eq!(refused.body["request_id"], refused.request_id());
        }
    }
    // To delete is for superadmins.
    let delete = async |key: &str, query: &str| {
        answer(app.client.delete(app.url(&format!("/config/logs{query}"))).bearer_auth(key)).await
    };
    delete(&admin, "?older_than_days=1").await.failed(403);
    let wrong = delete(&app.api_key, "").await.failed(400);
    assert_eq!(wrong.body["fields"][0]["field"], "older_than_days");
    delete(&app.api_key, "?older_than_days=0").await.failed(400);
    let mut old = line(&app, "INFO", "old", None);
    old.time_us -= 3 * crate::support::DAY_US;
    app.db.insert_logs(&[&old]).await.unwrap();
    assert_eq!(delete(&app.api_key, "?older_than_days=2").await.ok().body, json!({"deleted": 1}));
    // The console asks by its session.
    let browser = app.browser().await;
    let page = app.call(&browser, "platform/logs", &json!({"filter": {"limit": 3, "mine": false}})).await.ok();
    assert_eq!((page.body["items"].as_array().unwrap().len(), page.body["next"].is_string()), (3, true));
    let request = app.client.get(app.url("/config/logs?limit=1"));
    assert_eq!(messages(&answer(browser.send(request, &app.base_url)).await.ok()), ["far"]);
}

async fn lines_are_paged_and_filtered(database: Database) {
    let app = TestApp::start(&database).await;
    let rows: Vec<LogRow> = (0..25)
        .map(|n| LogRow {
            time_us: 1_767_225_600_000_000 + n * 1_000_000,
            request_id: (n == 7).then(|| "r7".to_owned()),
            ..line(&app, ["INFO", "WARN", "ERROR"][(n % 3) as usize], &format!("Line {n}"), None)
        })
        .collect();
    app.db.insert_logs(&rows.iter().collect::<Vec<_>>()).await.unwrap();
    let mut seen = Vec::new();
    let mut path = "/config/logs?limit=10&level=INFO,warn".to_owned();
    loop {
        let page = answer(app.get(&path)).await.ok();
        seen.extend(messages(&page).into_iter().map(str::to_owned));
        assert_eq!(page.body["has_more"], page.headers.contains_key("link"));
        let Some(link) = page.headers.get("link") else { break };
        path = link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    }
    let expected: Vec<_> = (0..25).rev().filter(|n| n % 3 != 2).map(|n| format!("Line {n}")).collect();
    assert_eq!(seen, expected);
    for (query, found) in [
        ("?request_id=r7", vec!["Line 7"]),
        ("?q=line%2024", vec!["Line 24"]),
        ("?component=nothing", vec![]),
        ("?start=2026-01-01T00:00:23Z&end=2026-01-02", vec!["Line 24", "Line 23"]),
        ("?end=2026-01-01T01:00:01%2B01:00", vec!["Line 0"]),
    ] {
        assert_eq!(messages(&lines(&app, &app.api_key, query).await.ok()), found, "{query}");
    }
    let first = lines(&app, &app.api_key, "?limit=1").await.ok();
    assert_eq!(first.body["logs"][0]["timestamp"], "2026-01-01T00:00:24.000000Z");
    for (query, field) in [
        ("?level=LOUD", "level"),
        ("?start=yesterday", "start"),
        ("?limit=0", "limit"),
        ("?limit=x", "query"),
        ("?after=x", "after"),
    ] {
        let wrong = lines(&app, &app.api_key, query).await.failed(400);
        assert_eq!(wrong.body["fields"][0]["field"], field, "{query}: {}", wrong.text);
    }
}

/// The lines of a live view as they come.
struct Live(reqwest::Response, String);

impl Live {
    async fn open(app: &TestApp, query: &str, after: Option<&str>) -> Self {
        let mut request = app.get(&format!("/config/logs/stream{query}"));
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
        while !self.1.contains(text) {
            let piece = tokio::time::timeout(PATIENCE, self.0.chunk()).await;
            let piece = piece.unwrap_or_else(|_| panic!("no {text:?} in {}", self.1)).unwrap().expect("it goes on");
            self.1.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    fn messages(&self) -> Vec<String> {
        let data = self.1.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str::<Value>(data).unwrap()["message"].as_str().unwrap().to_owned()).collect()
    }
}

async fn a_live_view_goes_on_where_it_was(database: Database) {
    let app = TestApp::start(&database).await;
    let write = async |level: &str, message: &str| {
        let row = line(&app, level, message, None);
        app.db.insert_logs(&[&row]).await.unwrap();
        row.log_id
    };
    write("INFO", "before").await;
    let mut live = Live::open(&app, "", None).await;
    let mut warnings = Live::open(&app, "?level=WARN,ERROR", None).await;
    let first = write("INFO", "first").await;
    write("WARN", "second").await;
    live.until("second").await;
    assert_eq!(live.messages(), ["first", "second"]);
    assert!(live.1.contains(&format!("id: {first}\nevent: log\n")));
    warnings.until("second").await;
    assert_eq!(warnings.messages(), ["second"]);
    drop(live);
    write("ERROR", "third").await;
    let mut again = Live::open(&app, "", Some(&first)).await;
    again.until("third").await;
    assert_eq!(again.messages(), ["second", "third"]);
    let wrong = answer(app.get("/config/logs/stream").header("last-event-id", "x")).await.failed(400);
    assert_eq!(wrong.body["fields"][0]["field"], "Last-Event-ID");
}

async fn a_stop_ends_live_views(database: Database) {
    let app = TestApp::start(&database).await;
    let mut live = Live::open(&app, "", None).await;
    let began = std::time::Instant::now();
    let (stopped, rest) = tokio::join!(Box::pin(app.stop()), async { live.0.chunk().await.unwrap() });
    assert!(rest.is_none() && began.elapsed() < ms(4_000), "{:?}", began.elapsed());
    drop(stopped);
}
