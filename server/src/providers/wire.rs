//! What every codec needs: headers with the credential in them, an error's class by its status, the wait a provider asks
//! for, and the pieces of `data:` URLs.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Auth, ErrorClass, ProviderError, Target, UpstreamRequest, input::InputError};

impl From<InputError> for ProviderError {
    fn from(error: InputError) -> Self {
        let message = error.to_string();
        let param = match error {
            InputError::Field { param, .. } => Some(param).filter(|param| !param.is_empty()),
            InputError::Syntax(_) => None,
        };
        Self { param, ..Self::new(ErrorClass::Invalid, message) }
    }
}

/// A POST with a JSON body, the target's credential and its extra headers.
pub fn post(target: &Target, url: String, body: Bytes, stream: bool) -> Result<UpstreamRequest, ProviderError> {
    let mut headers = headers(target)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static(if stream { "text/event-stream" } else { "application/json" }));
    Ok(UpstreamRequest { method: Method::POST, url, headers, body, dropped: Vec::new() })
}

/// The credential as the provider wants it, and the provider's extra headers. All are marked sensitive.
pub fn headers(target: &Target) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    if let (Auth::Header { name, prefix }, Some(credential)) = (&target.auth, &target.credential) {
        if name.eq_ignore_ascii_case(AUTHORIZATION.as_str()) && prefix == "Bearer " {
            headers.insert(AUTHORIZATION, secret_value(&format!("Bearer {}", credential.reveal()))?);
        } else {
            headers.insert(header_name(name)?, secret_value(&format!("{prefix}{}", credential.reveal()))?);
        }
    }
    for (name, value) in target.headers.iter() {
        headers.insert(header_name(name)?, secret_value(value)?);
    }
    Ok(headers)
}

/// A header name from the configuration.
pub fn header_name(name: &str) -> Result<HeaderName, ProviderError> {
    HeaderName::try_from(name)
        .map_err(|_| ProviderError::new(ErrorClass::Invalid, "the provider is configured with an invalid header name"))
}

/// A header value that is never printed, also not in the error that says it is unusable.
pub fn secret_value(value: &str) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::try_from(value.trim()).map_err(|_| {
        ProviderError::new(ErrorClass::Auth, "the credential or a configured header has characters no header can hold")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// JSON as bytes.
pub fn json(value: &impl serde::Serialize) -> Result<Bytes, ProviderError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|e| ProviderError::new(ErrorClass::Invalid, format!("the request cannot be written as JSON: {e}")))
}

/// Reads what a provider sent; `what` names it in the error, which repeats nothing of the content.
pub fn parse<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, ProviderError> {
    serde_json::from_slice(body).map_err(|e| malformed(&e, what))
}

/// The error for an answer that cannot be read.
pub fn malformed(error: &serde_json::Error, what: &str) -> ProviderError {
    let why = if error.is_data() { "does not have the expected shape" } else { "is not valid JSON" };
    ProviderError::new(
        ErrorClass::Malformed,
        format!("{what} of the provider {why} (line {}, column {})", error.line(), error.column()),
    )
}

/// The error for a stream that ended before its end marker.
pub fn truncated() -> ProviderError {
    ProviderError::new(ErrorClass::Truncated, "the provider's stream ended before it was complete")
}

/// What a status means when the body says nothing better.
pub fn class_of_status(status: u16) -> ErrorClass {
    match status {
        401 | 403 => ErrorClass::Auth,
        402 => ErrorClass::Billing,
        404 => ErrorClass::NotFound,
        408 => ErrorClass::Timeout,
        429 => ErrorClass::RateLimit,
        498 | 503 | 529 => ErrorClass::Overloaded,
        501 => ErrorClass::Unsupported,
        400..=499 => ErrorClass::Invalid,
        _ => ErrorClass::Upstream,
    }
}

/// The text to show for an error body that is not the provider's JSON: short plain text is shown, a web page is not.
pub fn plain_message(status: Option<u16>, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(8_000)]);
    let text = text.trim();
    if !text.is_empty() && text.len() <= 2_000 && !text.starts_with(['<', '{', '[']) {
        return text.to_owned();
    }
    match status {
        Some(status) => format!("the provider answered with status {status}"),
        None => "the provider reported an error".to_owned(),
    }
}

/// A string, or a number as text.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How long the provider asks to wait: `retry-after-ms`, `retry-after` (seconds, or a date compared with the answer's own
/// `date`), else the reset of the exhausted `x-ratelimit-*` window, or the nearest reset when none says what remains: that a
/// window with room left begins anew soon says nothing about a failure.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|ms| seconds(ms.parse::<f64>().ok()? / 1_000.0)) {
        return Some(wait);
    }
    if let Some(value) = text(RETRY_AFTER.as_str()) {
        let wait = match value.parse::<f64>() {
            Ok(value) => seconds(value),
            Err(_) => http_date(value)
                .zip(text(DATE.as_str()).and_then(http_date))
                .and_then(|(until, now)| seconds((until.as_second() - now.as_second()).max(0) as f64)),
        };
        if wait.is_some() {
            return wait;
        }
    }
    let window = |kind: &str| {
        let wait = text(&format!("x-ratelimit-reset-{kind}")).and_then(go_duration)?;
        let exhausted = text(&format!("x-ratelimit-remaining-{kind}")).map(|left| left == "0");
        Some((exhausted, wait))
    };
    let windows: Vec<_> = ["requests", "tokens"].into_iter().filter_map(window).collect();
    let waits = |said: Option<bool>| windows.iter().filter(move |(is, _)| *is == said).map(|(_, wait)| *wait);
    waits(Some(true)).max().or_else(|| waits(None).min())
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// A duration as Go prints it (`12ms`, `1s`, `6m0s`, `1h2m3.5s`) or Google (`46s`); a bare number is seconds.
pub fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if let Ok(value) = rest.parse::<f64>() {
        return seconds(value);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let value: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += value
            * match &rest[..unit] {
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" | "μs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    seconds(total).filter(|_| !text.trim().is_empty())
}

/// The media type and the base64 text of a `data:` URL; `None` for anything else, also for data that is not base64.
pub fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let kind = head.strip_suffix(";base64")?;
    let kind = kind.split(';').next().unwrap_or(kind);
    Some((if kind.is_empty() { "text/plain" } else { kind }, data))
}

/// `text` with everything percent-encoded that is not a letter, a digit or one of `-._~`; `keep_slash` lets it stand for
/// several path segments.
pub fn percent_encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep_slash && byte == b'/' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(&'static str, &'static str)]) -> Option<u128> {
        let headers = pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
        retry_after(&headers).map(|wait| wait.as_millis())
    }

    #[test]
    fn the_most_exact_hint_wins() {
        assert_eq!(wait(&[("retry-after-ms", "1500"), ("retry-after", "9")]), Some(1_500));
        assert_eq!(wait(&[("retry-after", "9"), ("x-ratelimit-reset-tokens", "1s")]), Some(9_000));
        assert_eq!(wait(&[("retry-after", "0.5")]), Some(500));
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "-3")]), None);
        assert_eq!(wait(&[("retry-after", "nan")]), None);
    }

    #[test]
    fn a_date_is_compared_with_the_answers_own() {
        let date = ("date", "Fri, 20 Nov 2026 07:28:00 GMT");
        assert_eq!(wait(&[("retry-after", "Fri, 20 Nov 2026 07:28:42 GMT"), date]), Some(42_000));
        assert_eq!(wait(&[("retry-after", "Fri, 20 Nov 2026 07:27:00 GMT"), date]), Some(0));
        assert_eq!(wait(&[("retry-after", "Fri, 20 Nov 2026 07:28:42 GMT")]), None);
    }

    #[test]
    fn the_exhausted_window_counts() {
        assert_eq!(
            wait(&[
                ("x-ratelimit-reset-requests", "2m59.5s"),
                ("x-ratelimit-remaining-requests", "40"),
                ("x-ratelimit-reset-tokens", "7.66s"),
                ("x-ratelimit-remaining-tokens", "0"),
            ]),
            Some(7_660)
        );
        assert_eq!(wait(&[("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-reset-tokens", "12ms")]), Some(12));
    }

    #[test]
    fn go_durations() {
        for (text, millis) in
            [("12ms", 12), ("1s", 1_000), ("6m0s", 360_000), ("1h2m3.5s", 3_723_500), ("46s", 46_000), ("3", 3_000)]
        {
            assert_eq!(go_duration(text).map(|d| d.as_millis()), Some(millis), "{text}");
        }
        for text in ["", "s", "1x", "1.2.3s", "abc", "1e999s", "99999999999999999999999h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn data_urls() {
        assert_eq!(data_url("data:image/png;base64,AAA="), Some(("image/png", "AAA=")));
        assert_eq!(data_url("data:audio/wav;rate=8;base64,AA"), Some(("audio/wav", "AA")));
        assert_eq!(data_url("data:,hello"), None);
        assert_eq!(data_url("https://x/y.png"), None);
    }
}
