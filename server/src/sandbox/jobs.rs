//! Jobs of the generic API: submitted, asked for, found again by the caller's reference, cancelled, and told of by
//! callback. What a job shall do wrong comes with its submission and is remembered with it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use parking_lot::Mutex;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::Sim;
use super::dialect::Failure;
use super::exchange::{self, ChatTarget, Exchange, Reply};
use super::faults::Faults;
use super::generic::{Generic, usage};
use crate::providers::transport::is_local;

/// Jobs kept; the oldest are forgotten.
const KEPT: usize = 10_000;
/// Jobs that a list shows.
const LISTED: usize = 100;
/// Polls that find a job running before one finds it done.
const POLLS: u32 = 1;
/// Polls that a job refuses, if it shall.
const REFUSED_POLLS: u32 = 2;
/// How long a job takes that tells its end by itself and shall not end by polls.
const SELF_MADE: Duration = Duration::from_millis(20);
/// Callbacks that wait or are on their way; further ones are not sent.
const CALLBACKS: usize = 10_000;
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Jobs by age, oldest first, and what was counted.
#[derive(Debug)]
pub(crate) struct Jobs {
    held: Mutex<Held>,
    client: OnceLock<Option<Client>>,
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Held {
    jobs: VecDeque<Job>,
    counts: Counts,
}

/// What a test wants to know: how often work was begun, whatever the caller was told.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
struct Counts {
    /// Submissions that came as far as the jobs.
    submitted: u64,
    /// Jobs that were begun: each would be paid.
    accepted: u64,
    /// Submissions that an idempotency key made the same as an earlier one.
    repeated: u64,
    polls: u64,
    lookups: u64,
    cancelled: u64,
    callbacks: u64,
}

#[derive(Debug)]
struct Job {
    id: String,
    reference: Option<String>,
    idempotency_key: Option<String>,
    model: String,
    faults: Faults,
    /// What it ends with: `output` and what belongs to it, or `error`.
    result: Value,
    status: &'static str,
    polls: u32,
    begun: Instant,
    /// Ends after this time rather than by polls.
    takes: Option<Duration>,
    /// Where its end is told; taken when that is done.
    callback_url: Option<String>,
    /// The submission was cut off before it had any effect; it is remembered for its faults only.
    is_refused: bool,
}

/// A callback that is due.
struct Message {
    url: String,
    body: Value,
    times: u32,
    late: Duration,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { held: Mutex::default(), client: OnceLock::new(), room: Arc::new(Semaphore::new(CALLBACKS)) }
    }
}

impl Job {
    fn has_ended(&self) -> bool {
        !matches!(self.status, "queued" | "running")
    }

    /// Moves it on, and gives the callback that is due.
    fn advance(&mut self, is_poll: bool) -> Option<Message> {
        if !self.has_ended() {
            let needed = self.faults.pending.unwrap_or(POLLS);
            let is_over = match self.takes {
                Some(time) => self.begun.elapsed() >= time,
                None => is_poll && self.polls >= needed,
            };
            self.status = match (is_over && !self.faults.endless, self.result.get("error")) {
                (false, _) => "running",
                (true, Some(_)) => "failed",
                (true, None) => "succeeded",
            };
        }
        self.polls += u32::from(is_poll);
        self.due()
    }

    /// The callback, once, when it has ended.
    fn due(&mut self) -> Option<Message> {
        let has_ended = self.has_ended();
        let url = self.callback_url.take_if(|_| has_ended)?;
        Some(Message {
            url,
            body: self.told(),
            times: self.faults.callbacks.unwrap_or(1),
            late: self.faults.late.unwrap_or_default(),
        })
    }

    fn progress(&self) -> u32 {
        let share = |part: u128, whole: u128| u32::try_from((part * 100 / whole.max(1)).min(99)).unwrap_or(99);
        match (self.status, self.takes) {
            ("succeeded", _) => 100,
            ("queued", _) => 0,
            (_, Some(time)) => share(self.begun.elapsed().as_millis(), time.as_millis()),
            (_, None) => share(self.polls.into(), u128::from(self.faults.pending.unwrap_or(POLLS)) + 1),
        }
    }

    fn told(&self) -> Value {
        let mut told = json!({
            "id": self.id, "status": self.status, "progress": self.progress(), "model": self.model,
            "client_reference": self.reference, "status_url": format!("{}/v1/jobs/{}", super::generic::BASE, self.id),
        });
        if matches!(self.status, "succeeded" | "failed")
            && let (Some(told), Some(result)) = (told.as_object_mut(), self.result.as_object())
        {
            told.extend(result.clone());
        }
        told
    }
}

impl Held {
    fn keep(&mut self, job: Job) {
        if self.jobs.len() == KEPT {
            self.jobs.pop_front();
        }
        self.jobs.push_back(job);
    }

    fn job(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id && !job.is_refused)
    }
}

pub(crate) async fn submit(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    exchange::task(Arc::clone(&sim), &Generic, request, |exchange| accept(&sim, exchange)).await
}

fn accept(sim: &Arc<Sim>, exchange: &mut Exchange) -> Result<Reply, Failure> {
    let (ask, answer) = exchange::decide(exchange, &Generic, &ChatTarget::default())?;
    let body = exchange.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let callback_url = text("callback_url");
    if callback_url.as_deref().is_some_and(|url| !is_local(url)) {
        let message = "callback_url must be an http address of this machine: the simulator calls nobody else";
        return Err(Failure::invalid(message).param("callback_url"));
    }
    let faults = exchange.faults().clone();
    let key = exchange.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let result = if exchange.breaks_with_error() {
        json!({"error": {"message": "The job broke off, as it was asked to.", "code": "simulated"}})
    } else {
        let text = answer.choices.first().map(|choice| choice.text.as_str()).unwrap_or_default();
        json!({"output": {"text": text}, "usage": answer.usage.as_ref().map(usage)})
    };
    let (told, is_new) = {
        let mut held = sim.jobs.held.lock();
        held.counts.submitted += 1;
        let known = held.jobs.iter().find(|job| !job.is_refused && key.is_some() && job.idempotency_key == key);
        match known.map(Job::told).filter(|_| !faults.forgetful) {
            Some(told) => {
                held.counts.repeated += 1;
                (told, false)
            }
            None => {
                let by_itself = callback_url.is_some() && faults.pending.is_none();
                let job = Job {
                    id: format!("job_{}", exchange.request_id),
                    reference: text("client_reference"),
                    idempotency_key: key,
                    model: ask.model,
                    takes: faults.takes.or(by_itself.then_some(SELF_MADE)),
                    is_refused: faults.cuts_before(),
                    faults: faults.clone(),
                    result,
                    status: "queued",
                    polls: 0,
                    begun: Instant::now(),
                    callback_url,
                };
                held.counts.accepted += u64::from(!job.is_refused);
                let told = job.told();
                let alarm = job.takes.filter(|_| job.callback_url.is_some() && !job.is_refused && !faults.endless);
                let id = job.id.clone();
                held.keep(job);
                drop(held);
                if let Some(after) = alarm {
                    end_after(sim, id, after);
                }
                (told, true)
            }
        }
    };
    match faults.lost.filter(|_| is_new) {
        // The work is begun, and the caller does not hear of it.
        Some(0) => exchange.cut(),
        Some(status) => return Err(Failure::status(status)),
        None => {}
    }
    Ok(Reply::accepted(told))
}

/// Lets a job end by itself, so that its callback is sent though nobody polls.
fn end_after(sim: &Arc<Sim>, id: String, after: Duration) {
    let Ok(permit) = Arc::clone(&sim.jobs.room).try_acquire_owned() else { return };
    let sim = Arc::downgrade(sim);
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        if let Some(sim) = sim.upgrade() {
            let due = sim.jobs.held.lock().job(&id).and_then(|job| job.advance(false));
            drop(permit);
            send(&sim, due);
        }
    });
}

/// Sends a callback, as often as it shall be.
fn send(sim: &Arc<Sim>, message: Option<Message>) {
    let Some(message) = message else { return };
    let Ok(permit) = Arc::clone(&sim.jobs.room).try_acquire_owned() else { return };
    let Some(client) = sim.jobs.client.get_or_init(client).clone() else { return };
    let sim = Arc::downgrade(sim);
    tokio::spawn(async move {
        tokio::time::sleep(message.late).await;
        for _ in 0..message.times {
            let Some(sim) = sim.upgrade() else { break };
            sim.jobs.held.lock().counts.callbacks += 1;
            drop(sim);
            // Whether anybody listens is the caller's affair.
            let _answer = client.post(&message.url).json(&message.body).send().await;
        }
        drop(permit);
    });
}

fn client() -> Option<Client> {
    // A TLS provider is wanted even for plain HTTP; a second installation is refused and harmless.
    let _already = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(CALLBACK_TIMEOUT).build().ok()
}

pub(crate) async fn poll(State(sim): State<Arc<Sim>>, Path(id): Path<String>, request: Request) -> Response {
    exchange::task(Arc::clone(&sim), &Generic, request, |exchange| {
        exchange.begin(&Value::Null, None)?;
        let mut held = sim.jobs.held.lock();
        held.counts.polls += 1;
        let job = held.job(&id).ok_or_else(|| Failure::status(404))?;
        if let Some(status) = job.faults.poll.filter(|_| job.polls < REFUSED_POLLS) {
            job.polls += 1;
            return Err(Failure { retry_after: Some(1), ..Failure::status(status) });
        }
        let due = job.advance(true);
        let told = job.told();
        let is_gone = job.faults.gone && job.has_ended();
        drop(held);
        send(&sim, due);
        if is_gone { Err(Failure::status(404)) } else { Ok(Reply::json(told)) }
    })
    .await
}

pub(crate) async fn list(
    State(sim): State<Arc<Sim>>,
    Query(asked): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    exchange::task(Arc::clone(&sim), &Generic, request, |exchange| {
        exchange.begin(&Value::Null, None)?;
        let wanted = asked.get("client_reference");
        let mut held = sim.jobs.held.lock();
        held.counts.lookups += 1;
        let fits = |job: &&Job| wanted.is_none() || job.reference.as_ref() == wanted;
        if let Some(status) = held.jobs.iter().filter(fits).find_map(|job| job.faults.lookup) {
            return Err(Failure::status(status));
        }
        let jobs: Vec<Value> =
            held.jobs.iter().rev().filter(fits).filter(|job| !job.is_refused).take(LISTED).map(Job::told).collect();
        Ok(Reply::json(json!({ "jobs": jobs })))
    })
    .await
}

pub(crate) async fn cancel(State(sim): State<Arc<Sim>>, Path(id): Path<String>, request: Request) -> Response {
    exchange::task(Arc::clone(&sim), &Generic, request, |exchange| {
        exchange.begin(&Value::Null, None)?;
        let mut held = sim.jobs.held.lock();
        let job = held.job(&id).ok_or_else(|| Failure::status(404))?;
        if job.has_ended() {
            return Err(Failure::status(409));
        }
        job.status = "cancelled";
        let (told, due) = (job.told(), job.due());
        held.counts.cancelled += 1;
        drop(held);
        send(&sim, due);
        Ok(Reply::json(told))
    })
    .await
}

/// What happened to jobs, for tests: counts, and the newest jobs first.
pub(crate) async fn seen(State(sim): State<Arc<Sim>>) -> Json<Value> {
    let held = sim.jobs.held.lock();
    let jobs: Vec<Value> = held
        .jobs
        .iter()
        .rev()
        .map(|job| {
            json!({
                "id": job.id, "status": job.status, "client_reference": job.reference, "model": job.model,
                "idempotency_key": job.idempotency_key, "polls": job.polls, "accepted": !job.is_refused,
            })
        })
        .collect();
    Json(json!({ "counts": held.counts, "jobs": jobs }))
}

/// Forgets all jobs and counts.
pub(crate) async fn forget(State(sim): State<Arc<Sim>>) -> Json<Value> {
    *sim.jobs.held.lock() = Held::default();
    Json(json!({ "cleared": true }))
}
