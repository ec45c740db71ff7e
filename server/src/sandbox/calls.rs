//! What the sandbox saw: a bounded record of calls, so that a test can prove what reached the provider and when.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

/// Calls kept; older ones fall out.
const KEPT: usize = 1000;
/// Bodies above this size in bytes are recorded by their size only.
const BODY_LIMIT: usize = 64 * 1024;
/// Headers that carry credentials.
const SECRET: &[&str] = &["authorization", "x-api-key", "x-goog-api-key", "api-key", "xi-api-key", "cookie"];

/// One call as it is told at `GET /_sim/calls`. Times are Unix milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    id: u64,
    provider: &'static str,
    method: String,
    path: String,
    model: Option<String>,
    headers: Map<String, Value>,
    body: Value,
    status: Option<u16>,
    started_ms: u64,
    first_byte_ms: Option<u64>,
    ended_ms: Option<u64>,
    /// `completed`, `client_gone` or `fault:<spec>`; absent while the call runs.
    outcome: Option<String>,
    tokens_sent: u32,
}

/// The ring of calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    next: u64,
    calls: VecDeque<Call>,
}

impl Calls {
    /// Starts the record of a call. Dropping the guard unfinished means that the client left.
    pub(crate) fn start(
        self: &Arc<Self>,
        provider: &'static str,
        method: &str,
        path: &str,
        headers: &HeaderMap,
    ) -> Guard {
        let mut ring = self.ring.lock();
        ring.next += 1;
        let id = ring.next;
        if ring.calls.len() == KEPT {
            ring.calls.pop_front();
        }
        ring.calls.push_back(Call {
            id,
            provider,
            method: method.to_owned(),
            path: path.to_owned(),
            model: None,
            headers: masked(headers),
            body: Value::Null,
            status: None,
            started_ms: now_ms(),
            first_byte_ms: None,
            ended_ms: None,
            outcome: None,
            tokens_sent: 0,
        });
        Guard { calls: Arc::clone(self), id, open: true }
    }

    /// The newest `limit` calls, newest first.
    pub(crate) fn last(&self, limit: usize) -> Vec<Call> {
        self.ring.lock().calls.iter().rev().take(limit).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.ring.lock().calls.clear();
    }

    fn edit(&self, id: u64, change: impl FnOnce(&mut Call)) {
        let mut ring = self.ring.lock();
        let newest = ring.next;
        // Ids count up by one, so the place follows from the distance to the newest; a cleared or old call is gone.
        let place = usize::try_from(newest - id).ok().and_then(|back| ring.calls.len().checked_sub(back + 1));
        if let Some(call) = place.and_then(|place| ring.calls.get_mut(place)) {
            change(call);
        }
    }
}

/// The open end of one call's record.
#[derive(Debug)]
pub(crate) struct Guard {
    calls: Arc<Calls>,
    id: u64,
    open: bool,
}

impl Guard {
    pub(crate) fn body(&self, bytes: &[u8]) {
        let body = match bytes.len() {
            0 => Value::Null,
            size if size > BODY_LIMIT => Value::String(format!("{size} bytes, not kept")),
            _ => serde_json::from_slice(bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned())),
        };
        self.calls.edit(self.id, |call| call.body = body);
    }

    pub(crate) fn model(&self, model: &str) {
        self.calls.edit(self.id, |call| call.model = Some(model.to_owned()));
    }

    pub(crate) fn status(&self, status: u16) {
        self.calls.edit(self.id, |call| call.status = Some(status));
    }

    /// Bytes carrying this many tokens were handed to the connection.
    pub(crate) fn sent(&self, tokens: u32) {
        self.calls.edit(self.id, |call| {
            call.first_byte_ms.get_or_insert_with(now_ms);
            call.tokens_sent = call.tokens_sent.saturating_add(tokens);
        });
    }

    pub(crate) fn finish(&mut self, outcome: &str) {
        if std::mem::take(&mut self.open) {
            self.calls.edit(self.id, |call| {
                call.ended_ms = Some(now_ms());
                call.outcome = Some(outcome.to_owned());
            });
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.finish("client_gone");
    }
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn masked(headers: &HeaderMap) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in headers {
        let text = if SECRET.contains(&name.as_str()) {
            "***".to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let text = match out.get(name.as_str()).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier}, {text}"),
            None => text,
        };
        out.insert(name.as_str().to_owned(), Value::String(text));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_masks_secrets() {
        let calls = Arc::new(Calls::default());
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer sk-secret".parse().unwrap());
        headers.insert("x-tag", "a".parse().unwrap());
        for turn in 0..(KEPT + 5) {
            calls.start("openai", "POST", &format!("/{turn}"), &headers).finish("completed");
        }
        let last = calls.last(usize::MAX);
        assert_eq!(last.len(), KEPT);
        assert_eq!(last[0].path, format!("/{}", KEPT + 4));
        assert_eq!(last[0].headers["authorization"], "***");
        assert_eq!(last[0].headers["x-tag"], "a");
    }

    #[test]
    fn a_dropped_guard_means_the_client_left() {
        let calls = Arc::new(Calls::default());
        let first = calls.start("openai", "POST", "/a", &HeaderMap::new());
        let mut second = calls.start("openai", "POST", "/b", &HeaderMap::new());
        first.sent(3);
        drop(first);
        second.finish("completed");
        drop(second);
        let last = calls.last(10);
        assert_eq!(last[0].outcome.as_deref(), Some("completed"));
        assert_eq!(last[1].outcome.as_deref(), Some("client_gone"));
        assert_eq!(last[1].tokens_sent, 3);
        assert!(last[1].first_byte_ms.is_some() && last[1].ended_ms.is_some());
    }

    #[test]
    fn clearing_while_a_call_runs_is_harmless() {
        let calls = Arc::new(Calls::default());
        let mut guard = calls.start("openai", "POST", "/a", &HeaderMap::new());
        calls.clear();
        let other = calls.start("openai", "POST", "/b", &HeaderMap::new());
        guard.finish("completed");
        assert_eq!(calls.last(10).len(), 1);
        assert_eq!(calls.last(10)[0].outcome, None);
        drop(other);
    }
}
