//! `GET /auth/oidc/{name}/start` and `/callback`: a browser on its way to an issuer of OpenID Connect, and back.

use app::{api::local_path, ports::Origin};
use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::ports::visit;
use crate::{
    services::identity::oidc::{OidcError, Return},
    state::AppState,
};

#[derive(Deserialize)]
pub struct Start {
    next: Option<String>,
}

/// Sends the person to the issuer.
pub async fn start(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Query(start): Query<Start>,
    Extension(origin): Extension<Origin>,
) -> Response {
    let next = local_path(start.next.as_deref());
    match state.identity.depart(&name, next, &state.public_url).await {
        Ok(departure) => with_cookies(Redirect::to(&departure.location), [departure.cookie]),
        Err(error) => refused(&name, &error, &origin.request_id),
    }
}

/// Lets the person in who comes back.
pub async fn callback(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Query(back): Query<Return>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Response {
    let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let request_id = origin.request_id.clone();
    match state.identity.arrive(&name, back, cookies, &state.public_url, visit(origin)).await {
        Ok(arrival) => with_cookies(Redirect::to(local_path(Some(&arrival.next))), arrival.cookies),
        Err(error) => refused(&name, &error, &request_id),
    }
}

/// Back to the sign-in page, which says why in words for people; the log has the details.
fn refused(name: &str, error: &OidcError, request_id: &str) -> Response {
    tracing::warn!(%error, issuer = name, request_id, "a sign-in by an issuer did not work");
    Redirect::to(&format!("/sign-in?refused={}", error.code())).into_response()
}

fn with_cookies<const N: usize>(redirect: Redirect, cookies: [String; N]) -> Response {
    let mut response = redirect.into_response();
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    // The address holds a code that works once: it must not stay in a cache, nor be told to the next page.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
