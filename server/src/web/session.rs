//! Sessions of the consoles: who is behind a page's request.

use app::{
    ports::{Caller, Origin},
    ui::me::Known,
};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use leptos::prelude::{provide_context, use_context};
use tracing::Instrument;

use super::ports;
use crate::{
    http::{RequestInfo, same_origin},
    state::AppState,
    telemetry,
};

/// Cookie that holds the id of the instance a person has chosen.
const INSTANCE_COOKIE: &str = "instance";

/// Finds the person behind a request of the pages, refuses what another site's page sends, and adds the headers that
/// every page has.
pub async fn attach(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if !same_origin(request.method(), request.headers()) {
        return (StatusCode::FORBIDDEN, "This request did not come from a page of this server.").into_response();
    }
    let info = RequestInfo::new(&state, &request);
    let span = telemetry::request_span(&info.request_id);
    answer(state, info, request, next).instrument(span).await
}

async fn answer(state: AppState, info: RequestInfo, mut request: Request, next: Next) -> Response {
    let request_id = info.request_id.clone();
    let origin =
        Origin { ip: info.ip.clone(), user_agent: info.user_agent.clone(), request_id: info.request_id.clone() };
    let cookies = request.headers().get(header::COOKIE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let caller = match &cookies {
        Some(cookies) => find_caller(&state, cookies, &request_id, &origin).await,
        None => None,
    };
    // Pages are drawn around who is signed in; functions ask for what they need.
    if !request.uri().path().starts_with("/_fn/") {
        let me = match &caller {
            Some(caller) => ports::me(&state, caller).await.map(Some),
            None => Ok(None),
        };
        request.extensions_mut().insert(Known(me));
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(origin);
    request.extensions_mut().insert(info);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert("x-request-id", value);
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    headers.insert("referrer-policy", HeaderValue::from_static("same-origin"));
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}

/// Hands the person to the page or server function that runs now.
pub fn provide() {
    let Some(parts) = use_context::<Parts>() else { return };
    provide_context(parts.extensions.get::<Option<Caller>>().cloned().flatten());
    if let Some(known) = parts.extensions.get::<Known>() {
        provide_context(known.clone());
    }
    provide_context(parts.extensions.get::<Origin>().cloned().unwrap_or_default());
}

async fn find_caller(state: &AppState, cookies: &str, request_id: &str, origin: &Origin) -> Option<Caller> {
    let session = state
        .identity
        .by_cookie(cookies)
        .await
        .inspect_err(|error| tracing::warn!(%error, request_id, "a session could not be checked"))
        .ok()??;
    let chosen = cookies.split(';').find_map(|pair| pair.trim().strip_prefix(INSTANCE_COOKIE)?.strip_prefix('='));
    let found = state
        .identity
        .in_instance(&session.user, chosen)
        .or_else(|_| state.identity.in_instance(&session.user, None))
        .ok();
    if let Some(found) = &found {
        telemetry::caller_is(&found.instance.org_id, &found.instance.id, Some(&session.user.id));
    }
    Some(Caller {
        user_id: session.user.id.clone(),
        org_id: session.user.org_id.clone(),
        instance_id: found.map(|caller| caller.instance.id.clone()).unwrap_or_default(),
        request_id: request_id.to_owned(),
        origin: origin.clone(),
        session_id: session.id,
        is_fresh_link: session.is_fresh_link,
    })
}
