//! Finds out who is calling: an API key, or the session of a signed-in person.

use axum::http::{HeaderMap, Method, Uri, header, request::Parts};

use crate::{
    services::identity::{Caller, IdentityError},
    state::AppState,
    telemetry,
};

/// The caller of a request, in the instance that `instance` or the header names.
pub async fn caller(state: &AppState, parts: &Parts, instance: Option<&str>) -> Result<Caller, IdentityError> {
    let caller = find(state, parts, instance).await?;
    telemetry::caller_is(&caller.instance.org_id, &caller.instance.id, caller.user_id.as_deref());
    Ok(caller)
}

async fn find(state: &AppState, parts: &Parts, instance: Option<&str>) -> Result<Caller, IdentityError> {
    let instance = instance.or_else(|| instance_header(&parts.headers));
    if let Some(key) = api_key(&parts.headers, &parts.uri) {
        return state.identity.by_key(&key, instance);
    }
    let Some(cookies) = parts.headers.get(header::COOKIE).and_then(|value| value.to_str().ok()) else {
        return Err(IdentityError::NoKey);
    };
    let session = state.identity.by_cookie(cookies).await?.ok_or(IdentityError::NoKey)?;
    // A browser sends the cookie with any site's request; only our own pages may act on it.
    if !same_origin(&parts.method, &parts.headers) {
        return Err(IdentityError::NoKey);
    }
    state.identity.in_instance(&session.user, instance)
}

/// The key a request shows: `Authorization` (`Bearer`, `Key` or bare), `x-api-key`, `x-goog-api-key`, `?key=`.
pub fn api_key(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(value) = text("authorization") {
        let key = match value.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("key") => key,
            Some(_) => return None,
            None => value,
        };
        return Some(key.trim().to_owned());
    }
    if let Some(key) = text("x-api-key").or_else(|| text("x-goog-api-key")) {
        return Some(key.to_owned());
    }
    let query = uri.query()?;
    query.split('&').find_map(|pair| pair.strip_prefix("key=")).map(str::to_owned)
}

pub fn instance_header(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-instance-id")?.to_str().ok().map(str::trim).filter(|name| !name.is_empty())
}

/// Whether a request that changes something comes from a page of this very host. Reading is always allowed.
pub fn same_origin(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match text(header::ORIGIN) {
        Some(origin) => {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.is_some() && host == text(header::HOST)
        }
        None => headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_found_wherever_an_sdk_puts_it() {
        let bare = Uri::from_static("/v1/models");
        for (name, value) in [
            ("authorization", "Bearer k"),
            ("authorization", "bearer  k"),
            ("authorization", "Key k"),
            ("authorization", "k"),
            ("x-api-key", "k"),
            ("x-goog-api-key", "k"),
        ] {
            assert_eq!(api_key(&headers(&[(name, value)]), &bare).as_deref(), Some("k"), "{name}: {value}");
        }
        assert_eq!(api_key(&HeaderMap::new(), &Uri::from_static("/x?a=1&key=k")).as_deref(), Some("k"));
        assert_eq!(api_key(&headers(&[("authorization", "Basic k")]), &bare), None);
        assert_eq!(api_key(&HeaderMap::new(), &bare), None);
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let post = |pairs: &[(&'static str, &'static str)]| same_origin(&Method::POST, &headers(pairs));
        assert!(post(&[("host", "localhost:3000"), ("origin", "http://localhost:3000")]));
        assert!(post(&[("host", "ai.example.org"), ("origin", "https://ai.example.org")]));
        assert!(post(&[("host", "a"), ("sec-fetch-site", "same-origin")]));
        assert!(!post(&[("host", "localhost:3000"), ("origin", "http://localhost:3001")]));
        assert!(!post(&[("host", "a"), ("origin", "null")]));
        assert!(!post(&[("host", "a"), ("origin", "http://evil"), ("sec-fetch-site", "same-origin")]));
        assert!(!post(&[("host", "a"), ("sec-fetch-site", "cross-site")]));
        assert!(!post(&[("host", "a")]));
        assert!(same_origin(&Method::GET, &HeaderMap::new()));
    }
}
