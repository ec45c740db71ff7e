//! Anthropic's errors.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::providers::{ErrorClass, ProviderError, wire};

/// Reads a non-2xx answer.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
    let mut error = describe(Some(status.as_u16()), body).with_status(status.as_u16());
    error.retry_after = wire::retry_after(headers);
    // A spent monthly allowance looks like a rate limit without a wait.
    let retry = headers.get("x-should-retry").is_some_and(|value| value == "true");
    if error.class == ErrorClass::RateLimit && error.retry_after.is_none() && !retry {
        error.class = ErrorClass::Billing;
    }
    error
}

/// Reads an error inside a 200 answer or a stream.
pub fn inside_answer(body: &[u8]) -> ProviderError {
    describe(None, body)
}

fn describe(status: Option<u16>, body: &[u8]) -> ProviderError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &value["error"];
    let kind = wire::text_of(&error["type"]);
    let message = wire::text_of(&error["message"]).or_else(|| wire::text_of(error));
    let message = message.unwrap_or_else(|| wire::plain_message(status, body));
    let class = match kind.as_deref() {
        Some("invalid_request_error") if speaks_of_money(&message) => ErrorClass::Billing,
        Some("invalid_request_error" | "request_too_large" | "conflict_error") => ErrorClass::Invalid,
        Some("authentication_error" | "permission_error") => ErrorClass::Auth,
        Some("billing_error") => ErrorClass::Billing,
        Some("not_found_error") => ErrorClass::NotFound,
        Some("rate_limit_error") => ErrorClass::RateLimit,
        Some("overloaded_error") => ErrorClass::Overloaded,
        Some("api_error" | "timeout_error") => ErrorClass::Upstream,
        _ => status.map_or(ErrorClass::Upstream, wire::class_of_status),
    };
    ProviderError { kind, ..ProviderError::new(class, message) }
}

/// Spend limits and empty accounts come as ordinary invalid requests.
fn speaks_of_money(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["credit balance", "spend limit", "usage limit", "billing"].iter().any(|words| message.contains(words))
}
