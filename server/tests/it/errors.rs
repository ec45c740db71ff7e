//! What a caller is told when something is wrong with its request: the shape of each surface, word by word, and headers.

use reqwest::{Method, header::HeaderMap};
use serde_json::{Map, Value, json};

use crate::support::{Answer, DAY_US, Database, Raw, TestApp, answer, hello, note, on_both};

on_both!(
    openai_errors_are_what_sdks_expect,
    text_errors_are_those_of_the_contract,
    a_key_is_found_wherever_it_is,
    every_answer_has_its_headers,
    browsers_may_call,
    bodies_over_the_limit,
    refusals_are_recorded,
    health_needs_no_key,
);

/// Headers that belong to an error.
const TOLD: [&str; 6] =
    ["allow", "content-type", "retry-after", "retry-after-ms", "www-authenticate", "access-control-allow-origin"];

/// Status, telling headers and body; ids are replaced.
fn shape(answer: &Answer) -> Value {
    let id = answer.request_id();
    let headers: Map<String, Value> = TOLD
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), json!(answer.headers.get(*name)?.to_str().unwrap()))))
        .collect();
    let body = answer.text.replace(&id, "[request id]");
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    json!({"status": answer.status.as_u16(), "headers": headers, "body": body})
}

/// Keys of every kind that does not open anything.
struct Keys {
    expired: String,
    revoked: String,
    inactive: String,
}

async fn keys(app: &TestApp) -> Keys {
    let now = app.now_us();
    let (expired, _) = app.key(|key| key.expires_us = Some(now - 1)).await;
    let (revoked, row) = app.key(|_| {}).await;
    app.db.revoke_api_key(&row.key_id, now, &note("")).await.unwrap();
    let mut user = app.user("gone@example.org", app::types::Role::User).await;
    let (inactive, _) = app.key(|key| (key.user_id, key.project_id) = (Some(user.user_id.clone()), None)).await;
    user.is_active = false;
    app.db.update_user(&user).await.unwrap();
    app.organization("org_other", "other").await;
    Keys { expired, revoked, inactive }
}

async fn openai_errors_are_what_sdks_expect(database: Database) {
    let app = TestApp::with(&database, |settings| settings.server.body_limit_bytes = 4_096).await;
    let keys = keys(&app).await;
    let path = "/v1/chat/completions";
    let good = hello("gpt-4o-mini");
    let bare = || app.client.post(app.url(path));
    let with = |body: &str| {
        let request = bare().bearer_auth(&app.api_key).header("content-type", "application/json");
        request.body(body.to_owned())
    };
    let field = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        with(&body.to_string())
    };
    let cases = [
        ("no key", bare().json(&good)),
        ("a key that is none", bare().bearer_auth("sk-nonsense").json(&good)),
        ("another scheme", bare().header("authorization", "Basic abc").json(&good)),
        ("an empty key", bare().header("authorization", "Bearer ").json(&good)),
        ("an expired key", bare().bearer_auth(&keys.expired).json(&good)),
        ("a revoked key", bare().bearer_auth(&keys.revoked).json(&good)),
        ("the key of an inactive user", bare().bearer_auth(&keys.inactive).json(&good)),
        ("an unknown instance", bare().bearer_auth(&app.api_key).header("x-instance-id", "nowhere").json(&good)),
        (
            "an instance of another organization",
            bare().bearer_auth(&app.api_key).header("x-instance-id", "other").json(&good),
        ),
        (
            "another instance than the key's",
            bare().bearer_auth(&app.api_key).header("x-instance-id", "production").json(&good),
        ),
        ("no body", with("")),
        ("not JSON", with("{\"model\": \"gpt-4o-mini\",\n  messages: []}")),
        ("JSON that ends early", with("{\"model\": \"gpt-4o-mini\"")),
        ("a list", with("[1]")),
        (
            "a list of the fields",
            with(r#"["gpt-4o-mini", [{"role": "user", "content": "x"}], false, null, null, null]"#),
        ),
        ("a text", with("\"hello\"")),
        (
            "a field twice",
            with(r#"{"model": "gpt-4o-mini", "model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}"#),
        ),
        ("no messages", with(r#"{"model": "gpt-4o-mini"}"#)),
        ("empty messages", field("messages", json!([]))),
        ("messages of the wrong type", field("messages", json!("hello"))),
        ("a model of the wrong type", field("model", json!(5))),
        ("a stream of the wrong type", field("stream", json!("yes"))),
        ("stream options without a stream", field("stream_options", json!({"include_usage": true}))),
        ("no tokens at all", field("max_tokens", json!(0))),
        ("less than no tokens", field("max_tokens", json!(-5))),
        ("the provider refuses a value", field("temperature", json!(3))),
        ("an unknown model", field("model", json!("gtp-4o-mini"))),
        ("a model that makes images", field("model", json!("dall-e-3"))),
        ("a body over the limit", field("user", json!("x".repeat(5_000)))),
        ("a wrong method", app.client.get(app.url(path)).bearer_auth(&app.api_key)),
        ("a wrong method of the list", app.client.delete(app.url("/v1/models")).bearer_auth(&app.api_key)),
        ("an unknown path", app.client.post(app.url("/v1/nothing")).bearer_auth(&app.api_key).json(&good)),
        ("the root of the surface", app.client.get(app.url("/v1"))),
        ("the root with a slash", app.client.get(app.url("/v1/"))),
        ("the list without a key", app.client.get(app.url("/v1/models"))),
        ("a model that is not", app.client.get(app.url("/v1/models/nothing")).bearer_auth(&app.api_key)),
    ];
    let mut shapes = Map::new();
    for (name, request) in cases {
        let answer = answer(request).await;
        assert!(answer.status.is_client_error(), "{name}: {} {}", answer.status, answer.text);
        shapes.insert(name.to_owned(), shape(&answer));
    }
    insta::assert_json_snapshot!("openai_errors", shapes);
    assert!(app.calls().await.iter().all(|call| call["status"] == 400), "only what the provider refuses reached one");
}

async fn text_errors_are_those_of_the_contract(database: Database) {
    let app = TestApp::with(&database, |settings| {
        settings.server.body_limit_bytes = 4_096;
        settings.gateway.max_attempts = 1;
        settings.gateway.first_byte_timeout = crate::support::ms(150);
    })
    .await;
    let keys = keys(&app).await;
    let mut shapes = Map::new();
    for path in ["/text/generate", "/text/generate/stream"] {
        let bare = || app.client.post(app.url(path));
        let good = json!({"prompt": "Hi", "model": "gpt-4o-mini"});
        let with = |body: Value| app.post(path, &body);
        let text = |body: &str| {
            bare().bearer_auth(&app.api_key).header("content-type", "application/json").body(body.to_owned())
        };
        let cases = [
            ("no key", bare().json(&good)),
            ("a key that is none", bare().header("x-api-key", "sk-nonsense").json(&good)),
            ("an expired key", bare().header("x-api-key", &keys.expired).json(&good)),
            ("a revoked key", bare().header("x-api-key", &keys.revoked).json(&good)),
            ("the key of an inactive user", bare().header("x-api-key", &keys.inactive).json(&good)),
            ("an unknown instance", with(json!({"prompt": "Hi", "instance_id": "nowhere"}))),
            ("another instance than the key's", with(json!({"prompt": "Hi", "instance_id": "production"}))),
            ("an instance of another organization", with(json!({"prompt": "Hi", "instance_id": "other"}))),
            ("not JSON", text("{\"prompt\": oops}")),
            ("a list", text("[]")),
            ("no prompt", with(json!({}))),
            ("an empty prompt", with(json!({"prompt": ""}))),
            ("a blank prompt", with(json!({"prompt": " \n\t "}))),
            ("a prompt of the wrong type", with(json!({"prompt": 5}))),
            ("options of the wrong type", with(json!({"prompt": "Hi", "options": {"max_tokens": "many"}}))),
            ("a model_id that is none", with(json!({"prompt": "Hi", "model_id": "gtp-4o-mini"}))),
            ("a model that is none", with(json!({"prompt": "Hi", "model": "nowhere:nothing"}))),
            ("a model that makes images", with(json!({"prompt": "Hi", "model_id": "dall-e-3"}))),
            ("a body over the limit", with(json!({"prompt": "x".repeat(5_000)}))),
            ("the provider refuses the key", with(json!({"prompt": "Hi", "model": "openai:gpt-4o-mini@401"}))),
            ("the provider's limit", with(json!({"prompt": "Hi", "model": "openai:gpt-4o-mini@429"}))),
            ("the provider is silent", with(json!({"prompt": "Hi", "model": "openai:gpt-4o-mini@silent:9000"}))),
            ("the provider fails", with(json!({"prompt": "Hi", "model": "openai:gpt-4o-mini@500"}))),
            ("the provider is overloaded", with(json!({"prompt": "Hi", "model": "openai:gpt-4o-mini@503"}))),
            ("a wrong method", app.get(path)),
        ];
        for (name, request) in cases {
            let answer = answer(request).await;
            assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{name}: {}", answer.text);
            let body = &answer.body;
            assert_eq!(body["request_id"], answer.request_id(), "{name}: {}", answer.text);
            assert!(body["error"].is_string() && body["error_code"].is_string(), "{name}: {}", answer.text);
            shapes.insert(format!("{path}: {name}"), shape(&answer));
        }
    }
    for (name, path) in
        [("an unknown path", "/text/nothing"), ("the root", "/text"), ("the root with a slash", "/text/")]
    {
        shapes.insert(name.to_owned(), shape(&answer(app.client.get(app.url(path))).await));
    }
    insta::assert_json_snapshot!("text_errors", shapes);
}

async fn a_key_is_found_wherever_it_is(database: Database) {
    let app = TestApp::start(&database).await;
    let key = app.api_key.clone();
    let request = || app.client.post(app.url("/v1/chat/completions")).json(&hello("gpt-4o-mini"));
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
        ("authorization", format!("Key {key}")),
        ("authorization", key.clone()),
        ("x-api-key", key.clone()),
        ("x-goog-api-key", key.clone()),
    ] {
        answer(request().header(name, value)).await.ok();
    }
    let by_query = app.client.post(app.url(&format!("/v1/chat/completions?key={key}"))).json(&hello("gpt-4o-mini"));
    answer(by_query).await.ok();
    let text = app
        .client
        .post(app.url("/text/generate"))
        .header("authorization", &key)
        .json(&json!({"prompt": "Hi", "model": "gpt-4o-mini"}));
    answer(text).await.ok();
    // The caller's own instance, by its id, by its name, and by the word for it.
    for instance in ["development", "Development", "default", ""] {
        answer(request().bearer_auth(&key).header("x-instance-id", instance)).await.ok();
    }
    // A key that ends tomorrow still opens.
    let now = app.now_us();
    let (fresh, _) = app.key(|key| key.expires_us = Some(now + DAY_US)).await;
    app.chat_as(&fresh, "gpt-4o-mini").await.ok();
    // What is written down never holds the key.
    let calls = app.calls().await;
    assert!(!serde_json::to_string(&calls).unwrap().contains(&key));
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(|name| name.as_str()).collect()
}

async fn every_answer_has_its_headers(database: Database) {
    let app = TestApp::start(&database).await;
    let whole = app.chat(&hello("gpt-4o-mini")).await.ok();
    let stream = app.stream(&hello("gpt-4o-mini")).await.ok();
    for headers in [&whole.headers, &stream.headers] {
        for name in [
            "x-request-id",
            "x-de-model",
            "x-de-provider",
            "x-de-attempts",
            "x-de-simulated",
            "x-de-overhead-ms",
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
            "access-control-allow-origin",
        ] {
            assert!(headers.contains_key(name), "no {name} in {:?}", names(headers));
        }
        assert!(!headers.contains_key("access-control-allow-credentials") && !headers.contains_key("set-cookie"));
    }
    assert!(whole.headers.contains_key("x-de-cost-usd"));
    assert!(!stream.headers.contains_key("x-de-cost-usd"), "nobody knows it before the end");
    assert_eq!(whole.header("x-ratelimit-limit-requests"), "60");
    assert_eq!(whole.header("x-ratelimit-remaining-requests"), "59");
    assert_eq!(stream.header("x-ratelimit-remaining-requests"), "58");
    // Ours on whatever is answered, never the caller's.
    for path in ["/v1/models", "/v1/nothing", "/text/nothing", "/text/health", "/health/ready", "/"] {
        let request = app.client.get(app.url(path)).header("x-request-id", "theirs");
        let id = answer(request).await.request_id();
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 7, "{path}: {id}");
    }
    let (first, second) = (app.chat(&hello("gpt-4o-mini")).await, app.chat(&hello("gpt-4o-mini")).await);
    assert!(first.request_id() < second.request_id());
}

async fn browsers_may_call(database: Database) {
    let app = TestApp::start(&database).await;
    for path in [
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/x",
        "/v1/nothing",
        "/text/generate",
        "/text/nothing",
        "/text/health",
    ] {
        let request = app
            .client
            .request(Method::OPTIONS, app.url(path))
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let preflight = answer(request).await.ok();
        assert_eq!(preflight.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(preflight.header("access-control-max-age"), "86400");
        let (methods, headers) =
            (preflight.header("access-control-allow-methods"), preflight.header("access-control-allow-headers"));
        for method in ["GET", "POST", "OPTIONS"] {
            assert!(methods.split(", ").any(|m| m == method), "{path}: {methods}");
        }
        for header in ["authorization", "content-type", "x-api-key"] {
            assert!(headers.to_lowercase().split(", ").any(|h| h == header), "{path}: {headers}");
        }
        assert!(preflight.headers.get("access-control-allow-credentials").is_none());
    }
    let refused = answer(app.client.post(app.url("/v1/chat/completions")).header("origin", "https://x.example"))
        .await
        .failed(401);
    assert_eq!(refused.header("access-control-allow-origin"), "*", "an error can be read as well");
    let page = answer(app.client.get(app.url("/")).header("origin", "https://x.example")).await;
    assert!(page.headers.get("access-control-allow-origin").is_none(), "pages are for nobody else");
}

async fn bodies_over_the_limit(database: Database) {
    let app = TestApp::with(&database, |settings| settings.server.body_limit_bytes = 1_000_000).await;
    let mut body = hello("gpt-4o-mini");
    let frame = body.to_string().len();
    // Exactly the limit passes.
    body["messages"][0]["content"] = "a".repeat(1_000_000 - frame + "Say hello to the gardeners.".len()).into();
    assert_eq!(body.to_string().len(), 1_000_000);
    app.chat(&body).await.ok();
    body["user"] = json!("");
    app.chat(&body).await.failed(413);
    // Much more than that is still answered, not cut off: clients would try again.
    let huge = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a".repeat(12_000_000)}]});
    for path in ["/v1/chat/completions", "/text/generate"] {
        let answer = app.ask(path, &huge).await.failed(413);
        assert!(answer.text.contains("1000000 bytes"), "{}", answer.text);
    }
    // Without an announced length.
    let mut raw = Raw::send(
        &app,
        &format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n\
             10000000\r\n{}",
            app.api_key,
            "x".repeat(1_100_000)
        ),
    )
    .await;
    raw.until("request_too_large").await;
    assert!(raw.text().starts_with("HTTP/1.1 413"), "{}", raw.text());
    // Who has no key does not get to send much.
    let anonymous = app.client.post(app.url("/v1/chat/completions")).json(&hello("gpt-4o-mini"));
    answer(anonymous).await.failed(401);
}

async fn refusals_are_recorded(database: Database) {
    let app = TestApp::start(&database).await;
    // Whose fault it was is written down for every call of somebody we know.
    for (path, body, status, class) in [
        ("/v1/chat/completions", json!({"model": "nothing-like-it", "messages": [1]}), 404, "not_found"),
        ("/v1/chat/completions", json!({"model": "gpt-4o-mini", "messages": []}), 400, "invalid"),
        ("/v1/chat/completions", json!([1]), 400, "invalid"),
        ("/text/generate", json!({"prompt": " "}), 400, "invalid"),
        ("/text/generate", json!({"prompt": "Hi", "model_id": "nothing-like-it"}), 404, "not_found"),
        ("/text/generate/stream", json!({"prompt": "Hi", "model_id": "dall-e-3"}), 400, "invalid"),
    ] {
        let refused = app.ask(path, &body).await.failed(status);
        let record = app.record(&refused.request_id()).await;
        assert_eq!(
            (record.outcome(), record.error()),
            (("failed", i64::from(status)), ("caller", class)),
            "{path} {body}"
        );
        assert_eq!(record.log.instance_id.as_deref(), Some("development"));
        assert!(record.log.error_message.is_some() && record.usage.is_none());
    }
}

async fn health_needs_no_key(database: Database) {
    let app = TestApp::start(&database).await;
    for path in ["/health", "/health/live"] {
        let live = answer(app.client.get(app.url(path))).await.ok();
        assert_eq!(live.body["status"], "healthy");
    }
    let ready = answer(app.client.get(app.url("/health/ready"))).await.ok();
    assert_eq!(ready.body["checks"]["database"]["ok"], true);
    let kind = if matches!(database, Database::Sqlite) { "sqlite" } else { "postgres" };
    assert_eq!(ready.body["checks"]["database"]["kind"], kind);
    let text = answer(app.client.get(app.url("/text/health"))).await.ok();
    assert_eq!((&text.body["status"], &text.body["service"]), (&json!("healthy"), &json!("text-gen")));
    assert!(text.body["timestamp"].as_str().is_some_and(|at| at.ends_with('Z') && at.len() == 27), "{}", text.text);
}
