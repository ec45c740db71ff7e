//! Asks a model by the public API and lets the answer come in.

use std::{cell::RefCell, rc::Rc};

use leptos::{prelude::*, task::spawn_local};

use super::{
    facts::Facts,
    lane::{Lane, Phase},
    request::ChatRequest,
    state::Console,
};
use crate::{
    api,
    types::RunFilter,
    ui::live::{
        chat::Heard,
        clock::{now_ms, sleep_ms},
        failure::ApiError,
        fetch::{self, Broken, Call},
        sse::SseParser,
    },
};

const PATH: &str = "/v1/chat/completions";

/// What arrives is put on the screen at most this often.
const FLUSH: std::time::Duration = std::time::Duration::from_millis(50);

/// Most of a raw answer that is kept for looking at, in bytes.
const RAW_AT_MOST: usize = 2_000_000;

/// Starts a call; the lane shows how it goes.
pub fn start(console: Console, lane: Lane, request: ChatRequest) {
    let call = Call::prepare();
    let body = request.body();
    let instance = console.instance.get_value();
    let name = console.model_name(&lane.model.get_untracked());
    lane.begin(call, body.clone());
    console.announcement.set(format!("{name} is answering."));
    spawn_local(async move {
        let started = now_ms();
        let phase = listen(lane, call, &body, instance.as_deref(), started).await;
        if !lane.expects(call) {
            return;
        }
        let _ = lane.facts.try_update(|facts| facts.total_us = Some(since(started)));
        let told = match &phase {
            Phase::Failed(error) => format!("{name} failed: {}", error.explain().title),
            Phase::Stopped => format!("The answer of {name} was stopped."),
            Phase::Cut => format!("The answer of {name} was cut off."),
            _ => format!("{name} has answered."),
        };
        let recorded =
            !matches!(phase, Phase::Failed(_)) || lane.facts.try_with_untracked(|facts| facts.streamed) == Some(true);
        lane.finish(phase);
        let _ = console.announcement.try_set(told);
        if recorded {
            look_up_record(lane, call).await;
        }
    });
}

async fn listen(lane: Lane, call: Call, body: &str, instance: Option<&str>, started: f64) -> Phase {
    let mut headers = vec![("x-de-source", "console")];
    headers.extend(instance.map(|instance| ("x-instance-id", instance)));
    let mut answer = match fetch::post_json(call, PATH, &headers, body).await {
        Ok(answer) => answer,
        Err(Broken::Aborted) => return Phase::Stopped,
        Err(Broken::Lost(why)) => return Phase::Failed(ApiError::unreachable(&why)),
    };
    if !lane.expects(call) {
        return Phase::Stopped;
    }
    let head: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let _ = lane.raw.try_update(|raw| raw.head = format!("HTTP status {}\n{head}", answer.status));
    let facts = Facts::from_headers(|name| answer.header(name));
    let streamed = facts.streamed;
    let _ = lane.facts.try_set(facts);

    if !(200..300).contains(&answer.status) {
        let body = answer.text().await.unwrap_or_default();
        let error = ApiError::from_answer(answer.status, &body, |name| answer.header(name));
        let _ = lane.raw.try_update(|raw| raw.response = body);
        return Phase::Failed(error);
    }
    let ear = Ear::new(lane, call, streamed, started);
    let broken = loop {
        match answer.piece().await {
            Ok(Some(piece)) => ear.hear(&piece),
            Ok(None) => break None,
            Err(broken) => break Some(broken),
        }
    };
    ear.close(broken)
}

/// Collects what arrives and puts it on the screen from time to time.
#[derive(Clone)]
struct Ear {
    lane: Lane,
    call: Call,
    streamed: bool,
    started: f64,
    inner: Rc<RefCell<Inner>>,
}

#[derive(Default)]
struct Inner {
    parser: SseParser,
    heard: Heard,
    raw: String,
    /// Words have arrived.
    begun: bool,
    /// A flush is on its way.
    flushing: bool,
}

impl Ear {
    fn new(lane: Lane, call: Call, streamed: bool, started: f64) -> Self {
        Self { lane, call, streamed, started, inner: Rc::default() }
    }

    fn hear(&self, piece: &str) {
        let mut inner = self.inner.borrow_mut();
        if inner.raw.len() < RAW_AT_MOST || !self.streamed {
            inner.raw.push_str(piece);
        }
        if !self.streamed {
            return;
        }
        for event in inner.parser.push(piece) {
            inner.heard.take_event(&event.data);
        }
        let has_words = !inner.heard.text.is_empty() || !inner.heard.thinking.is_empty();
        if has_words && !std::mem::replace(&mut inner.begun, true) && self.lane.expects(self.call) {
            let _ = self.lane.facts.try_update(|facts| facts.first_us = Some(since(self.started)));
            let _ = self.lane.phase.try_set(Phase::Streaming);
        }
        if !std::mem::replace(&mut inner.flushing, true) {
            let ear = self.clone();
            set_timeout(move || ear.flush(), FLUSH);
        }
    }

    fn flush(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.flushing = false;
        if self.lane.expects(self.call) {
            let _ = self.lane.said.try_update(|said| said.follow(&inner.heard));
        }
    }

    /// The body has ended, in order or not.
    fn close(self, broken: Option<Broken>) -> Phase {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        if !self.streamed && broken.is_none() {
            inner.heard.take_body(&inner.raw);
        }
        let heard = &inner.heard;
        if self.lane.expects(self.call) {
            let _ = self.lane.said.try_update(|said| said.follow(heard));
            let _ = self.lane.facts.try_update(|facts| facts.take_heard(heard));
            let raw = std::mem::take(&mut inner.raw);
            let _ = self.lane.raw.try_update(|all| all.response = raw);
        }
        let nothing = heard.text.is_empty() && heard.thinking.is_empty();
        match (&heard.error, broken) {
            (Some(error), _) => Phase::Failed(error.clone()),
            (None, _) if heard.complete => Phase::Done,
            (None, Some(Broken::Aborted)) => Phase::Stopped,
            (None, Some(Broken::Lost(why))) if nothing => Phase::Failed(ApiError::unreachable(&why)),
            (None, _) => Phase::Cut,
        }
    }
}

/// The record has what the head of a stream could not tell: the cost, the provider, the tokens of a stopped answer. It is
/// written a moment after the answer; asking the list instead of for the one call makes "not yet" no error.
async fn look_up_record(lane: Lane, call: Call) {
    let Some(request_id) = lane.facts.try_with_untracked(|facts| facts.request_id.clone()).flatten() else { return };
    for wait in [250, 500, 1_000, 2_000, 4_000] {
        sleep_ms(wait).await;
        let filter = RunFilter { mine: true, limit: 12, ..RunFilter::default() };
        let Ok(page) = api::runs(filter).await else { return };
        if !lane.shows(call) {
            return;
        }
        if let Some(run) = page.items.iter().find(|run| run.request_id == request_id) {
            let _ = lane.facts.try_update(|facts| facts.take_record(run));
            return;
        }
    }
}

fn since(started: f64) -> i64 {
    ((now_ms() - started) * 1e3).round() as i64
}
