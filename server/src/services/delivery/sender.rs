//! Tells our callers' addresses: calls are taken from the outbox in small batches and made side by side. A receiver that
//! does not answer has only so many calls under way and then rests, so that it holds up nobody else.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use reqwest::{StatusCode, Url, header};
use tokio::{sync::Notify, task::JoinSet};

use super::{
    addresses::{self, Addresses},
    signature::sign,
};
use crate::{
    clock::Clock,
    services::vault::Vault,
    shutdown::Tasks,
    store::{
        Db, StoreError,
        outbox::{CallAttempt, CallEnd, OutboxRow},
        rows::without_nul,
    },
};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
/// The wait before each attempt.
const SCHEDULE_US: [i64; 10] = [
    0,
    5 * SECOND_US,
    5 * MINUTE_US,
    30 * MINUTE_US,
    2 * HOUR_US,
    5 * HOUR_US,
    10 * HOUR_US,
    14 * HOUR_US,
    20 * HOUR_US,
    24 * HOUR_US,
];
/// The longest wait that a receiver may ask for.
const LONGEST_WAIT_US: i64 = 24 * HOUR_US;
/// How long a receiver has for its answer.
const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A call that nobody ended for so long is made again.
const LEASE_US: i64 = 60 * SECOND_US;
/// Calls at a time, of all receivers and of one.
const AT_ONCE: usize = 64;
const OF_ONE: usize = 4;
/// So many failures in a row, and a receiver rests for so long; twice as long with each further one.
const FAILURES: u32 = 5;
const REST_US: i64 = 10 * SECOND_US;
const LONGEST_REST_US: i64 = 10 * MINUTE_US;
/// Due calls that one look goes through.
const PAGE: i64 = 500;
const PAGES: usize = 20;
/// Longest wait between two looks.
const POLL: Duration = Duration::from_secs(1);
/// So much of an answer is kept.
const KEPT_BYTES: usize = 16_384;
/// When the process stops, calls have so long to end.
const GRACE: Duration = Duration::from_secs(5);

/// Makes the calls of the outbox.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    vault: Vault,
    client: reqwest::Client,
    addresses: Addresses,
    receivers: Mutex<HashMap<String, Receiver>>,
    told: Arc<Notify>,
    /// A call has ended: there is room.
    room: Notify,
}

/// What is known of a receiver. One of which nothing is known is not kept.
#[derive(Debug, Default)]
struct Receiver {
    running: usize,
    /// In a row.
    failures: u32,
    rests_until_us: i64,
}

/// What became of an attempt.
struct Answer {
    status: Option<i64>,
    error: Option<String>,
    text: Option<String>,
    /// The receiver wants to be left alone so long.
    wait_us: Option<i64>,
    /// Trying again cannot help.
    is_final: bool,
    /// The receiver is not well.
    is_down: bool,
}

impl Sender {
    pub fn start(
        db: Db,
        clock: Clock,
        vault: Vault,
        addresses: Addresses,
        told: Arc<Notify>,
        tasks: &Tasks,
    ) -> Result<(), reqwest::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(addresses.clone()))
            // A proxy would look names up in our place.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(2)
            .user_agent(concat!("distributed-electrons/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let receivers = Mutex::default();
        let sender =
            Self(Arc::new(Inner { db, clock, vault, client, addresses, receivers, told, room: Notify::new() }));
        let owner = tasks.clone();
        tasks.keep("callbacks", move || sender.clone().run(owner.clone()));
        Ok(())
    }

    async fn run(self, tasks: Tasks) {
        let own = &self.0;
        let stop = tasks.token();
        own.receivers.lock().clear();
        let mut calls = JoinSet::new();
        while !stop.is_cancelled() {
            let told = own.told.notified();
            while calls.try_join_next().is_some() {}
            let round = own.look(AT_ONCE.saturating_sub(calls.len())).await;
            tasks.ran("callbacks", &round);
            for row in round.unwrap_or_default() {
                let own = own.clone();
                calls.spawn(async move { own.make(row).await });
            }
            let wait = POLL.mul_f64(0.75 + own.clock.fraction() / 2.0);
            tokio::select! {
                () = stop.cancelled() => {}
                () = told => {}
                () = own.room.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        // What does not end in time is made again, by whoever comes after us.
        let _ = tokio::time::timeout(GRACE, async { while calls.join_next().await.is_some() {} }).await;
    }
}

impl Inner {
    /// Takes calls that are due, of each receiver only as many as it may have.
    async fn look(&self, room: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let now_us = self.clock.now_us();
        let mut chosen: Vec<String> = Vec::new();
        let mut planned: HashMap<String, usize> = HashMap::new();
        let mut place: Option<(i64, String)> = None;
        for _ in 0..PAGES {
            if chosen.len() >= room {
                break;
            }
            let after = place.as_ref().map(|(at, id)| (*at, id.as_str()));
            let page = self.db.due_calls(now_us, after, PAGE).await?;
            let is_last = i64::try_from(page.len()).is_ok_and(|count| count < PAGE);
            place = page.last().map(|call| (call.next_attempt_us, call.id.clone()));
            let mut resting: HashMap<i64, Vec<String>> = HashMap::new();
            for call in page {
                let host = receiver(&call.url);
                let (most, rests_until_us) = self.room_of(&host, now_us);
                if rests_until_us > now_us {
                    resting.entry(rests_until_us).or_default().push(call.id);
                    continue;
                }
                let count = planned.entry(host).or_default();
                if *count < most && chosen.len() < room {
                    *count += 1;
                    chosen.push(call.id);
                }
            }
            for (until_us, ids) in resting {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.db.defer_calls(&ids, until_us, now_us).await?;
            }
            if is_last {
                break;
            }
        }
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = chosen.iter().map(String::as_str).collect();
        let rows = self.db.take_calls(&ids, now_us + LEASE_US, now_us).await?;
        let mut receivers = self.receivers.lock();
        for row in &rows {
            receivers.entry(receiver(&row.url)).or_default().running += 1;
        }
        Ok(rows)
    }

    /// How many more calls a receiver may have, and until when it rests.
    fn room_of(&self, host: &str, now_us: i64) -> (usize, i64) {
        let receivers = self.receivers.lock();
        let Some(known) = receivers.get(host) else { return (OF_ONE, 0) };
        // After a rest, one call tries whether it is well again.
        let most = if known.failures >= FAILURES { 1 } else { OF_ONE };
        let rests_until_us = if known.rests_until_us > now_us { known.rests_until_us } else { 0 };
        (most.saturating_sub(known.running), rests_until_us)
    }

    async fn make(&self, row: OutboxRow) {
        let host = receiver(&row.url);
        let (began, started_us) = (Instant::now(), self.clock.now_us());
        let answer = self.send(&row).await;
        let duration_us = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.note(&host, answer.is_down);
        self.end(&row, answer, started_us, duration_us).await;
        self.room.notify_one();
    }

    /// What a call's end tells of its receiver.
    fn note(&self, host: &str, is_down: bool) {
        let now_us = self.clock.now_us();
        let mut receivers = self.receivers.lock();
        let Some(known) = receivers.get_mut(host) else { return };
        known.running = known.running.saturating_sub(1);
        if is_down {
            known.failures = known.failures.saturating_add(1);
            if known.failures >= FAILURES {
                let rest_us = REST_US.saturating_mul(1 << (known.failures - FAILURES).min(10)).min(LONGEST_REST_US);
                known.rests_until_us = now_us + rest_us;
            }
        } else {
            known.failures = 0;
        }
        if known.running == 0 && known.failures == 0 {
            receivers.remove(host);
        }
    }

    /// Writes down what came of a call; while the database is away it waits as long as the call is its own.
    async fn end(&self, row: &OutboxRow, answer: Answer, started_us: i64, duration_us: i64) {
        let attempt = CallAttempt {
            outbox_id: row.id.clone(),
            attempt: row.attempts + 1,
            started_us,
            duration_us,
            http_status: answer.status,
            error: answer.error,
            answer: answer.text,
        };
        let now_us = self.clock.now_us();
        let next = usize::try_from(attempt.attempt).ok().and_then(|made| SCHEDULE_US.get(made));
        let (state, next_attempt_us) = match (&attempt.error, next) {
            (None, _) => ("delivered", now_us),
            (Some(_), Some(wait_us)) if !answer.is_final => {
                let jittered = (*wait_us as f64 * (0.9 + self.clock.fraction() / 5.0)) as i64;
                ("pending", now_us + jittered.max(answer.wait_us.unwrap_or(0).min(LONGEST_WAIT_US)))
            }
            _ => ("failed", now_us),
        };
        if let Some(error) = &attempt.error {
            let (id, attempt) = (&row.id, attempt.attempt);
            tracing::warn!(callback = id, request_id = row.request_id, attempt, state, error, "a callback failed");
        }
        let end = CallEnd { attempt: &attempt, epoch: row.epoch, state, next_attempt_us, now_us };
        let mut wait = Duration::from_millis(50);
        while let Err(error) = self.db.end_call(&end).await {
            tracing::warn!(%error, callback = row.id, "what came of a callback cannot be written");
            if self.clock.now_us() > row.lease_until_us.unwrap_or(0) {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    async fn send(&self, row: &OutboxRow) -> Answer {
        let url = match self.addresses.check(&row.url) {
            Ok(url) => url,
            Err(refused) => return Answer::refused(&refused),
        };
        let signatures = match self.signatures(row).await {
            Ok(signatures) => signatures,
            Err(error) => return Answer::failed(format!("it cannot be signed: {error}")),
        };
        let (timestamp_s, signatures) = signatures;
        let request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &row.id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signatures)
            .body(row.body.clone());
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                if let Some(refused) = addresses::refusal(&error) {
                    return Answer::refused(refused);
                }
                return Answer { is_down: true, ..Answer::failed(unanswered(&error)) };
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let text = beginning(response).await;
        let error = match status {
            status if status.is_success() => None,
            status if status.is_redirection() => {
                let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                Some(format!("HTTP {}: redirects are not followed (to {})", status.as_u16(), shortened(to)))
            }
            StatusCode::GONE => Some("HTTP 410: the receiver wants no more of it".to_owned()),
            status => Some(format!("HTTP {}", status.as_u16())),
        };
        let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        Answer {
            status: Some(i64::from(status.as_u16())),
            error,
            text: Some(text),
            wait_us: retry_after.and_then(|value| wait_us(value, self.clock.now_us())),
            is_final: status == StatusCode::GONE,
            is_down: matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }

    /// The time of this attempt, and the signatures that are valid at it.
    async fn signatures(&self, row: &OutboxRow) -> Result<(i64, String), StoreError> {
        let now_us = self.clock.now_us();
        let timestamp_s = now_us.div_euclid(SECOND_US);
        let (version, until_us) = self.db.callback_secret(&row.instance_id).await?;
        let signed =
            |version: i64| sign(&secret(&self.vault, &row.instance_id, version), &row.id, timestamp_s, &row.body);
        let mut signatures = signed(version);
        if until_us > now_us && version > 1 {
            signatures = format!("{signatures} {}", signed(version - 1));
        }
        Ok((timestamp_s, signatures))
    }
}

/// What an instance's callbacks are signed with.
pub fn secret(vault: &Vault, instance_id: &str, version: i64) -> [u8; 32] {
    vault.derive(&["callback secret", instance_id, &version.to_string()])
}

impl Answer {
    fn failed(error: String) -> Self {
        Self { status: None, error: Some(error), text: None, wait_us: None, is_final: false, is_down: false }
    }

    fn refused(refused: &addresses::Refused) -> Self {
        Self { is_final: true, ..Self::failed(refused.to_string()) }
    }
}

/// Who is called: scheme, host and port.
fn receiver(url: &str) -> String {
    Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

/// Why there was no answer. The address itself may hold a secret.
fn unanswered(error: &reqwest::Error) -> String {
    let what = match error {
        error if error.is_timeout() && error.is_connect() => "no connection in time",
        error if error.is_timeout() => "no answer in time",
        error if error.is_connect() => "no connection",
        _ => "the call broke off",
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let is_said = std::ptr::addr_eq(cause, std::ptr::from_ref(error)) || error.is_timeout();
    if is_said { what.to_owned() } else { format!("{what}: {}", shortened(&cause.to_string())) }
}

fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

/// The first of an answer; the rest is not read.
async fn beginning(mut response: reqwest::Response) -> String {
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < KEPT_BYTES {
        match response.chunk().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece[..piece.len().min(KEPT_BYTES - bytes.len())]),
            _ => break,
        }
    }
    without_nul(&String::from_utf8_lossy(&bytes)).into_owned()
}

/// `Retry-After`: seconds or a date.
fn wait_us(value: &str, now_us: i64) -> Option<i64> {
    if let Ok(seconds) = value.trim().parse::<i64>() {
        return Some(seconds.max(0).saturating_mul(SECOND_US));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    Some((at.as_microsecond() - now_us).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_ask_for_time_in_seconds_or_by_date() {
        assert_eq!(wait_us(" 7 ", 0), Some(7_000_000));
        assert_eq!(wait_us("-7", 0), Some(0));
        assert_eq!(wait_us("Fri, 20 Nov 2026 00:01:00 GMT", 1_795_132_800_000_000), Some(60_000_000));
        assert_eq!(wait_us("Fri, 20 Nov 2026 00:01:00 GMT", 1_795_132_900_000_000), Some(0));
        assert_eq!(wait_us("soon", 0), None);
    }

    #[test]
    fn a_receiver_is_its_origin() {
        assert_eq!(receiver("https://a.example/x?y=1"), receiver("https://a.example:443/z"));
        assert_ne!(receiver("https://a.example/"), receiver("https://a.example:8443/"));
    }

    #[test]
    fn ten_attempts_take_three_days() {
        assert_eq!(SCHEDULE_US.iter().sum::<i64>(), ((75 * 60 + 35) * 60 + 5) * SECOND_US);
    }
}
