//! What every handler can reach.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::FromRef,
    http::HeaderMap,
};
use bytes::BytesMut;
use futures::StreamExt;
use leptos::config::LeptosOptions;

use crate::{
    clock::Clock,
    http::{Problem, RequestInfo},
    providers::input::InputError,
    services::{
        catalog::Catalog,
        config::Configuration,
        delivery::Delivery,
        events::Events,
        gateway::{Context, Gateway},
        identity::{Caller, Identity},
        logs::Logs,
        router::Router,
        system::System,
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
    pub config: Configuration,
    pub delivery: Delivery,
    pub events: Events,
    pub gateway: Gateway,
    pub identity: Identity,
    pub logs: Logs,
    pub router: Router,
    pub system: System,
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
        let mut pieces = body.into_data_stream();
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| Problem::Unreadable(error.to_string()))?;
            if first.len().max(rest.len()) + piece.len() > limit {
                drain(pieces).await;
                return Err(Problem::TooLarge { limit });
            }
            if first.is_empty() {
                first = piece;
                continue;
            }
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&piece);
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    }

    /// The context of a generation call.
    pub fn context(&self, info: RequestInfo, caller: Arc<Caller>, surface: &'static str) -> Context {
        Context {
            request_id: info.request_id,
            caller,
            surface,
            caller_request_id: info.caller_request_id,
            ip: info.ip,
            user_agent: info.user_agent,
            started: info.started,
            started_us: info.started_us,
            timeout: None,
        }
    }
}

/// Takes what is left of a body that is too large, within reason: a client that is cut off while it sends sees a broken
/// connection in place of the answer, and sends it all again.
async fn drain(mut pieces: BodyDataStream) {
    const MOST: usize = 64 << 20;
    const LONGEST: Duration = Duration::from_secs(5);
    let taken = async {
        let mut taken = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            taken += piece.len();
            if taken > MOST {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LONGEST, taken).await;
}

/// The caller's own limit for the whole call, in the header `x-de-timeout-ms`.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, InputError> {
    let Some(value) = headers.get("x-de-timeout-ms") else { return Ok(None) };
    let millis = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok()).filter(|ms| *ms > 0);
    let wrong = || InputError::field("x-de-timeout-ms", "x-de-timeout-ms must be a positive number of milliseconds");
    millis.map(|millis| Some(Duration::from_millis(millis))).ok_or_else(wrong)
}
