//! Closed-loop load: each connection sends its next call when the answer to the last one is complete and checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Connection, Result, Timing};
use crate::process;

/// Every answer is checked for its end; one in so many is also parsed and compared word by word.
const FULL_CHECK_EVERY: u64 = 256;

/// Who is called: the product, or one it is compared with.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub address: SocketAddr,
    /// Where chats are posted.
    pub path: String,
    pub key: String,
    /// The process whose CPU time counts, with its children; none for the bare upstream.
    pub pid: Option<u32>,
}

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    pub connections: usize,
    pub stream: bool,
}

/// What one round of a phase gave.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub errors: u64,
    /// The first wrong answer, to know what went wrong.
    pub complaint: Option<String>,
    pub per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub first_token_p50: f64,
    pub first_token_p99: f64,
    /// CPU milliseconds of the target's processes per call; 0 where no process was named.
    pub cpu_per_call: f64,
}

impl Target {
    /// The prepared bytes of one chat call.
    pub fn request(&self, stream: bool) -> Vec<u8> {
        let mut body = serde_json::json!({
            "model": "gpt-5-mini",
            "messages": [
                {"role": "system", "content": "You explain physics to curious people, in plain words and short sentences."},
                {"role": "user", "content": "Why does a copper wire get warm when electrons drift through it so slowly?"},
            ],
            "temperature": 0.2,
            "max_completion_tokens": 400,
        });
        if stream {
            body["stream"] = true.into();
            body["stream_options"] = serde_json::json!({"include_usage": true});
        }
        let body = body.to_string();
        format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: */*\r\nuser-agent: bench\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            self.address,
            self.key,
            body.len()
        )
        .into_bytes()
    }
}

/// The text of an answer, buffered or streamed; `None` when it is not whole.
pub fn text(body: &[u8], stream: bool) -> Option<String> {
    if !stream {
        let answer: Value = serde_json::from_slice(body).ok()?;
        answer["usage"]["total_tokens"].as_u64().filter(|tokens| *tokens > 0)?;
        return Some(answer["choices"][0]["message"]["content"].as_str()?.to_owned());
    }
    let (mut text, mut finished, mut done) = (String::new(), false, false);
    for line in std::str::from_utf8(body).ok()?.lines() {
        let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(data).ok()?;
        let choice = &chunk["choices"][0];
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        finished |= choice["finish_reason"].is_string();
    }
    (finished && done && !text.is_empty()).then_some(text)
}

fn ends_well(connection: &Connection, stream: bool) -> bool {
    let end: &[u8] = if stream { b"[DONE]" } else { b"}" };
    connection.status == 200 && connection.body.trim_ascii_end().ends_with(end)
}

/// Calls once and gives back the text, to know what every later answer must say.
pub async fn expected(target: &Target, stream: bool) -> Result<String> {
    let mut connection = Connection::open(target.address).await?;
    connection.call(&target.request(stream)).await?;
    text(&connection.body, stream).filter(|_| connection.status == 200).ok_or_else(|| {
        std::io::Error::other(format!(
            "{} answered {}: {}",
            target.name,
            connection.status,
            String::from_utf8_lossy(&connection.body)
        ))
    })
}

/// Loads the target for this long, after a warm-up of a quarter of it.
pub async fn run(target: &Target, phase: Phase, length: Duration, text: &str) -> Result<Outcome> {
    let request: Arc<[u8]> = target.request(phase.stream).into();
    let text: Arc<str> = text.into();
    let measured_from = Instant::now() + length / 4;
    let until = measured_from + length;
    let mut loops = Vec::new();
    for _ in 0..phase.connections {
        let (request, text) = (request.clone(), text.clone());
        loops.push(tokio::task::spawn_local(one(target.address, request, phase.stream, text, measured_from, until)));
    }
    tokio::time::sleep_until(measured_from.into()).await;
    let cpu_before = target.pid.map_or(0, process::cpu_ms);
    tokio::time::sleep_until(until.into()).await;
    let cpu = target.pid.map_or(0, process::cpu_ms).saturating_sub(cpu_before);

    let (mut timings, mut errors, mut complaint) = (Vec::new(), 0, None);
    for each in loops {
        let one = each.await?;
        timings.extend(one.timings);
        errors += one.errors;
        complaint = complaint.or(one.complaint);
    }
    let calls = timings.len() as f64;
    let (p50, p99) = percentiles(timings.iter().map(|timing| timing.total).collect());
    let (first_token_p50, first_token_p99) = percentiles(timings.iter().map(|timing| timing.first_token).collect());
    Ok(Outcome {
        errors,
        complaint,
        per_second: calls / length.as_secs_f64(),
        p50,
        p99,
        first_token_p50,
        first_token_p99,
        cpu_per_call: if calls > 0.0 { cpu as f64 / calls } else { 0.0 },
    })
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Loop {
    timings: Vec<Timing>,
    errors: u64,
    complaint: Option<String>,
}

impl Loop {
    fn fault(&mut self, what: impl FnOnce() -> String) {
        self.errors += 1;
        self.complaint.get_or_insert_with(what);
    }
}

async fn one(
    address: SocketAddr,
    request: Arc<[u8]>,
    stream: bool,
    text: Arc<str>,
    measured_from: Instant,
    until: Instant,
) -> Loop {
    let mut done = Loop { timings: Vec::with_capacity(1 << 16), ..Loop::default() };
    let mut calls = 0_u64;
    let mut open = None;
    loop {
        let now = Instant::now();
        if now >= until {
            return done;
        }
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => match Connection::open(address).await {
                Ok(connection) => connection,
                Err(error) => {
                    done.fault(|| error.to_string());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        calls += 1;
        let timing = match connection.call(&request).await {
            Ok(timing) => timing,
            Err(error) => {
                done.fault(|| error.to_string());
                continue;
            }
        };
        let whole = calls % FULL_CHECK_EVERY == 1;
        if !ends_well(&connection, stream)
            || whole && self::text(&connection.body, stream).as_deref() != Some(text.as_ref())
        {
            done.fault(|| format!("{}: {}", connection.status, String::from_utf8_lossy(&connection.body)));
        } else if now >= measured_from && Instant::now() <= until {
            done.timings.push(timing);
        }
        open = Some(connection);
    }
}

/// Median and 99th percentile in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    (at(0.5), at(0.99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_measured_values() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentiles(times), (100.0, 198.0));
        assert_eq!(percentiles(Vec::new()), (0.0, 0.0));
    }

    #[test]
    fn a_stream_needs_its_end() {
        let chunk = r#"data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}"#;
        let last = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        assert_eq!(text(format!("{chunk}\n\n{last}\n\ndata: [DONE]\n\n").as_bytes(), true).as_deref(), Some("Hi"));
        assert_eq!(text(format!("{chunk}\n\n{last}\n\n").as_bytes(), true), None);
        assert_eq!(text(format!("{chunk}\n\ndata: [DONE]\n\n").as_bytes(), true), None);
    }

    #[test]
    fn a_buffered_answer_needs_text_and_usage() {
        let answer = br#"{"choices":[{"message":{"content":"Hi"}}],"usage":{"total_tokens":3}}"#;
        assert_eq!(text(answer, false).as_deref(), Some("Hi"));
        assert_eq!(text(br#"{"choices":[{"message":{"content":"Hi"}}]}"#, false), None);
    }
}
