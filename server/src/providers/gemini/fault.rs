//! Google's errors.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::providers::{ErrorClass, ProviderError, wire};

/// Reads a non-2xx answer.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
    let mut error = describe(Some(status.as_u16()), body).with_status(status.as_u16());
    error.retry_after = wire::retry_after(headers).or(error.retry_after);
    error
}

/// Reads an error inside a 200 answer or a stream; its code is an HTTP status.
pub fn inside_answer(body: &[u8]) -> ProviderError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = object(&value)["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let status = code.filter(|code| (400..600).contains(code));
    ProviderError { status, ..describe(status, body) }
}

/// Whether `body` is an error, alone or in a list.
pub fn is_error(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|value| object(&value).is_object())
}

fn object(value: &Value) -> &Value {
    match value {
        Value::Array(list) => list.first().map_or(&Value::Null, |first| &first["error"]),
        value => &value["error"],
    }
}

fn describe(status: Option<u16>, body: &[u8]) -> ProviderError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = object(&value);
    let message = wire::text_of(&error["message"]).unwrap_or_else(|| wire::plain_message(status, body));
    let kind = wire::text_of(&error["status"]);
    let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
    let reason = details.iter().find_map(|detail| wire::text_of(&detail["reason"]));
    let retry_after: Option<Duration> =
        details.iter().find_map(|detail| wire::go_duration(detail["retryDelay"].as_str()?));
    let lower = message.to_ascii_lowercase();
    let class = match (status, kind.as_deref()) {
        _ if reason.as_deref() == Some("API_KEY_INVALID") => ErrorClass::Auth,
        (Some(402), _) => ErrorClass::Billing,
        // A limit of zero: the model is not part of the account's tier, no wait helps.
        (_, Some("RESOURCE_EXHAUSTED")) if lower.contains("limit: 0") => ErrorClass::Billing,
        (_, Some("RESOURCE_EXHAUSTED")) => ErrorClass::RateLimit,
        (_, Some("FAILED_PRECONDITION")) if lower.contains("billing") => ErrorClass::Billing,
        (_, Some("INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE")) => ErrorClass::Invalid,
        (_, Some("UNAUTHENTICATED" | "PERMISSION_DENIED")) => ErrorClass::Auth,
        (_, Some("NOT_FOUND")) => ErrorClass::NotFound,
        (_, Some("UNAVAILABLE")) => ErrorClass::Overloaded,
        (_, Some("INTERNAL" | "DEADLINE_EXCEEDED" | "UNKNOWN")) => ErrorClass::Upstream,
        (_, Some("UNIMPLEMENTED")) => ErrorClass::Unsupported,
        (Some(status), _) => wire::class_of_status(status),
        (None, _) => ErrorClass::Upstream,
    };
    let code = reason.or_else(|| wire::text_of(&error["code"]));
    ProviderError { code, kind, retry_after, ..ProviderError::new(class, message) }
}
