//! Error bodies of OpenAI and of the many servers that imitate it.

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::providers::{ErrorClass, ProviderError, wire};

/// Reads a non-2xx answer in any of the shapes in use: nested (`{"error":{…}}`, `{"error":"…"}`, a list of it), flat
/// (vLLM, Mistral), and `{"detail":…}`.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
    let status = status.as_u16();
    let value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let mut error = describe(Some(status), &value, body).with_status(status);
    error.retry_after = wire::retry_after(headers);
    error
}

/// Reads an error that came inside a 200 answer or a stream. A numeric code in the range of HTTP statuses is taken for
/// the status the provider would have answered with.
pub fn inside_answer(value: &Value) -> ProviderError {
    let code = object(value).and_then(|error| error.get("code")).and_then(Value::as_u64);
    let status = code.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
    let mut error = describe(status, value, b"");
    error.status = status;
    error
}

fn object(value: &Value) -> Option<&Map<String, Value>> {
    let value = if let Value::Array(list) = value { list.first()? } else { value };
    value.get("error").and_then(Value::as_object).or_else(|| value.as_object())
}

fn describe(status: Option<u16>, value: &Value, body: &[u8]) -> ProviderError {
    let empty = Map::new();
    let error = object(value).unwrap_or(&empty);
    let text = |key: &str| error.get(key).and_then(wire::text_of);
    let code = text("code");
    // Google's OpenAI face puts the canonical name into `status`.
    let kind = text("type").or_else(|| text("status").filter(|word| word.parse::<u16>().is_err()));
    let message = message(error).or_else(|| value.as_str().map(str::to_owned));
    let message = message.unwrap_or_else(|| wire::plain_message(status, body));
    let words = [code.as_deref(), kind.as_deref(), error.get("innererror").and_then(|e| e.get("code")?.as_str())];
    let class = words.into_iter().flatten().find_map(class_of_word).unwrap_or_else(|| {
        let moderated = error.get("metadata").is_some_and(|m| m.get("reasons").or(m.get("flagged_input")).is_some());
        match status {
            Some(403) if moderated => ErrorClass::ContentFilter,
            Some(status) => wire::class_of_status(status),
            None => ErrorClass::Upstream,
        }
    });
    ProviderError { code, kind, param: text("param"), ..ProviderError::new(class, message) }
}

fn message(error: &Map<String, Value>) -> Option<String> {
    ["message", "detail", "error", "error_message"]
        .into_iter()
        .find_map(|key| match error.get(key)? {
            Value::Object(inner) => message(inner),
            Value::Array(list) => Some(list.iter().filter_map(validation).collect::<Vec<_>>().join("; ")),
            value => wire::text_of(value),
        })
        .filter(|text| !text.is_empty())
}

/// One entry of the list that validating servers answer: `{"loc":["body","messages"],"msg":"Field required"}`.
fn validation(entry: &Value) -> Option<String> {
    let text = entry.get("msg").or(entry.get("message")).and_then(wire::text_of).or_else(|| wire::text_of(entry))?;
    let place = entry.get("loc").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let place: Vec<_> = place.iter().filter_map(wire::text_of).collect();
    Some(if place.is_empty() { text } else { format!("{}: {text}", place.join(".")) })
}

fn class_of_word(word: &str) -> Option<ErrorClass> {
    Some(match word {
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" | "billing_error" => {
            ErrorClass::Billing
        }
        word if word.starts_with("credit_") => ErrorClass::Billing,
        "content_policy_violation" | "moderation_blocked" | "content_filter" | "ResponsibleAIPolicyViolation" => {
            ErrorClass::ContentFilter
        }
        "model_not_found" => ErrorClass::NotFound,
        "server_is_overloaded"
        | "slow_down"
        | "capacity_exceeded"
        | "overloaded_error"
        | "unavailable_error"
        | "service_unavailable_error" => ErrorClass::Overloaded,
        "rate_limit_exceeded" => ErrorClass::RateLimit,
        "context_length_exceeded" | "string_above_max_length" => ErrorClass::Invalid,
        "invalid_api_key" => ErrorClass::Auth,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn class(status: u16, body: &str) -> (ErrorClass, String) {
        let error = read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.status, Some(status));
        (error.class, error.message)
    }

    #[test]
    fn every_class_and_shape() {
        use ErrorClass::*;
        for (status, body, expected, message) in [
            (
                401,
                json!({"error": {"message": "bad key", "type": "invalid_request_error", "code": "invalid_api_key"}}),
                Auth,
                "bad key",
            ),
            (
                403,
                json!({"error": {"message": "country", "code": "unsupported_country_region_territory"}}),
                Auth,
                "country",
            ),
            (
                403,
                json!({"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"]}}}),
                ContentFilter,
                "flagged",
            ),
            (402, json!({"error": {"code": 402, "message": "no credits"}}), Billing, "no credits"),
            (
                429,
                json!({"error": {"message": "quota", "type": "insufficient_quota", "code": "insufficient_quota"}}),
                Billing,
                "quota",
            ),
            (
                429,
                json!({"error": {"message": "quota", "type": "insufficient_quota", "code": "credit_balance_exhausted"}}),
                Billing,
                "quota",
            ),
            (
                429,
                json!({"error": {"message": "slow", "type": "tokens", "code": "rate_limit_exceeded"}}),
                RateLimit,
                "slow",
            ),
            (429, json!({"object": "error", "message": "slow", "type": "rate", "code": "1300"}), RateLimit, "slow"),
            (
                503,
                json!({"error": {"message": "busy", "type": "service_unavailable_error", "code": "slow_down"}}),
                Overloaded,
                "busy",
            ),
            (
                503,
                json!({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
                Overloaded,
                "Loading model",
            ),
            (498, json!({"error": {"message": "flex", "code": "capacity_exceeded"}}), Overloaded, "flex"),
            (400, json!({"error": {"message": "too long", "code": "context_length_exceeded"}}), Invalid, "too long"),
            (
                400,
                json!({"object": "error", "message": "bad", "type": "BadRequestError", "param": null, "code": 400}),
                Invalid,
                "bad",
            ),
            (400, json!({"error": {"message": "no", "code": "content_policy_violation"}}), ContentFilter, "no"),
            (
                400,
                json!({"error": {"message": "no", "code": "moderation_blocked", "type": "image_generation_user_error"}}),
                ContentFilter,
                "no",
            ),
            (404, json!({"error": {"message": "gone", "code": "model_not_found"}}), NotFound, "gone"),
            (408, json!({"error": {"code": 408, "message": "timed out"}}), Timeout, "timed out"),
            (409, json!({"error": {"message": "conflict"}}), Invalid, "conflict"),
            (
                422,
                json!({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra"}]}),
                Invalid,
                "body.seed: Extra inputs are not permitted",
            ),
            (
                422,
                json!({"object": "error", "message": {"detail": [{"loc": ["body"], "msg": "bad"}]}}),
                Invalid,
                "body: bad",
            ),
            (422, json!({"detail": "bad"}), Invalid, "bad"),
            (
                429,
                json!([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}]),
                RateLimit,
                "quota",
            ),
            (500, json!({"error": {"message": "oops", "type": "server_error", "code": null}}), Upstream, "oops"),
            (500, json!({"error": "plain"}), Upstream, "plain"),
            (500, json!({"error": {}}), Upstream, "the provider answered with status 500"),
        ] {
            assert_eq!(class(status, &body.to_string()), (expected, message.to_owned()), "{status} {body}");
        }
        assert_eq!(class(502, "<html>nginx</html>"), (Upstream, "the provider answered with status 502".to_owned()));
        assert_eq!(class(504, "upstream timed out\n"), (Upstream, "upstream timed out".to_owned()));
        assert_eq!(class(529, ""), (Overloaded, "the provider answered with status 529".to_owned()));
    }

    #[test]
    fn the_parts_are_kept() {
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("3"))]);
        let body = json!({"error": {"message": "m", "type": "requests", "param": "p", "code": 12}}).to_string();
        let error = read(StatusCode::TOO_MANY_REQUESTS, &headers, body.as_bytes());
        assert_eq!(error.code.as_deref(), Some("12"));
        assert_eq!(error.kind.as_deref(), Some("requests"));
        assert_eq!(error.param.as_deref(), Some("p"));
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn an_error_inside_an_answer_uses_its_own_code() {
        let error = inside_answer(&json!({"error": {"code": 429, "message": "slow"}}));
        assert_eq!((error.class, error.status), (ErrorClass::RateLimit, Some(429)));
        let error = inside_answer(&json!({"error": {"message": "oops", "type": "server_error"}}));
        assert_eq!((error.class, error.status), (ErrorClass::Upstream, None));
        let error = inside_answer(&json!({"error": "oops"}));
        assert_eq!((error.class, error.message.as_str()), (ErrorClass::Upstream, "oops"));
    }
}
