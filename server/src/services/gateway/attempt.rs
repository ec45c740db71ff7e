//! Asks the provider, and asks again when that is safe: on errors that say nothing was done, and never after the first byte
//! of an answer.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::Instant as Deadline;

use super::{Gateway, GatewayError, resolve::Plan};
use crate::providers::{
    ChatChunk, ChatDecoder, ChatInput, Completion, ErrorClass, Parsed, ProviderError, UpstreamRequest, sse::SseParser,
    transport::Upstream,
};

const RUNNING: &str = "running";
const OK: &str = "ok";

/// One try, for the record.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AttemptRecord {
    pub provider: String,
    pub model: String,
    /// Offset from the start of the call.
    pub started_us: i64,
    pub duration_us: i64,
    /// `ok`, the class of the error, or `cancelled`; `running` while it does.
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The tries of a call so far; shared because a stream may still be trying when its caller leaves.
#[derive(Clone)]
pub struct AttemptLog {
    started: Instant,
    records: Arc<Mutex<Vec<AttemptRecord>>>,
    dropped: Arc<Mutex<Vec<&'static str>>>,
}

impl AttemptLog {
    pub fn new(started: Instant) -> Self {
        Self { started, records: Arc::default(), dropped: Arc::default() }
    }

    pub fn take(&self) -> Vec<AttemptRecord> {
        std::mem::take(&mut self.records.lock())
    }

    /// The caller has left. A try that still runs ends with that.
    pub fn cancel(&self) {
        if let Some(last) = self.records.lock().last_mut().filter(|last| last.outcome == RUNNING) {
            last.duration_us = micros(self.started.elapsed()) - last.started_us;
            last.outcome = "cancelled";
        }
    }

    /// The answer that had begun well broke off.
    pub fn broke(&self, error: &ProviderError) {
        if let Some(last) = self.records.lock().last_mut().filter(|last| last.outcome == OK) {
            last.tell(error);
        }
    }

    /// Parameters of the caller that the last request to a provider left out.
    pub fn dropped(&self) -> Vec<&'static str> {
        self.dropped.lock().clone()
    }

    pub fn count(&self) -> usize {
        self.records.lock().len()
    }

    /// Whether any try came as far as a provider.
    pub fn reached(&self) -> bool {
        let stayed = |try_: &AttemptRecord| match try_.outcome {
            "connect" => true,
            "unsupported" | "invalid" => try_.status.is_none(),
            _ => false,
        };
        self.records.lock().iter().any(|record| !stayed(record))
    }

    /// Time spent with providers, and waiting between tries. A stream's try lasts until its answer begins.
    pub fn upstream_us(&self) -> i64 {
        let records = self.records.lock();
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return 0 };
        last.started_us + last.duration_us - first.started_us
    }

    fn request(&self, plan: &Plan, input: &ChatInput, stream: bool) -> Result<UpstreamRequest, ProviderError> {
        let request = plan.codec.request(&plan.target, input, stream)?;
        if !request.dropped.is_empty() {
            self.dropped.lock().clone_from(&request.dropped);
        }
        Ok(request)
    }

    fn begin(&self, plan: &Plan) {
        self.records.lock().push(AttemptRecord {
            provider: plan.target.provider.to_string(),
            model: plan.target.model.to_string(),
            started_us: micros(self.started.elapsed()),
            duration_us: 0,
            outcome: RUNNING,
            status: None,
            message: None,
        });
    }

    fn end(&self, error: Option<&ProviderError>) {
        if let Some(last) = self.records.lock().last_mut() {
            last.duration_us = micros(self.started.elapsed()) - last.started_us;
            last.outcome = OK;
            if let Some(error) = error {
                last.tell(error);
            }
        }
    }
}

impl AttemptRecord {
    fn tell(&mut self, error: &ProviderError) {
        self.outcome = error.class.as_str();
        self.status = error.status;
        self.message = Some(error.message.clone());
    }
}

/// A stream of which the first chunks are here.
pub struct OpenStream {
    pub upstream: Upstream,
    pub parser: SseParser,
    pub decoder: Box<dyn ChatDecoder>,
    pub pending: VecDeque<ChatChunk>,
    /// The body has ended, properly.
    pub ended: bool,
    pub deadline: Deadline,
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Gateway {
    /// The whole answer.
    pub(super) async fn ask(
        &self,
        plan: &Plan,
        input: &ChatInput,
        log: &AttemptLog,
        deadline: Deadline,
    ) -> Result<Box<Completion>, GatewayError> {
        self.with_retries(plan, log, deadline, || self.try_whole(plan, input, log, deadline)).await
    }

    /// A stream that has begun.
    pub(super) async fn open(
        &self,
        plan: &Plan,
        input: &ChatInput,
        log: &AttemptLog,
        deadline: Deadline,
    ) -> Result<Box<OpenStream>, GatewayError> {
        self.with_retries(plan, log, deadline, || self.try_stream(plan, input, log, deadline)).await
    }

    async fn with_retries<T, F: Future<Output = Result<T, ProviderError>>>(
        &self,
        plan: &Plan,
        log: &AttemptLog,
        deadline: Deadline,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, GatewayError> {
        let mut tried = 0;
        loop {
            tried += 1;
            log.begin(plan);
            let result = attempt().await;
            log.end(result.as_ref().err());
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = self.wait_before_retry(plan, &error, tried);
            tell(plan, &error, tried, wait.is_some());
            match wait {
                Some(wait) if Deadline::now() + wait < deadline => tokio::time::sleep(wait).await,
                _ => {
                    return Err(GatewayError::Provider {
                        provider: plan.target.provider.to_string(),
                        error: error.into(),
                    });
                }
            }
        }
    }

    /// How long to wait before the next try; `None` when there must be none.
    fn wait_before_retry(&self, plan: &Plan, error: &ProviderError, tried: u32) -> Option<Duration> {
        let settings = &self.settings;
        // A mapped call may start paid work at the upstream, so it is repeated only when it surely was not begun.
        let safe = match plan.model.mapping {
            Some(_) => matches!(error.class, ErrorClass::Connect | ErrorClass::RateLimit),
            None => error.class.is_retryable(),
        };
        if !safe || tried >= settings.max_attempts {
            return None;
        }
        let longest = settings.backoff.saturating_mul(1 << (tried - 1).min(16)).min(settings.backoff_max);
        let own = longest.mul_f64(0.5 + 0.5 * self.clock.fraction());
        match error.retry_after {
            Some(asked) => (asked <= settings.retry_after_max).then_some(asked.max(own)),
            None => Some(own),
        }
    }

    async fn try_whole(
        &self,
        plan: &Plan,
        input: &ChatInput,
        log: &AttemptLog,
        deadline: Deadline,
    ) -> Result<Box<Completion>, ProviderError> {
        let mut request = log.request(plan, input, false)?;
        let mut polls: Option<UpstreamRequest> = None;
        loop {
            let upstream = self.send(plan, request, deadline).await?;
            let headers = upstream.headers.clone();
            let body = upstream.read(deadline).await?;
            let parsed = match &polls {
                None => plan.codec.response(&plan.target, &headers, body)?,
                Some(asked) => plan.codec.polled(&plan.target, asked, &headers, body)?,
            };
            match parsed {
                Parsed::Done(mut completion) => {
                    if completion.model.is_empty() {
                        completion.model = plan.target.model.to_string();
                    }
                    return Ok(completion);
                }
                Parsed::Poll { next, wait } => {
                    if Deadline::now() + wait >= deadline {
                        return Err(ProviderError::new(ErrorClass::Timeout, "the provider did not finish in time"));
                    }
                    tokio::time::sleep(wait).await;
                    polls = Some((*next).clone());
                    request = *next;
                }
            }
        }
    }

    async fn try_stream(
        &self,
        plan: &Plan,
        input: &ChatInput,
        log: &AttemptLog,
        deadline: Deadline,
    ) -> Result<Box<OpenStream>, ProviderError> {
        let decoder = plan
            .codec
            .decoder(&plan.target)
            .ok_or_else(|| ProviderError::new(ErrorClass::Unsupported, "this model cannot stream"))?;
        let request = log.request(plan, input, true)?;
        let upstream = self.send(plan, request, deadline).await?;
        let mut stream = Box::new(OpenStream {
            upstream,
            parser: SseParser::default(),
            decoder,
            pending: VecDeque::new(),
            ended: false,
            deadline,
        });
        while stream.pending.is_empty() && !stream.ended {
            stream.read_more().await?;
        }
        Ok(stream)
    }

    /// Sends one request; an answer other than 2xx is an error.
    async fn send(&self, plan: &Plan, request: UpstreamRequest, deadline: Deadline) -> Result<Upstream, ProviderError> {
        let upstream = self.transport.send(request, deadline).await?;
        if upstream.status.is_success() {
            return Ok(upstream);
        }
        let (status, headers) = (upstream.status, upstream.headers.clone());
        let body = upstream.read(deadline).await.unwrap_or_default();
        let mut error = plan.codec.error(status, &headers, &body);
        // Some providers repeat the key they were shown.
        if let Some(credential) = plan.target.credential.as_ref().filter(|key| !key.reveal().is_empty()) {
            error.message = error.message.replace(credential.reveal(), "***");
        }
        // Providers tell with every answer when their limits are whole again; that is a time to wait only for who ran into one.
        let says_when = headers.contains_key("retry-after") || headers.contains_key("retry-after-ms");
        if !says_when && !matches!(error.class, ErrorClass::RateLimit | ErrorClass::Overloaded) {
            error.retry_after = None;
        }
        Err(error)
    }
}

/// A failed try, for the log: what the caller has to change is no reason to worry.
fn tell(plan: &Plan, error: &ProviderError, tried: u32, again: bool) {
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                provider = %plan.target.provider, model = %plan.target.model, class = error.class.as_str(),
                status = error.status, tried, again, %error, "the provider did not answer the call"
            )
        };
    }
    match error.class {
        ErrorClass::Invalid | ErrorClass::Unsupported | ErrorClass::ContentFilter => tell!(info),
        _ => tell!(warn),
    }
}

/// Most chunks that are gathered before they are handed out.
const GATHERED: usize = 256;
/// How often other tasks get their turn, in vain, before nothing more is taken to be there. Measured: one is too few.
const TURNS: u32 = 3;

impl OpenStream {
    /// Takes the next piece, and those behind it that have arrived already: they go out in one write then, and writing is
    /// most of what a stream costs. May be dropped and called again.
    pub async fn read_ready(&mut self) -> Result<(), ProviderError> {
        self.read_more().await?;
        // The connection's own task passes pieces on one by one, whenever it has its turn.
        let mut turns = 0;
        while !self.ended && self.pending.len() < GATHERED && turns < TURNS {
            tokio::task::yield_now().await;
            turns += 1;
            if let Some(read) = self.read_more().now_or_never() {
                read?;
                turns = 0;
            }
        }
        Ok(())
    }

    /// Takes one piece from the network into `pending`, or learns that the stream has ended. An end without the provider's
    /// end marker is an error.
    pub async fn read_more(&mut self) -> Result<(), ProviderError> {
        let piece = self.upstream.next(self.deadline).await?;
        let mut events = Vec::new();
        match piece {
            Some(piece) => self.parser.feed(piece, &mut events)?,
            None => {
                self.ended = true;
                self.parser.finish(&mut events)?;
            }
        }
        let mut chunks = Vec::new();
        let mut outcome = Ok(());
        for event in events {
            if self.decoder.is_done() {
                break;
            }
            outcome = self.decoder.event(event, &mut chunks);
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() && (self.ended || self.decoder.is_done()) {
            self.ended = true;
            self.upstream.release();
            outcome = self.decoder.end(&mut chunks);
        }
        self.pending.extend(chunks);
        outcome
    }
}
