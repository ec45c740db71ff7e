//! Takes secrets out of text that goes into a log: values of known shapes, and whatever stands behind a telling name.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Regex, RegexSet};

/// What is looked for, and what is written in its place.
const SHAPES: &[(&str, &str)] = &[
    // Our own keys keep their last four characters, by which people know them.
    (r"\b(sk_(?:live|test)_)[0-9A-Za-z]{8,}([0-9A-Za-z]{4})\b", "$1...$2"),
    (r"\bsk_(?:live|test)_[0-9A-Za-z]+", "***"),
    (r"\bsk-[0-9A-Za-z_\-]{8,}", "sk-***"),
    (r"\bAIza[0-9A-Za-z_\-]{20,}", "***"),
    (r"\b(?:gsk_|xai-|pplx-|hf_|r8_|whsec_|whsk_|ghp_|AKIA)[0-9A-Za-z_\-+/=]{12,}", "***"),
    // A JSON web token.
    (r"\beyJ[0-9A-Za-z_\-]{8,}\.[0-9A-Za-z_\-]+\.[0-9A-Za-z_\-]*", "***"),
    (r#"(?i)\b(bearer\s+)[^\s"',;]+"#, "$1***"),
    (r"(?i)\b(basic\s+)[0-9A-Za-z+/]{12,}=*", "$1***"),
    (r#"(?i)\b((?:set-)?cookie"?\s*[:=]\s*"?)[^\r\n"]+"#, "$1***"),
    (r#"\b(de_session=)[^;\s"',]+"#, "$1***"),
    (r#"(?i)([?&](?:key|api[_-]?key|token|access_token|secret|sig|signature|password)=)[^&\s"'#]+"#, "$1***"),
    (
        r#"(?i)\b((?:x-)?(?:goog-)?(?:api[_-]?key|authorization|password|passwd|secret|client_secret|access_token|refresh_token|private_key)["']?\s*[:=]\s*["']?)[^\s"',;&}]+"#,
        "$1***",
    ),
    // The password in an address.
    (r"([a-z][a-z0-9+.\-]*://[^\s/:@]*:)[^\s/@]+@", "$1***@"),
];

/// Names of fields whose value is not written at all.
const NAMES: &[&str] = &[
    "api_key",
    "authorization",
    "cookie",
    "cookies",
    "credential",
    "encryption_key",
    "key",
    "password",
    "secret",
    "set-cookie",
    "token",
    "x-api-key",
];

struct Shapes {
    any: RegexSet,
    each: Vec<(Regex, &'static str)>,
}

static COMPILED: LazyLock<Option<Shapes>> = LazyLock::new(|| {
    let each = SHAPES.iter().map(|(shape, put)| Regex::new(shape).map(|regex| (regex, *put))).collect::<Result<_, _>>();
    Some(Shapes { any: RegexSet::new(SHAPES.iter().map(|(shape, _)| shape)).ok()?, each: each.ok()? })
});

/// The text without secrets.
pub fn redact(text: &str) -> Cow<'_, str> {
    // Without shapes nothing can be told apart, so nothing is shown; a test sees to it that they compile.
    let Some(shapes) = &*COMPILED else { return Cow::Borrowed("***") };
    let found = shapes.any.matches(text);
    let mut text = Cow::Borrowed(text);
    for index in &found {
        let (shape, put) = &shapes.each[index];
        text = Cow::Owned(shape.replace_all(&text, *put).into_owned());
    }
    text
}

/// Whether a field of this name holds a secret, whatever it looks like.
pub fn is_secret_name(name: &str) -> bool {
    NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_known_shapes_are_taken_out() {
        let own = format!("sk_live_{}", "0123456789abcdef".repeat(4));
        assert_eq!(redact(&format!("the key {own} expired")), "the key sk_live_...cdef expired");
        for (text, safe) in [
            ("Incorrect API key provided: sk-proj-abcdefghijkl_mnop.", "Incorrect API key provided: sk-***."),
            ("x sk-ant-api03-abcdefgh y", "x sk-*** y"),
            ("sk_test_0123", "***"),
            ("Authorization: Bearer abc.def-ghi", "Authorization: *** ***"),
            ("authorization=bearer zzz", "authorization=*** ***"),
            ("sent bearer tok123, refused", "sent bearer ***, refused"),
            ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
            ("cookie: a=1; de_session=abc; instance=x", "cookie: ***"),
            ("Set-Cookie: de_session=abc; HttpOnly", "Set-Cookie: ***"),
            ("the pair de_session=abc123 was old", "the pair de_session=*** was old"),
            ("GET https://g.example/v1?alt=sse&key=AbC123&x=1", "GET https://g.example/v1?alt=sse&key=***&x=1"),
            ("/models?key=abc", "/models?key=***"),
            (r#"{"api_key": "abc", "model": "m"}"#, r#"{"api_key": "***", "model": "m"}"#),
            ("x-api-key: abc", "x-api-key: ***"),
            ("AIzaSyA1234567890abcdefghijklmnop", "***"),
            ("gsk_abcdefghijklmnop", "***"),
            ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "***"),
            ("postgres://me:hunter2@db/x", "postgres://me:***@db/x"),
            ("password=hunter2 wrong", "password=*** wrong"),
        ] {
            assert_eq!(redact(text), safe);
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "cannot write the request log; trying again",
            "the model \"gpt-4o\" does not exist",
            "task-runner-of-long-name, risk-assessment",
            "http://127.0.0.1:3000/v1/chat/completions?limit=5",
            "a basic question about keys",
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
