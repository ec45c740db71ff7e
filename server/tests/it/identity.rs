//! People: how they sign in, what their session may do, and what their keys open.

use app::types::Role;
use reqwest::header;
use serde_json::{Value, json};
use server::store::access::AccessRow;

use crate::support::{Browser, DAY_US, Database, TestApp, answer, cookie_of, eventually, hello, note, on_both};

on_both!(
    a_link_signs_in_once,
    a_session_calls_the_api_from_its_own_pages_only,
    signing_out_ends_the_session,
    a_password_signs_in,
    only_so_many_tries,
    sessions_and_links_run_out,
    pages_refuse_strangers,
    a_run_is_seen_by_who_may_see_its_instance,
    keys_made_in_the_console_work_at_once,
    a_change_by_another_process_is_noticed,
    who_may_only_look_does_not_spend,
    sessions_are_listed_and_ended,
    a_new_password_needs_the_present_one,
    signing_in_and_failing_to_is_in_the_audit_log,
);

const PASSWORD: &str = "correct horse battery staple";

/// The token in a sign-in address.
fn token(url: &str) -> &str {
    url.split_once("token=").expect("a token").1
}

async fn a_link_signs_in_once(database: Database) {
    let app = TestApp::start(&database).await;
    // Looking at the address uses nothing up: mail programs do that.
    let path = app.sign_in_url.strip_prefix(&app.base_url).unwrap().to_owned();
    for _ in 0..2 {
        let page = answer(app.client.get(app.url(&path))).await.ok();
        assert!(cookie_of(&page).is_none());
    }
    let signed_in = app.follow_link(token(&app.sign_in_url)).await;
    let set = signed_in.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "not over plain HTTP: {set}");
    let browser = Browser { cookie: cookie_of(&signed_in).unwrap() };
    let me = app.call(&browser, "account/who_am_i", &json!({})).await.ok();
    assert_eq!(me.body["email"], "admin@localhost", "{}", me.text);
    assert_eq!(me.body["role"], "superadmin");
    for wrong in [token(&app.sign_in_url), "nonsense", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let again = app.follow_link(wrong).await;
        assert!(cookie_of(&again).is_none(), "{wrong}: {}", again.text);
        assert!(!again.status.is_server_error(), "{wrong}: {} {}", again.status, again.text);
    }
    // Of two at once, one gets in.
    let user = app.user("second@example.org", Role::User).await;
    let link = app.link(&user.user_id).await;
    let (first, second) = tokio::join!(app.follow_link(&link), app.follow_link(&link));
    assert_eq!([first, second].iter().filter(|answer| cookie_of(answer).is_some()).count(), 1);
}

async fn a_session_calls_the_api_from_its_own_pages_only(database: Database) {
    let app = TestApp::start(&database).await;
    let browser = app.browser().await;
    let chat = |origin: Option<&str>| {
        let mut request = app
            .client
            .post(app.url("/v1/chat/completions"))
            .json(&hello("gpt-4o-mini"))
            .header(header::COOKIE, &browser.cookie);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        request
    };
    let own = answer(chat(Some(&app.base_url)).header("x-de-source", "console")).await.ok();
    let log = app.record(&own.request_id()).await.log;
    assert!(log.key_id.is_none() && log.user_id.is_some());
    assert_eq!((log.surface.as_str(), log.instance_id.as_deref()), ("console", Some("development")));
    for origin in [None, Some("http://evil.example"), Some("null"), Some("http://127.0.0.1:1")] {
        let refused = answer(chat(origin)).await.failed(401);
        assert_eq!(refused.body["error"]["code"], "invalid_api_key", "{origin:?}");
    }
    answer(chat(None).header("sec-fetch-site", "same-origin")).await.ok();
    answer(chat(None).header("sec-fetch-site", "cross-site")).await.failed(401);
    // Reading changes nothing, and no other page can see what comes back.
    let models = answer(app.client.get(app.url("/v1/models")).header(header::COOKIE, &browser.cookie)).await.ok();
    assert!(models.headers.get("access-control-allow-credentials").is_none());
    // Another instance of one's own organization, and none of another's.
    app.organization("org_other", "other").await;
    let in_instance = |name: &str| answer(chat(Some(&app.base_url)).header("x-instance-id", name));
    let there = in_instance("production").await.ok();
    assert_eq!(app.record(&there.request_id()).await.log.instance_id.as_deref(), Some("production"));
    in_instance("nowhere").await.failed(404);
    // A key on the same request is what counts.
    answer(chat(Some(&app.base_url)).bearer_auth("sk-nonsense")).await.failed(401);
}

async fn signing_out_ends_the_session(database: Database) {
    let app = TestApp::start(&database).await;
    let browser = app.browser().await;
    let out = app.post_form(Some(&browser), "account/sign_out", "").await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{:?}", out.headers);
    assert!(out.status.is_redirection() && out.header("location").starts_with("/sign-in"), "{}", out.status);
    let me = app.call(&browser, "account/who_am_i", &json!({})).await.ok();
    assert_eq!(me.body, Value::Null);
    let models = app.client.get(app.url("/v1/models")).header(header::COOKIE, &browser.cookie);
    answer(models).await.failed(401);
    // Once more is no error.
    app.post_form(Some(&browser), "account/sign_out", "").await;
}

async fn a_password_signs_in(database: Database) {
    let app = TestApp::start(&database).await;
    let browser = app.browser().await;
    let short = app.call(&browser, "account/set_password", &json!({"password": "short"})).await;
    assert!(short.status.is_client_error() && short.text.contains("12"), "{} {}", short.status, short.text);
    let set = app.call(&browser, "account/set_password", &json!({"password": PASSWORD})).await.ok();
    assert_eq!(app.call(&browser, "account/who_am_i", &json!({})).await.body, Value::Null, "all other sessions end");
    let here = Browser { cookie: cookie_of(&set).expect("this one goes on under a new cookie") };
    assert_eq!(app.call(&here, "account/who_am_i", &json!({})).await.body["has_password"], true);
    for email in ["admin@localhost", " Admin@LocalHost "] {
        let signed_in = app.sign_in(email, PASSWORD, Some("/test/text?run=1")).await;
        assert_eq!(
            (signed_in.status.as_u16(), signed_in.header("location")),
            (302, "/test/text?run=1"),
            "{}",
            signed_in.text
        );
        let again = Browser { cookie: cookie_of(&signed_in).unwrap() };
        assert_eq!(app.call(&again, "account/who_am_i", &json!({})).await.body["has_password"], true);
    }
    let elsewhere = app.sign_in("admin@localhost", PASSWORD, Some("https://evil.example")).await;
    assert_eq!(elsewhere.header("location"), "/");
    for (email, password) in
        [("admin@localhost", "wrong horse battery"), ("nobody@localhost", PASSWORD), ("", ""), ("admin@localhost", "")]
    {
        let refused = app.sign_in(email, password, None).await;
        assert!(cookie_of(&refused).is_none() && !refused.status.is_server_error(), "{email}: {}", refused.text);
    }
    // Whoever is gone does not come in.
    let mut user = app.user("left@example.org", Role::User).await;
    let left = Browser { cookie: cookie_of(&app.follow_link(&app.link(&user.user_id).await).await).unwrap() };
    app.call(&left, "account/set_password", &json!({"password": PASSWORD})).await.ok();
    let signed_in = app.sign_in("left@example.org", PASSWORD, None).await;
    let session = Browser { cookie: cookie_of(&signed_in).expect("a session") };
    user.is_active = false;
    app.db.update_user(&user).await.unwrap();
    app.reload().await;
    assert!(cookie_of(&app.sign_in("left@example.org", PASSWORD, None).await).is_none());
    assert_eq!(
        app.call(&session, "account/who_am_i", &json!({})).await.body,
        Value::Null,
        "nor does an open session stay"
    );
}

async fn only_so_many_tries(database: Database) {
    let app = TestApp::start(&database).await;
    let browser = app.browser().await;
    let set = app.call(&browser, "account/set_password", &json!({"password": PASSWORD})).await.ok();
    let browser = Browser { cookie: cookie_of(&set).expect("the session goes on under a new cookie") };
    // Sent at once: each counts before it is checked.
    let tries = (0..14).map(|turn| {
        let password = format!("guess number {turn}");
        let app = &app;
        async move { app.sign_in("admin@localhost", &password, None).await }
    });
    let answers = futures::future::join_all(tries).await;
    assert!(answers.iter().all(|answer| cookie_of(answer).is_none()));
    let refused = answers.iter().filter(|answer| answer.status == 429 || answer.text.contains("TooMany")).count();
    assert!(refused >= 4, "{:?}", answers.iter().map(|a| (a.status, &a.text)).collect::<Vec<_>>());
    let right = app.sign_in("admin@localhost", PASSWORD, None).await;
    assert!(cookie_of(&right).is_none(), "even the right one has to wait");
    // Whoever is signed in stays, and keys work.
    assert_eq!(app.call(&browser, "account/who_am_i", &json!({})).await.ok().body["email"], "admin@localhost");
    app.chat(&hello("gpt-4o-mini")).await.ok();
}

async fn sessions_and_links_run_out(database: Database) {
    let clock = server::clock::Clock::fixed(1_800_000_000_000_000);
    let app = TestApp::at(crate::support::Place::new(&database).await, clock.clone(), |_| {}).await;
    let user = app.user("someone@example.org", Role::Admin).await;
    let late = app.link(&user.user_id).await;
    let browser = app.browser().await;
    clock.advance_us(61 * 60_000_000);
    assert!(cookie_of(&app.follow_link(&late).await).is_none(), "an hour has passed");
    assert!(app.call(&browser, "account/who_am_i", &json!({})).await.body.is_object());
    let now = app.now_us();
    let (key, _) = app.key(|key| key.expires_us = Some(now + DAY_US)).await;
    app.chat_as(&key, "gpt-4o-mini").await.ok();
    clock.advance_us(31 * DAY_US);
    assert_eq!(app.call(&browser, "account/who_am_i", &json!({})).await.body, Value::Null, "a month has passed");
    assert_eq!(app.chat_as(&key, "gpt-4o-mini").await.failed(401).body["error"]["message"], "API key has expired");
}

async fn pages_refuse_strangers(database: Database) {
    let app = TestApp::start(&database).await;
    let browser = app.browser().await;
    // Another site's form, and another site's script.
    for origin in [Some("https://evil.example"), Some("null"), None] {
        let mut request = app
            .client
            .post(app.url("/_fn/account/set_password"))
            .header(header::COOKIE, &browser.cookie)
            .json(&json!({"password": PASSWORD}));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        answer(request).await.failed(403);
    }
    assert_eq!(app.call(&browser, "account/who_am_i", &json!({})).await.body["has_password"], false);
    let page = answer(app.client.get(app.url("/"))).await;
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "same-origin")]
    {
        assert_eq!(page.header(name), value);
    }
}

async fn a_run_is_seen_by_who_may_see_its_instance(database: Database) {
    let app = TestApp::start(&database).await;
    let mine = app.chat(&hello("gpt-4o-mini")).await.ok().request_id();
    app.record(&mine).await;
    let browser = app.browser().await;
    let run = app.call(&browser, "runs/get", &json!({"request_id": mine})).await.ok();
    assert!(run.text.contains("gpt-4o-mini") && run.text.contains("simulated"), "{}", run.text);
    let stranger = app.user("stranger@example.org", Role::User).await;
    let link = app.link(&stranger.user_id).await;
    let stranger = Browser { cookie: cookie_of(&app.follow_link(&link).await).unwrap() };
    let hidden = app.call(&stranger, "runs/get", &json!({"request_id": mine})).await;
    assert!(
        hidden.status.is_client_error() && !hidden.text.contains("gpt-4o-mini"),
        "{} {}",
        hidden.status,
        hidden.text
    );
    let chat = app.client.post(app.url("/v1/chat/completions")).json(&hello("gpt-4o-mini"));
    answer(stranger.send(chat, &app.base_url)).await.failed(403);
}

async fn keys_made_in_the_console_work_at_once(database: Database) {
    let app = TestApp::start(&database).await;
    let browser = app.browser().await;
    for turn in 0..5 {
        let made = app.call(&browser, "api_keys/create", &json!({"draft": {"name": format!("Key {turn}")}})).await.ok();
        let secret = made.body["secret"].as_str().unwrap();
        assert!(secret.starts_with("sk_test_") && secret.len() == 72);
        let masked = made.body["masked"].as_str().unwrap();
        assert_eq!(masked, format!("{}...{}", &secret[..8], &secret[68..]));
        let used = app.chat_as(secret, "gpt-4o-mini").await.ok();
        assert_eq!(app.record(&used.request_id()).await.log.key_id.as_deref(), made.body["key_id"].as_str());
    }
    // The instance for the real thing gets keys for the real thing.
    let request = app.client.post(app.url("/_fn/api_keys/create")).json(&json!({"draft": {"name": "Live"}}));
    let request = request.header(header::COOKIE, format!("{}; instance=production", browser.cookie));
    let made = answer(request.header(header::ORIGIN, &app.base_url)).await.ok();
    assert_eq!(made.body["instance_id"], "production");
    assert!(made.body["secret"].as_str().unwrap().starts_with("sk_live_"), "{}", made.text);
    for name in ["", " ", &"x".repeat(101)] {
        let refused = app.call(&browser, "api_keys/create", &json!({"draft": {"name": name}})).await;
        assert!(refused.status.is_client_error(), "{name:?}: {} {}", refused.status, refused.text);
    }
}

async fn a_change_by_another_process_is_noticed(database: Database) {
    let app = TestApp::start(&database).await;
    let (key, row) = app.key(|_| {}).await;
    app.chat_as(&key, "gpt-4o-mini").await.ok();
    // Nobody tells the server.
    app.db.revoke_api_key(&row.key_id, app.now_us(), &note("")).await.unwrap();
    let began = std::time::Instant::now();
    eventually("the key is refused", || async { (app.chat_as(&key, "gpt-4o-mini").await.status == 401).then_some(()) })
        .await;
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

async fn who_may_only_look_does_not_spend(database: Database) {
    let app = TestApp::start(&database).await;
    let user = app.user("reader@example.org", Role::User).await;
    let grant = async |level: &str| {
        let row = AccessRow {
            user_id: user.user_id.clone(),
            instance_id: "development".into(),
            level: level.into(),
            granted_us: app.now_us(),
        };
        app.db.grant_access(&row, &note("")).await.unwrap();
        app.reload().await;
    };
    let (key, _) = app.key(|key| (key.user_id, key.project_id) = (Some(user.user_id.clone()), None)).await;
    let refused = app.chat_as(&key, "gpt-4o-mini").await.failed(403);
    assert_eq!(refused.body["error"]["code"], "instance_access_denied", "no level at all");
    grant("readonly").await;
    answer(app.client.get(app.url("/v1/models")).bearer_auth(&key)).await.ok();
    let refused = app.chat_as(&key, "gpt-4o-mini").await.failed(403);
    assert_eq!(refused.body["error"]["code"], "insufficient_permissions");
    let record = app.record(&refused.request_id()).await;
    assert_eq!((record.outcome(), record.error()), (("failed", 403), ("caller", "forbidden")));
    let text = app
        .client
        .post(app.url("/text/generate"))
        .bearer_auth(&key)
        .json(&json!({"prompt": "Hi", "model": "gpt-4o-mini"}));
    assert_eq!(answer(text).await.failed(403).body["error_code"], "INSUFFICIENT_PERMISSIONS");
    assert!(app.calls().await.is_empty());
    grant("user").await;
    app.chat_as(&key, "gpt-4o-mini").await.ok();
}

async fn sessions_are_listed_and_ended(database: Database) {
    let clock = server::clock::Clock::fixed(1_800_000_000_000_000);
    let app = TestApp::at(crate::support::Place::new(&database).await, clock.clone(), |_| {}).await;
    let user = app.user("ada@example.org", Role::User).await;
    let come = async |agent: &str| {
        let link = app.link(&user.user_id).await;
        let form = app
            .client
            .post(app.url("/_fn/account/sign_in_by_link"))
            .header(header::ORIGIN, &app.base_url)
            .header(header::USER_AGENT, agent)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("token={link}"));
        Browser { cookie: cookie_of(&answer(form).await).unwrap() }
    };
    let laptop = come("Laptop").await;
    let phone = come("Phone").await;
    let tablet = come("Tablet").await;
    clock.advance_us(3 * 60_000_000);
    let list = async |browser: &Browser| app.call(browser, "sessions/list", &json!({})).await.ok().body;
    let seen = list(&laptop).await;
    let of = |sessions: &Value, agent: &str| {
        let found = sessions.as_array().unwrap().iter().find(|session| session["user_agent"] == agent);
        found.cloned().unwrap_or(Value::Null)
    };
    assert_eq!(seen.as_array().unwrap().len(), 3, "{seen}");
    let own = of(&seen, "Laptop");
    assert_eq!((&own["is_current"], &own["ip"], &own["method"]), (&json!(true), &json!("127.0.0.1"), &json!("link")));
    let moved = own["last_seen_us"].as_i64().unwrap() - own["created_us"].as_i64().unwrap();
    assert_eq!(moved, 3 * 60_000_000, "seen just now");
    assert_eq!(of(&seen, "Phone")["last_seen_us"], of(&seen, "Phone")["created_us"]);
    assert!(!seen.to_string().contains(laptop.cookie.split_once('=').unwrap().1), "no cookie is told");
    // One, by its owner only.
    let admin = app.browser().await;
    let phones = json!({"session_id": of(&seen, "Phone")["session_id"]});
    app.call(&admin, "sessions/end", &phones).await.failed(404);
    app.call(&laptop, "sessions/end", &phones).await.ok();
    assert_eq!(app.call(&phone, "account/who_am_i", &json!({})).await.body, Value::Null);
    app.call(&laptop, "sessions/end", &json!({"session_id": "no such thing"})).await.failed(404);
    // All others.
    assert_eq!(app.call(&laptop, "sessions/end_others", &json!({})).await.ok().body, 1);
    assert_eq!(app.call(&tablet, "account/who_am_i", &json!({})).await.body, Value::Null);
    assert_eq!(list(&laptop).await.as_array().unwrap().len(), 1);
    // All, by an admin.
    let all = json!({"user_id": user.user_id});
    app.call(&laptop, "sessions/end_of_user", &all).await.failed(403);
    assert_eq!(app.call(&admin, "sessions/end_of_user", &all).await.ok().body, 1);
    assert_eq!(app.call(&laptop, "account/who_am_i", &json!({})).await.body, Value::Null);
    let ended = app.audited().await.iter().filter(|entry| entry.action == "session.ended").count();
    assert_eq!(ended, 3, "each is in the audit log once");
}

async fn a_new_password_needs_the_present_one(database: Database) {
    let clock = server::clock::Clock::fixed(1_800_000_000_000_000);
    let app = TestApp::at(crate::support::Place::new(&database).await, clock.clone(), |_| {}).await;
    let user = app.user("ada@example.org", Role::User).await;
    let by_link =
        async || Browser { cookie: cookie_of(&app.follow_link(&app.link(&user.user_id).await).await).unwrap() };
    let set = async |browser: &Browser, password: &str, present: Option<&str>| {
        app.call(browser, "account/set_password", &json!({"password": password, "present": present})).await
    };
    let first = set(&by_link().await, PASSWORD, None).await.ok();
    let mut browser = Browser { cookie: cookie_of(&first).unwrap() };
    let me = app.call(&browser, "account/who_am_i", &json!({})).await.ok();
    assert_eq!(me.body["present_password_needed"], true);
    for wrong in [None, Some(""), Some("wrong horse battery")] {
        let refused = set(&browser, "another password", wrong).await.failed(422);
        assert_eq!(refused.body["Invalid"]["field"], "present", "{wrong:?}: {}", refused.text);
    }
    let changed = set(&browser, "another password", Some(PASSWORD)).await.ok();
    browser.cookie = cookie_of(&changed).unwrap();
    // Who has forgotten it comes by a link, which is good for an hour.
    let fresh = by_link().await;
    let me = app.call(&fresh, "account/who_am_i", &json!({})).await.ok();
    assert_eq!(me.body["present_password_needed"], false);
    let stale = by_link().await;
    set(&fresh, "a third password", None).await.ok();
    set(&stale, "a fourth password", None).await.failed(401);
    let stale = by_link().await;
    clock.advance_us(61 * 60_000_000);
    set(&stale, "a fourth password", None).await.failed(422);
    assert!(cookie_of(&app.sign_in("ada@example.org", "a third password", None).await).is_some());
    // Guessing here is guessing.
    let browser = stale;
    for turn in 0..9 {
        set(&browser, "a fifth password", Some(&format!("guess number {turn}"))).await;
    }
    set(&browser, "a fifth password", Some("a third password")).await.failed(429);
}

async fn signing_in_and_failing_to_is_in_the_audit_log(database: Database) {
    let app = TestApp::start(&database).await;
    let admin = app.browser().await;
    let set = app.call(&admin, "account/set_password", &json!({"password": PASSWORD})).await.ok();
    let browser = Browser { cookie: cookie_of(&set).unwrap() };
    app.sign_in("admin@localhost", "wrong horse battery", None).await;
    app.sign_in("my secret passphrase", "in the wrong field", None).await;
    app.post_form(Some(&browser), "account/sign_out", "").await;
    let log = app.audited().await;
    let actions: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.outcome.as_str())).collect();
    assert_eq!(
        actions[..5],
        [
            ("user.signed_out", "succeeded"),
            ("user.sign_in_refused", "denied"),
            ("user.signed_in", "succeeded"),
            ("user.password_set", "succeeded"),
            ("user.signed_in", "succeeded"),
        ],
        "{actions:?}"
    );
    assert!(log[1].details.contains("wrong password") && log[1].ip.is_some(), "{:?}", log[1]);
    let filter = server::store::audit::AuditFilter { limit: 10, ..Default::default() };
    let platform = app.db.list_audit(&filter).await.unwrap();
    assert_eq!(platform[0].action, "user.sign_in_refused");
    let all = format!("{log:?}{platform:?}");
    for secret in [PASSWORD, "wrong horse", "secret passphrase", "wrong field"] {
        assert!(!all.contains(secret), "\"{secret}\" is in the audit log");
    }
}
