//! Nothing secret is ever logged, however much is logged: keys, passwords, cookies, one-time links and what providers are
//! given, on good days and on bad ones.

use std::{
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use reqwest::header;
use serde_json::json;
use server::{providers::Secret, settings::ProviderOverride};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Browser, Database, TestApp, answer, closed_port, cookie_of, hello, on_both};

on_both!(nothing_secret_is_logged);

/// Everything this process has logged since the first look.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
            everything.with_writer(log.clone()).try_init().expect("nobody else listens");
            log
        });
        log.clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn nothing_secret_is_logged(database: Database) {
    let log = Log::listen();
    let nobody = format!("http://127.0.0.1:{}", closed_port());
    let with = |key: &str| ProviderOverride {
        base_url: Some(nobody.clone()),
        api_key: Some(Secret::new(key)),
        ..ProviderOverride::default()
    };
    let app = TestApp::with(&database, |settings| {
        settings.providers.insert("openai".to_owned(), with("sk-provider-in-a-header"));
        settings.providers.insert("mistral".to_owned(), with("provider-in-the-address"));
        settings.gateway.max_attempts = 1;
    })
    .await;
    // A provider that takes its key in the address.
    let mut provider = app.db.provider("mistral").await.unwrap().unwrap();
    provider.credential = json!({"query": "key"});
    app.db.update_provider(&provider).await.unwrap();
    app.reload().await;

    // People.
    let link = app.sign_in_url.split_once("token=").unwrap().1.to_owned();
    answer(app.client.get(&app.sign_in_url)).await.ok();
    let by_link = app.browser().await;
    app.follow_link(&link).await;
    let password = "a passphrase nobody reads";
    let set = app.call(&by_link, "account/set_password", &json!({"password": password})).await.ok();
    let browser = Browser { cookie: cookie_of(&set).unwrap() };
    app.sign_in("admin@localhost", password, Some("/test/text")).await;
    app.sign_in("admin@localhost", "a wrong passphrase", None).await;
    app.sign_in("typed in the wrong field", "whatever it was", None).await;
    app.call(&browser, "account/set_password", &json!({"password": "x", "present": "a wrong passphrase"})).await;
    answer(app.client.get(app.url("/")).header(header::COOKIE, &browser.cookie)).await.ok();
    let made = app.call(&browser, "api_keys/create", &json!({"draft": {"name": "Console"}})).await.ok();
    let rotate = json!({"key_id": made.body["key_id"], "grace_hours": 1});
    let rotated = app.call(&browser, "api_keys/rotate", &rotate).await.ok();
    let me = app.call(&browser, "account/who_am_i", &json!({})).await.ok();
    let user = json!({"user_id": me.body["user_id"]});
    let invited = app.call(&browser, "sessions/make_link", &user).await.ok();

    // Calls: answered by the simulator, by nobody, refused, and not understood.
    let key = app.api_key.clone();
    let unknown = format!("sk_live_{}", "7".repeat(64));
    for model in ["claude-haiku-4-5", "gpt-4o-mini", "mistral/mistral-small-latest", "gpt-99"] {
        app.chat(&hello(model)).await;
        app.stream(&hello(model)).await;
        let by_address = app.url(&format!("/v1/chat/completions?key={key}"));
        answer(app.client.post(by_address).json(&hello(model))).await;
    }
    for path in ["/v1/models", "/v1/nothing", "/nothing", "/docs", "/text/nothing", "/health"] {
        for key in [&key, &unknown] {
            answer(app.client.get(app.url(&format!("{path}?key={key}")))).await;
            answer(app.client.get(app.url(path)).header("x-goog-api-key", key)).await;
        }
    }
    answer(app.client.post(app.url(&format!("/v1/chat/completions?key={key}"))).body("{")).await.failed(400);
    answer(app.client.get(app.url("/v1/models")).bearer_auth(&unknown)).await.failed(401);
    app.post_form(Some(&browser), "account/sign_out", "").await;
    let attempts = app.chat(&hello("mistral/mistral-small-latest")).await;
    let place = app.stop().await;
    drop(place);

    let text = log.text();
    assert!(text.contains("TRACE") && text.contains("DEBUG"), "nothing was listened to");
    let cookie = |browser: &Browser| browser.cookie.split_once('=').unwrap().1.to_owned();
    let secrets = [
        ("a provider's key in a header", "sk-provider-in-a-header".to_owned()),
        ("a provider's key in an address", "provider-in-the-address".to_owned()),
        ("an API key", key),
        ("a key that is none", unknown),
        ("a new key", made.body["secret"].as_str().unwrap().to_owned()),
        ("a rotated key", rotated.body["secret"].as_str().unwrap().to_owned()),
        ("a password", password.to_owned()),
        ("a password in a form", "passphrase%20nobody".to_owned()),
        ("a wrong password", "a wrong passphrase".to_owned()),
        ("what was typed in the wrong field", "in the wrong field".to_owned()),
        ("a session", cookie(&by_link)),
        ("a new session", cookie(&browser)),
        ("a one-time link", link),
        ("an invitation", invited.body["url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()),
    ];
    for (what, secret) in secrets {
        let line = text.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{what} is in the log: {}", line.unwrap_or_default());
        assert!(!attempts.text.contains(&secret), "{what} is in an answer: {}", attempts.text);
    }
}
