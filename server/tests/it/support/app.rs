//! The product itself, started as `electrons serve` starts it, on free ports.

use std::{collections::HashMap, path::Path};

use reqwest::Client;
use serde_json::Value;
use server::{
    app::App,
    clock::Clock,
    settings::{self, Settings},
    store::Db,
};

use super::{
    Database, Place,
    chat::{self, Answer, Streamed},
    database::Raw,
    ms,
};

/// A running server with everything a scenario looks at.
pub struct TestApp {
    app: App,
    pub base_url: String,
    /// Key of the first administrator in the instance `development`.
    pub api_key: String,
    /// Uses up to one sign-in.
    pub sign_in_url: String,
    pub db: Db,
    pub raw: Raw,
    pub client: Client,
    pub place: Place,
}

impl TestApp {
    /// A server with the settings of the tests.
    pub async fn start(database: &Database) -> Self {
        Self::with(database, |_| {}).await
    }

    /// A server with other settings.
    pub async fn with(database: &Database, change: impl FnOnce(&mut Settings)) -> Self {
        Self::at(Place::new(database).await, Clock::system(), change).await
    }

    /// A server with a clock of the test's own.
    pub async fn at(place: Place, clock: Clock, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = test_settings(&place);
        change(&mut settings);
        let app = Box::pin(App::start(settings, clock, HashMap::new())).await.unwrap();
        let welcome = app.welcome.as_ref();
        Self {
            base_url: format!("http://{}", app.address),
            api_key: welcome.map(|w| w.api_key.secret.clone()).unwrap_or_default(),
            sign_in_url: welcome.map(|w| app.sign_in_url(&w.sign_in_token)).unwrap_or_default(),
            db: app.state.db.clone(),
            raw: place.raw().await,
            client: client(),
            place,
            app,
        }
    }

    /// A second server on the same database; on Postgres only.
    pub async fn replica(&self) -> App {
        Box::pin(App::start(test_settings(&self.place), Clock::system(), HashMap::new())).await.unwrap()
    }

    /// Stops the server as a signal would, and gives the place back.
    pub async fn stop(self) -> Place {
        Box::pin(self.app.stop()).await;
        self.place
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// Where the simulator is.
    pub fn simulator(&self) -> String {
        format!("http://{}", self.app.simulator.expect("the simulator is on"))
    }

    /// Microseconds since 1970 by the server's clock.
    pub fn now_us(&self) -> i64 {
        self.app.state.clock.now_us()
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(&self.api_key)
    }

    pub fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(&self.api_key).json(body)
    }

    pub async fn ask(&self, path: &str, body: &Value) -> Answer {
        chat::answer(self.post(path, body)).await
    }

    pub async fn listen(&self, path: &str, body: &Value) -> Streamed {
        chat::streamed(self.post(path, body)).await
    }

    /// A buffered chat call.
    pub async fn chat(&self, body: &Value) -> Answer {
        self.ask("/v1/chat/completions", body).await
    }

    /// A streamed chat call, read to its end.
    pub async fn stream(&self, body: &Value) -> Streamed {
        let mut body = body.clone();
        body["stream"] = true.into();
        self.listen("/v1/chat/completions", &body).await
    }
}

/// A client that goes nowhere but to this machine and takes redirects as they are.
pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The defaults on free ports, in the place's folder, with a simulator that does not dawdle.
pub fn test_settings(place: &Place) -> Settings {
    let mut settings = settings::load(Path::new("/nonexistent/electrons.toml"), false, []).unwrap();
    let any_port = "127.0.0.1:0".parse().unwrap();
    settings.server.address = any_port;
    settings.server.drain_timeout = ms(5_000);
    settings.simulation.address = any_port;
    settings.simulation.first_byte = ms(0);
    settings.simulation.per_token = ms(0);
    settings.database.url.clone_from(&place.url);
    settings.database.max_connections = 4;
    settings.storage.data_folder = place.folder.path().to_owned();
    settings.gateway.backoff = ms(20);
    settings.gateway.backoff_max = ms(100);
    settings.recording.flush_interval = ms(5);
    settings
}
