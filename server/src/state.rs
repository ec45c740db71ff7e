//! What every handler can reach.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::FromRef,
    http::HeaderMap,
};
use leptos::config::LeptosOptions;

use crate::{
    clock::Clock,
    http::{Problem, RequestInfo},
    providers::input::InputError,
    services::{
        catalog::Catalog,
        gateway::{Context, Gateway},
        identity::{Caller, Identity},
    },
    settings::Settings,
    store::Db,
};

/// Shared by all handlers; a clone counts one reference.
#[derive(Clone)]
pub struct AppState(Arc<Services>);

/// The parts of a running server.
pub struct Services {
    pub db: Db,
    pub catalog: Arc<Catalog>,
    pub gateway: Gateway,
    pub identity: Identity,
    pub clock: Clock,
    pub settings: Arc<Settings>,
    pub started_us: i64,
    /// The address under which callers reach the server: `http://127.0.0.1:3000`.
    pub public_url: Arc<str>,
    pub leptos: LeptosOptions,
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}

impl Deref for AppState {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl AppState {
    pub fn new(services: Services) -> Self {
        Self(Arc::new(services))
    }

    /// The whole body, up to the limit of the settings.
    pub async fn read_body(&self, body: Body) -> Result<Bytes, Problem> {
        let limit = self.settings.server.body_limit_bytes;
        axum::body::to_bytes(body, limit).await.map_err(|error| {
            let too_large = std::error::Error::source(&error)
                .is_some_and(|cause| cause.to_string().contains("length limit exceeded"));
            if too_large { Problem::TooLarge { limit } } else { Problem::Unreadable(error.to_string()) }
        })
    }

    /// The context of a generation call.
    pub fn context(
        &self,
        info: RequestInfo,
        headers: &HeaderMap,
        caller: Arc<Caller>,
        surface: &'static str,
    ) -> Result<Context, InputError> {
        let timeout = match headers.get("x-de-timeout-ms") {
            None => None,
            Some(value) => {
                let millis = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok()).filter(|ms| *ms > 0);
                let millis = millis.ok_or_else(|| {
                    InputError::field("x-de-timeout-ms", "x-de-timeout-ms must be a positive number of milliseconds")
                })?;
                Some(Duration::from_millis(millis))
            }
        };
        Ok(Context {
            request_id: info.request_id,
            caller,
            surface,
            caller_request_id: info.caller_request_id,
            ip: info.ip,
            user_agent: info.user_agent,
            started: info.started,
            started_us: info.started_us,
            timeout,
        })
    }
}
