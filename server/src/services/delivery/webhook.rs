//! What providers tell of their work, each in its own words.

use serde_json::Value;

/// A provider's message, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Names of the request that it may go by, in the order in which they are to be tried.
    pub ids: Vec<String>,
    pub success: bool,
    pub content_type: String,
    pub content: String,
    pub error: Option<String>,
}

/// Reads a provider's message.
pub fn read_webhook(provider: &str, body: &Value) -> Message {
    let texts = |paths: &[&str]| paths.iter().filter_map(|path| text(body, path)).collect::<Vec<String>>();
    let first = |paths: &[&str]| texts(paths).into_iter().next();
    let is = |words: &[&str]| {
        body.get("status")
            .and_then(Value::as_str)
            .is_some_and(|status| words.iter().any(|w| status.eq_ignore_ascii_case(w)))
    };
    let (ids, success, content_type, content) = match provider {
        "ideogram" => (
            texts(&["/request_id", "/id", "/metadata/request_id"]),
            is(&["success", "completed"]),
            "image_url".to_owned(),
            first(&["/image_url", "/output/image_url", "/data/url", "/data/0/url"]),
        ),
        "elevenlabs" => {
            let content = first(&["/audio_url", "/output"]);
            (texts(&["/request_id", "/id", "/metadata/request_id"]), content.is_some(), "audio_url".to_owned(), content)
        }
        "shotstack" => {
            (texts(&["/id", "/request_id"]), is(&["done"]), "video_url".to_owned(), first(&["/url", "/output/url"]))
        }
        _ => {
            let is_failed = body.get("success") == Some(&Value::Bool(false)) || is_given(body.get("error"));
            let kind = first(&["/content_type", "/type"]).unwrap_or_else(|| "text".to_owned());
            (
                texts(&["/request_id", "/id", "/correlation_id"]),
                !is_failed,
                kind,
                first(&["/content", "/output", "/result", "/text"]),
            )
        }
    };
    let said = first(&["/error/message", "/error", "/message", "/detail"]);
    let status = text(body, "/status").map(|status| format!("{provider} reported the status {status}"));
    let error = (!success).then(|| said.or(status).unwrap_or_else(|| format!("{provider} reported a failure")));
    Message { ids, success, content_type, content: content.unwrap_or_default(), error }
}

fn is_given(value: Option<&Value>) -> bool {
    !matches!(value, None | Some(Value::Null | Value::Bool(false))) && value.and_then(Value::as_str) != Some("")
}

/// What is at a place, as text; what is empty counts as absent.
fn text(body: &Value, path: &str) -> Option<String> {
    match body.pointer(path)? {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_provider_is_read_by_its_own_words() {
        let cases = [
            (
                "ideogram",
                json!({"id": "a", "request_id": "b", "status": "completed", "output": {"image_url": "u"}}),
                ("b", true, "image_url", "u"),
            ),
            (
                "ideogram",
                json!({"metadata": {"request_id": "m"}, "status": "SUCCESS", "data": {"url": "u"}}),
                ("m", true, "image_url", "u"),
            ),
            ("ideogram", json!({"id": "a", "status": "failed"}), ("a", false, "image_url", "")),
            ("elevenlabs", json!({"id": "a", "audio_url": "u", "output": "o"}), ("a", true, "audio_url", "u")),
            ("elevenlabs", json!({"id": "a", "output": "o"}), ("a", true, "audio_url", "o")),
            ("elevenlabs", json!({"id": "a"}), ("a", false, "audio_url", "")),
            (
                "shotstack",
                json!({"id": "a", "request_id": "b", "status": "done", "url": "u"}),
                ("a", true, "video_url", "u"),
            ),
            ("shotstack", json!({"request_id": "b", "status": "rendering"}), ("b", false, "video_url", "")),
            ("acme", json!({"correlation_id": "c", "result": "r", "text": "t"}), ("c", true, "text", "r")),
            ("acme", json!({"id": 7, "type": "json", "output": {"a": 1}}), ("7", true, "json", "{\"a\":1}")),
            ("acme", json!({"id": "a", "success": false, "content": "x"}), ("a", false, "text", "x")),
            ("acme", json!({"id": "a", "error": {"message": "no"}}), ("a", false, "text", "")),
            ("acme", json!({"id": "a", "error": "", "content": "x"}), ("a", true, "text", "x")),
        ];
        for (provider, body, (id, success, kind, content)) in cases {
            let read = read_webhook(provider, &body);
            let found = (read.ids[0].as_str(), read.success, read.content_type.as_str(), read.content.as_str());
            assert_eq!(found, (id, success, kind, content), "{provider} {body}");
            assert_eq!(read.error.is_some(), !success);
        }
        assert!(read_webhook("acme", &json!({"content": "x", "id": ""})).ids.is_empty());
        assert_eq!(read_webhook("acme", &json!({"error": {"message": "no"}})).error.as_deref(), Some("no"));
        assert_eq!(
            read_webhook("ideogram", &json!({"status": "failed"})).error.as_deref(),
            Some("ideogram reported the status failed")
        );
    }
}
