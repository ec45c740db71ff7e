//! Why there is no (whole) answer, and what a person can do about it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The error of the public API as it arrived, or our own where none arrived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiError {
    /// HTTP status; 0 when the call never got an answer. In a stream it is the status the error would have had, or 0.
    pub status: u16,
    pub message: String,
    pub kind: Option<String>,
    pub code: Option<String>,
    pub param: Option<String>,
    /// `caller`, `gateway` or `provider`.
    pub source: Option<String>,
    pub retry_after_s: Option<u64>,
    pub request_id: Option<String>,
}

/// What an error card says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub title: &'static str,
    /// Whose fault it is, as a label.
    pub origin: &'static str,
    pub advice: &'static str,
    /// Where to go, if somewhere helps: text and path.
    pub link: Option<(&'static str, &'static str)>,
}

/// Title, advice and a link.
type Words = (&'static str, &'static str, Option<(&'static str, &'static str)>);

impl ApiError {
    /// Reads the body of an answer that is not 2xx. Bodies that are no JSON (a proxy's page) are not repeated.
    pub fn from_answer(status: u16, body: &str, header: impl Fn(&str) -> Option<String>) -> Self {
        let parsed = serde_json::from_str::<Value>(body).ok();
        let mut error = match parsed.as_ref().and_then(|body| body.get("error")) {
            Some(object @ Value::Object(_)) => Self::from_object(object),
            // The platform's own services say `{"error": "text", "error_code": "…"}`.
            Some(Value::String(message)) => Self {
                message: message.clone(),
                code: parsed.as_ref().and_then(|body| text(body, "error_code")),
                ..Self::default()
            },
            _ => Self { message: format!("The server answered with status {status}."), ..Self::default() },
        };
        error.status = status;
        error.retry_after_s = error.retry_after_s.or_else(|| retry_after(&header));
        error.request_id = error.request_id.or_else(|| header("x-request-id"));
        error
    }

    /// Reads the `error` object of a body or of a stream.
    pub fn from_object(error: &Value) -> Self {
        let status = error.get("status").and_then(Value::as_u64).and_then(|status| status.try_into().ok());
        Self {
            status: status.unwrap_or_default(),
            message: text(error, "message")
                .or_else(|| error.as_str().map(str::to_owned))
                .unwrap_or_else(|| "The answer is an error without words.".to_owned()),
            kind: text(error, "type"),
            code: text(error, "code"),
            param: text(error, "param"),
            source: text(error, "source"),
            retry_after_s: error.get("retry_after").and_then(Value::as_u64),
            request_id: text(error, "request_id"),
        }
    }

    /// The call got no answer at all.
    pub fn unreachable(detail: &str) -> Self {
        Self { message: format!("The call did not get through: {detail}"), ..Self::default() }
    }

    /// Something arrived that cannot be read.
    pub fn unreadable(message: &str) -> Self {
        Self { status: 502, message: message.to_owned(), source: Some("gateway".to_owned()), ..Self::default() }
    }

    /// Whether sending the same again can help.
    pub fn may_retry(&self) -> bool {
        matches!(self.status, 0 | 408 | 429 | 500..)
    }

    pub fn explain(&self) -> Explained {
        let from_provider = self.source.as_deref() == Some("provider");
        let origin = match self.source.as_deref() {
            Some("provider") => "Provider",
            Some("gateway") => "Gateway",
            Some("caller") => "Your request",
            _ => match self.status {
                0 => "Connection",
                400..=499 => "Your request",
                _ => "Gateway",
            },
        };
        let (title, advice, link) =
            self.explain_code().or_else(|| self.explain_status(from_provider)).unwrap_or(if from_provider {
                ("The provider failed", "Send it again, or choose another model.", None)
            } else {
                ("The server failed", "Send it again; the request id finds the reason in the log.", None)
            });
        Explained { title, origin, advice, link }
    }

    /// What the gateway's own code says; it is more exact than the status.
    fn explain_code(&self) -> Option<Words> {
        let words = match self.code.as_deref()? {
            "provider_auth" => (
                "The provider refused the credential",
                "The credential configured for this provider is wrong, expired or lacks a permission.",
            ),
            "missing_api_key" => {
                ("No credential for this provider", "Configure one, switch the simulator on, or choose another model.")
            }
            "insufficient_quota" => {
                ("The provider's credit is used up", "Fill the account at the provider, or choose another model.")
            }
            "provider_stream_cut" => {
                ("The answer was cut off", "The provider broke off. Send it again, or choose another model.")
            }
            "provider_timeout" => {
                ("The provider took too long", "Send it again, ask for a shorter answer, or choose a faster model.")
            }
            "provider_unreachable" => {
                ("The provider cannot be reached", "Check its address and the network of the server.")
            }
            "provider_overloaded" => {
                ("The provider has no capacity", "Send it again in a moment, or choose another model.")
            }
            "content_filter" => ("The provider refused the content", "Change what you ask, or choose another model."),
            _ => return None,
        };
        Some((words.0, words.1, None))
    }

    fn explain_status(&self, from_provider: bool) -> Option<Words> {
        Some(match (self.status, from_provider) {
            (0, true) => ("The provider failed on the way", "Send it again, or choose another model.", None),
            (0, false) if self.source.is_some() || self.kind.is_some() => {
                ("The answer failed on the way", "Send it again; if it happens again, look at the request id.", None)
            }
            (0, false) => (
                "The server did not answer",
                "Check that the server is running and that you are online, then retry.",
                None,
            ),
            (401 | 403, true) => (
                "The provider refused the credential",
                "The credential configured for this provider is wrong, expired or lacks a permission.",
                None,
            ),
            (401, false) => (
                "You are not signed in",
                "Your session has ended. Sign in again; your draft is kept in this browser.",
                Some(("Sign in", "/sign-in?next=/test/text")),
            ),
            (402, _) => {
                ("The budget is used up", "Raise the budget or the provider's credit, or choose another model.", None)
            }
            (403, false) => ("You may not do this", "Choose another model, or ask an administrator for access.", None),
            (404, _) => ("The model was not found", "Choose a model from the list.", None),
            (408 | 504, _) => {
                ("It took too long", "Send it again, ask for a shorter answer, or choose a faster model.", None)
            }
            (413, _) => ("The request is too large", "Remove or shorten messages.", None),
            (429, true) => (
                "The provider is limiting calls",
                "Wait until the time is over, or choose another provider's model.",
                None,
            ),
            (429, false) => {
                ("Too many calls", "A limit of this installation was reached. Wait until the time is over.", None)
            }
            (400..=499, true) => {
                ("The provider refused the request", "Change what the message names, or choose another model.", None)
            }
            (400..=499, false) => {
                ("The request was not accepted", "Change what the message names and send it again.", None)
            }
            (503 | 529, _) => ("No capacity right now", "Send it again in a moment, or choose another model.", None),
            _ => return None,
        })
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Seconds to wait, rounded up. A `Retry-After` that is a date is left out: the browser's clock may be wrong.
fn retry_after(header: &impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |name: &str| header(name)?.trim().parse::<f64>().ok().filter(|value| (0.0..1e9).contains(value));
    let seconds = number("retry-after-ms").map(|ms| ms / 1_000.0).or_else(|| number("retry-after"))?;
    Some(seconds.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_openai_body_is_read() {
        let body = r#"{"error":{"message":"Slow down.","type":"rate_limit_error","code":"rate_limit_exceeded","param":null,"source":"gateway"}}"#;
        let error = ApiError::from_answer(429, body, |name| match name {
            "retry-after" => Some("1.2".into()),
            "x-request-id" => Some("r-1".into()),
            _ => None,
        });
        assert_eq!((error.status, error.message.as_str()), (429, "Slow down."));
        assert_eq!((error.retry_after_s, error.request_id.as_deref()), (Some(2), Some("r-1")));
        assert_eq!(error.explain().origin, "Gateway");
        assert!(error.may_retry());
    }

    #[test]
    fn other_bodies_are_read_too() {
        let error = ApiError::from_answer(400, r#"{"error":"No prompt","error_code":"INVALID_REQUEST"}"#, none);
        assert_eq!((error.message.as_str(), error.code.as_deref()), ("No prompt", Some("INVALID_REQUEST")));
        let page = ApiError::from_answer(502, "<html>nginx</html>", none);
        assert!(!page.message.contains("nginx"));
    }

    #[test]
    fn a_wait_must_be_a_sane_number() {
        for value in ["-1", "nan", "inf", "Fri, 20 Nov 2026 07:28:00 GMT", "1e99"] {
            let error = ApiError::from_answer(429, "{}", |name| (name == "retry-after").then(|| value.to_owned()));
            assert_eq!(error.retry_after_s, None, "{value}");
        }
    }

    #[test]
    fn provider_gateway_and_caller_are_told_apart() {
        let by = |status, source: Option<&str>| {
            ApiError { status, source: source.map(str::to_owned), ..ApiError::default() }.explain()
        };
        assert_eq!(by(401, Some("provider")).title, "The provider refused the credential");
        assert_eq!(by(401, Some("caller")).link.map(|link| link.0), Some("Sign in"));
        assert_eq!(by(429, Some("provider")).origin, "Provider");
        assert_ne!(by(429, Some("provider")).title, by(429, Some("gateway")).title);
        assert_eq!(by(0, None).origin, "Connection");
        assert_eq!(by(400, None).origin, "Your request");
        assert_eq!(by(500, None).origin, "Gateway");
    }

    #[test]
    fn a_code_says_more_than_the_status() {
        let error = ApiError {
            status: 502,
            code: Some("provider_auth".into()),
            source: Some("provider".into()),
            ..ApiError::default()
        };
        assert_eq!(error.explain().title, "The provider refused the credential");
        assert_eq!(ApiError { code: Some("new_code".into()), ..error }.explain().title, "The provider failed");
    }

    #[test]
    fn only_what_can_pass_later_may_be_retried() {
        let may = |status| ApiError { status, ..ApiError::default() }.may_retry();
        assert!([0, 408, 429, 500, 503, 529].into_iter().all(may));
        assert!(![400, 401, 403, 404, 413, 422].into_iter().any(may));
    }
}
