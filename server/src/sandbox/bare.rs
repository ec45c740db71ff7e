//! The bare mode: fixed answers to OpenAI chats, rendered once, for measuring what stands in front of them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use memchr::memmem;

/// The base path whose chats are bare.
pub(super) const BASE: &str = "/openai/v1";
/// The only path that is bare.
pub(super) const PATH: &str = "/openai/v1/chat/completions";

/// Content events of the stream: with role, stop, usage and the end marker it has 31 events.
const CONTENTS: [&str; 27] = [
    "This",
    " is",
    " a",
    " simulated",
    " answer",
    " from",
    " the",
    " bare",
    " mode",
    ":",
    " it",
    " is",
    " rendered",
    " once",
    ",\\n",
    "then",
    " sent",
    " to",
    " every",
    " caller",
    " —",
    " with",
    " a",
    " \\\"quote\\\"",
    ",",
    " naïvely",
    " fast.",
];

struct Rendered {
    whole: Bytes,
    events: Vec<Bytes>,
}

static RENDERED: LazyLock<Rendered> = LazyLock::new(|| {
    let usage = "{\"prompt_tokens\":12,\"completion_tokens\":27,\"total_tokens\":39,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}";
    let chunk = |choices: &str, usage: &str| {
        Bytes::from(format!(
            "data: {{\"id\":\"chatcmpl-sim-bare\",\"object\":\"chat.completion.chunk\",\"created\":1763600000,\"model\":\"simulated\",\"system_fingerprint\":\"fp_simulated\",\"choices\":[{choices}],\"usage\":{usage}}}\n\n"
        ))
    };
    let choice = |delta: &str, finish: &str| {
        format!("{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}")
    };
    let mut events = vec![chunk(&choice("{\"role\":\"assistant\",\"content\":\"\"}", "null"), "null")];
    events.extend(CONTENTS.iter().map(|text| chunk(&choice(&format!("{{\"content\":\"{text}\"}}"), "null"), "null")));
    events.push(chunk(&choice("{}", "\"stop\""), "null"));
    events.push(chunk("", usage));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    let whole = Bytes::from(format!(
        "{{\"id\":\"chatcmpl-sim-bare\",\"object\":\"chat.completion\",\"created\":1763600000,\"model\":\"simulated\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{}\",\"refusal\":null,\"annotations\":[]}},\"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":{usage},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_simulated\"}}",
        CONTENTS.concat()
    ));
    Rendered { whole, events }
});

/// A rendered body on its way out.
pub(super) enum BareBody {
    Whole(Option<Bytes>),
    /// The place of the next event.
    Stream(usize),
}

impl Body for BareBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Whole(body) => body.take(),
            Self::Stream(place) => {
                *place += 1;
                RENDERED.events.get(*place - 1).cloned()
            }
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_none(),
            Self::Stream(place) => *place >= RENDERED.events.len(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| u64::try_from(body.len()).unwrap_or(u64::MAX)))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Answers through hyper.
pub(super) async fn answer(mut body: Incoming) -> Result<Response<BareBody>, axum::Error> {
    let mut streamed = false;
    // The word may lie across two reads; what is left of the first is kept in front of the second.
    let mut tail = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(axum::Error::new)?.into_data() else { continue };
        if streamed || (tail.is_empty() && wants_stream(&data)) {
            streamed = true;
            continue;
        }
        if !tail.is_empty() || !body.is_end_stream() {
            tail.extend_from_slice(&data);
            streamed = wants_stream(&tail);
            tail.drain(..tail.len().saturating_sub(16));
        }
    }
    Ok(respond(streamed))
}

/// Answers through axum, where the sandbox's router is part of a larger one.
pub(super) async fn handle(body: Bytes) -> Response<axum::body::Body> {
    respond(wants_stream(&body)).map(axum::body::Body::new)
}

fn wants_stream(body: &[u8]) -> bool {
    static KEY: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\"stream\":"));
    KEY.find(body).is_some_and(|place| body[place + 9..].trim_ascii_start().starts_with(b"true"))
}

fn respond(streamed: bool) -> Response<BareBody> {
    let (kind, body) = if streamed {
        ("text/event-stream", BareBody::Stream(0))
    } else {
        ("application/json", BareBody::Whole(Some(RENDERED.whole.clone())))
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert("x-simulated", HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_fixed_bodies_are_json_and_agree() {
        let whole: Value = serde_json::from_slice(&RENDERED.whole).unwrap();
        assert_eq!(RENDERED.events.len(), 31);
        let mut text = String::new();
        for event in &RENDERED.events[..30] {
            let event: Value = serde_json::from_slice(event.strip_prefix(b"data: ").unwrap()).unwrap();
            text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
            if event["choices"].as_array().unwrap().is_empty() {
                assert_eq!(event["usage"], whole["usage"]);
            }
        }
        assert_eq!(whole["choices"][0]["message"]["content"], text);
        assert_eq!(whole["usage"]["completion_tokens"], 27);
    }

    #[test]
    fn streaming_is_recognised() {
        assert!(wants_stream(br#"{"stream":true}"#));
        assert!(wants_stream(br#"{"stream": true, "model":"m"}"#));
        assert!(!wants_stream(br#"{"stream":false}"#));
        assert!(!wants_stream(br#"{"stream_options":{}}"#));
    }
}
