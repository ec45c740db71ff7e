//! The life of one call, from the moment it is admitted to its record. A call that is dropped before its end was left by
//! its caller, and is recorded as that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    GatewayError,
    attempt::{AttemptLog, micros},
    collect::Collector,
    record::Slot,
    resolve::Plan,
};
use crate::{
    clock::Clock,
    providers::{ChatChunk, ChatInput, Completion, FinishReason, Usage, openai::render},
    services::{
        catalog::pricing::TokenCounts,
        identity::Caller,
        limits::{Demand, Held, Reservation, Standing},
    },
    store::{
        Hidden,
        requests::{RequestContentRow, RequestLogRow, RequestRecord, UsageLogRow},
    },
};

/// What a surface knows of a call before the gateway sees it.
#[derive(Debug, Clone)]
pub struct Context {
    /// Ours, a UUIDv7.
    pub request_id: String,
    pub caller: Arc<Caller>,
    /// `openai.chat`, `text.generate`, `console`, …
    pub surface: &'static str,
    /// The caller's own name for it.
    pub caller_request_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub started: Instant,
    pub started_us: i64,
    /// A shorter limit for the whole call than the settings have.
    pub timeout: Option<Duration>,
}

/// What the caller may know of its call, for headers and metadata.
#[derive(Debug, Clone)]
pub struct Facts {
    pub model: String,
    pub provider: String,
    pub simulated: bool,
    pub attempts: usize,
    /// Time that was ours, not the provider's.
    pub overhead: Duration,
    pub cost_micro_usd: i64,
    pub usage: Usage,
    /// Parameters that the provider does not take.
    pub dropped: Vec<&'static str>,
    /// What is left of the tightest limits.
    pub standing: Box<Standing>,
}

/// How a call ended.
enum Outcome<'a> {
    Completed(Option<FinishReason>),
    Failed(&'a GatewayError),
    Cancelled,
}

/// A call in the making.
pub struct Call {
    context: Context,
    clock: Clock,
    log: AttemptLog,
    model_asked: Option<String>,
    streamed: bool,
    plan: Option<Plan>,
    reservation: Option<Reservation>,
    standing: Standing,
    held: Option<Held>,
    usage: Option<Usage>,
    estimated_input: u64,
    first_token: Option<Duration>,
    /// The head of the caller's answer is out: whatever happens, its status stays 200.
    begun: bool,
    collector: Collector,
    request_body: Option<String>,
    content_limit: usize,
    /// Gone once the call is recorded.
    slot: Option<Slot>,
}

impl Call {
    /// Without an input it is a call that could not be read.
    pub(super) fn new(
        context: Context,
        slot: Slot,
        clock: Clock,
        input: Option<&ChatInput>,
        content_limit: usize,
    ) -> Self {
        let keeps = context.caller.instance.store_contents;
        let request_body = input.filter(|_| keeps).map(|input| input.as_json(content_limit));
        Self {
            log: AttemptLog::new(context.started),
            model_asked: input.and_then(|input| input.model.clone()),
            streamed: input.is_some_and(|input| input.stream),
            plan: None,
            reservation: None,
            standing: Standing::default(),
            held: None,
            usage: None,
            estimated_input: input.map_or(0, ChatInput::estimated_tokens),
            first_token: None,
            begun: false,
            collector: Collector::new(if keeps { content_limit } else { 0 }),
            request_body,
            content_limit,
            slot: Some(slot),
            context,
            clock,
        }
    }

    pub(super) fn log(&self) -> AttemptLog {
        self.log.clone()
    }

    pub(super) fn asked(&mut self, model: Option<String>) {
        self.model_asked = model;
    }

    pub(super) fn route(&mut self, plan: Plan) {
        self.plan = Some(plan);
    }

    pub(super) fn reserve(&mut self, reservation: Reservation) {
        self.standing.clone_from(&reservation.standing);
        self.reservation = Some(reservation);
    }

    /// Puts what was used in the place of what was reserved.
    fn settle(&mut self) {
        let Some(reservation) = self.reservation.take() else { return };
        let usage = self.usage.unwrap_or_default();
        let tokens = i64::try_from(usage.input + usage.output).unwrap_or(i64::MAX);
        let used = Demand { tokens, micro_usd: self.cost() };
        let (standing, held) = reservation.settle(used, self.log.reached());
        self.standing = standing;
        self.held = Some(held);
    }

    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    pub(super) fn provider(&self) -> Option<String> {
        self.plan.as_ref().map(|plan| plan.target.provider.to_string())
    }

    pub fn facts(&self) -> Facts {
        let plan = self.plan.as_ref();
        Facts {
            model: plan.map_or_else(String::new, |plan| plan.model.id.clone()),
            provider: self.provider().unwrap_or_default(),
            simulated: plan.is_some_and(|plan| plan.target.simulated),
            attempts: self.log.count(),
            overhead: self.overhead(),
            cost_micro_usd: self.cost(),
            usage: self.usage.unwrap_or_default(),
            dropped: self.log.dropped(),
            standing: self.standing.clone().into(),
        }
    }

    /// Chunks went to the caller.
    pub(super) fn saw(&mut self, chunks: &[ChatChunk]) {
        for chunk in chunks {
            if let Some(usage) = chunk.usage {
                self.usage = Some(usage);
            }
            if self.first_token.is_none() && chunk.has_output() {
                self.first_token = Some(self.context.started.elapsed());
            }
            self.collector.add(chunk);
        }
    }

    /// A buffered answer is here.
    pub(super) fn complete(&mut self, completion: &Completion) -> Facts {
        self.usage = completion.usage.or_else(|| Some(self.estimate(completion.text_bytes())));
        self.settle();
        let facts = self.facts();
        let finish = completion.choices.first().and_then(|choice| choice.finish);
        let body = self.request_body.is_some().then(|| match &completion.raw {
            Some(raw) => String::from_utf8_lossy(raw).into_owned(),
            None => self.render(completion),
        });
        self.finish(Outcome::Completed(finish), body);
        facts
    }

    /// The stream has ended as it should.
    pub(super) fn complete_stream(&mut self) {
        let finish = self.collector.finish_reason();
        self.end_stream(Outcome::Completed(finish));
    }

    pub(super) fn fail(&mut self, error: &GatewayError) {
        self.end_stream(Outcome::Failed(error));
    }

    fn end_stream(&mut self, outcome: Outcome<'_>) {
        if self.first_token.is_some() {
            // What the provider did not say, what was received must tell. Some say part of it as they go, and the rest
            // with the end that did not come.
            let received = self.estimate(self.collector.output_bytes());
            let all = matches!(outcome, Outcome::Completed(_)) || self.collector.finish_reason().is_some();
            self.usage = Some(match self.usage {
                Some(told) if all => told,
                Some(told) => Usage {
                    input: if told.input > 0 { told.input } else { received.input },
                    output: told.output.max(received.output),
                    ..told
                },
                None => received,
            });
        }
        let completion = self.collector.take(self.usage);
        let body = (self.request_body.is_some() && self.first_token.is_some()).then(|| self.render(&completion));
        self.finish(outcome, body);
    }

    fn estimate(&self, output_bytes: usize) -> Usage {
        Usage { input: self.estimated_input, output: output_bytes.div_ceil(4) as u64, ..Usage::default() }
    }

    fn render(&self, completion: &Completion) -> String {
        let created = self.context.started_us / 1_000_000;
        let bytes = render::completion(completion, &self.context.request_id, created, &completion.model);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn cost(&self) -> i64 {
        match (&self.plan, self.usage) {
            (Some(plan), Some(usage)) => plan.model.pricing.cost_micro_usd(&TokenCounts {
                input: usage.input,
                cached: usage.cached,
                cache_write: usage.cache_write,
                output: usage.output,
            }),
            _ => 0,
        }
    }

    fn overhead(&self) -> Duration {
        let upstream = Duration::from_micros(self.log.upstream_us().unsigned_abs());
        self.first_token.unwrap_or_else(|| self.context.started.elapsed()).saturating_sub(upstream)
    }

    fn finish(&mut self, outcome: Outcome<'_>, response_body: Option<String>) {
        let Some(slot) = self.slot.take() else { return };
        let usage = self.usage.unwrap_or_default();
        self.settle();
        let cost_micro_usd = self.cost();
        let (status, http_status, error, finish) = match outcome {
            Outcome::Completed(finish) => ("completed", 200, None, finish),
            Outcome::Failed(error) => {
                if let GatewayError::Provider { error, .. } = error {
                    self.log.broke(error);
                }
                ("failed", if self.begun { 200 } else { error.status() }, Some(error), None)
            }
            Outcome::Cancelled => {
                self.log.cancel();
                ("cancelled", 499, None, None)
            }
        };
        let overhead_us = micros(self.overhead());
        let context = &self.context;
        let caller = &context.caller;
        let plan = self.plan.as_ref();
        let log = RequestLogRow {
            request_id: context.request_id.clone(),
            created_us: context.started_us,
            org_id: Some(caller.org_id.clone()),
            instance_id: Some(caller.instance.id.clone()),
            project_id: caller.project_id.clone(),
            key_id: caller.key_id.clone(),
            user_id: caller.user_id.clone(),
            surface: context.surface.to_owned(),
            caller_request_id: context.caller_request_id.clone(),
            model_asked: self.model_asked.take(),
            model_used: plan.map(|plan| plan.model.id.clone()),
            provider: plan.map(|plan| plan.target.provider.to_string()),
            streamed: self.streamed,
            simulated: plan.is_some_and(|plan| plan.target.simulated),
            status: status.to_owned(),
            http_status: http_status.into(),
            error_source: error.map(|error| error.source().as_str().to_owned()),
            error_class: error.map(|error| error.class().to_owned()),
            error_message: error.map(ToString::to_string),
            limit_id: error.and_then(GatewayError::limit_id).map(str::to_owned),
            finish_reason: finish.map(|finish| finish.as_str().to_owned()),
            attempts: serde_json::json!({ "items": self.log.take() }),
            input_tokens: usage.input.cast_signed(),
            cached_tokens: usage.cached.cast_signed(),
            cache_write_tokens: usage.cache_write.cast_signed(),
            output_tokens: usage.output.cast_signed(),
            reasoning_tokens: usage.reasoning.cast_signed(),
            cost_micro_usd,
            latency_us: micros(context.started.elapsed()),
            first_token_us: self.first_token.map(micros),
            overhead_us,
            user_agent: context.user_agent.clone(),
            ip: context.ip.clone(),
        };
        let contents = self.request_body.take().map(|request| {
            let day_us = 86_400_000_000;
            let (request, cut) = limited(request, self.content_limit);
            let (response, cut_too) = response_body.map_or((None, false), |body| {
                let (body, cut) = limited(body, self.content_limit);
                (Some(body), cut)
            });
            RequestContentRow {
                request_id: context.request_id.clone(),
                created_us: context.started_us,
                expires_us: self.clock.now_us() + caller.instance.content_retention_days * day_us,
                request_body: Some(Hidden::new(request)),
                response_body: response.map(Hidden::new),
                truncated: cut || cut_too || self.collector.is_truncated(),
            }
        });
        let usage = plan.filter(|_| usage.input + usage.output > 0).map(|plan| UsageLogRow {
            log_id: log.request_id.clone(),
            instance_id: caller.instance.id.clone(),
            time_us: log.created_us,
            provider: plan.target.provider.to_string(),
            model: plan.model.id.clone(),
            input_tokens: log.input_tokens,
            output_tokens: log.output_tokens,
            cached_tokens: log.cached_tokens,
            tokens_used: log.input_tokens + log.output_tokens,
            cost_micro_usd,
            request_id: log.request_id.clone(),
            key_id: log.key_id.clone(),
            user_id: log.user_id.clone(),
            project_id: log.project_id.clone(),
        });
        slot.send(RequestRecord { log, usage, contents }, self.held.take());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.end_stream(Outcome::Cancelled);
        }
    }
}

/// At most `limit` bytes of a text, cut between characters, and whether it was cut.
fn limited(mut text: String, limit: usize) -> (String, bool) {
    if text.len() <= limit {
        return (text, false);
    }
    text.truncate((0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
    (text, true)
}
