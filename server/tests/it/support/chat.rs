//! Answers of the server, kept whole.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

/// A buffered answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` when it is not JSON.
    pub body: Value,
}

/// A stream that was read until it ended.
#[derive(Debug)]
pub struct Streamed {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// The `data:` of each event.
    pub events: Vec<String>,
    /// Lines that begin with a colon.
    pub comments: usize,
    /// From the call to the first byte of the body.
    pub first_byte: Duration,
    /// Whether the connection was cut instead of ended.
    pub broken: bool,
}

/// A minimal chat call.
pub fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Say hello to the gardeners."}]})
}

/// The value of a header that must be there.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).unwrap_or_else(|| panic!("no header {name} in {headers:#?}")).to_str().unwrap()
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }

    pub fn request_id(&self) -> String {
        self.header("x-request-id").to_owned()
    }

    /// The text of a chat completion.
    pub fn content(&self) -> &str {
        self.body["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("no text in {}", self.text))
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn failed(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl Streamed {
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }

    pub fn request_id(&self) -> String {
        self.header("x-request-id").to_owned()
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }

    /// The events as JSON, without the end marker.
    pub fn chunks(&self) -> Vec<Value> {
        let json = self.events.iter().filter(|data| *data != "[DONE]");
        json.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
    }

    pub fn is_done(&self) -> bool {
        self.events.last().is_some_and(|data| data == "[DONE]")
    }

    /// The text of all chunks of the first choice.
    pub fn content(&self) -> String {
        let chunks = self.chunks();
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
    }

    /// The only usage chunk; it has no choices.
    pub fn usage(&self) -> Option<Value> {
        let chunks = self.chunks();
        let mut found = chunks.iter().filter(|chunk| chunk["usage"].is_object());
        let usage = found.next().map(|chunk| chunk["usage"].clone());
        assert!(found.next().is_none(), "more than one usage chunk in {}", self.text);
        usage
    }

    /// The error inside the stream.
    pub fn error(&self) -> Option<Value> {
        self.chunks().into_iter().find(|chunk| chunk["error"].is_object()).map(|chunk| chunk["error"].clone())
    }
}

/// The `data:` lines of a stream's text.
pub fn data_lines(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, text, body }
}

pub async fn streamed(request: RequestBuilder) -> Streamed {
    let started = Instant::now();
    let mut response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let (mut bytes, mut first_byte, mut broken) = (Vec::new(), None, false);
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => {
                first_byte.get_or_insert_with(|| started.elapsed());
                bytes.extend_from_slice(&piece);
            }
            Ok(None) => break,
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    Streamed {
        status,
        headers,
        events: data_lines(&text),
        comments: text.lines().filter(|line| line.starts_with(':')).count(),
        first_byte: first_byte.unwrap_or_else(|| started.elapsed()),
        text,
        broken,
    }
}
