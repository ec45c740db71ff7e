//! One request from its arrival to its answer, the same for every provider: record it, check the key, apply the faults
//! and delays it asks for, send the answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::Value;

use super::Sim;
use super::answer::{self, Answer, Ask, CacheWish, Usage};
use super::calls::{Guard, now_ms};
use super::dialect::{Chat, Dialect, Facts, Failure, Meta, Reason};
use super::dice::fingerprint;
use super::faults::{Break, Faults};
use super::stream::{self, Event, Framing, Script, Step};

/// Largest request body accepted, in bytes.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
const JSON: &str = "application/json";
const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>simulated</center>\r\n</body>\r\n</html>\r\n";

/// An open request.
pub(crate) struct Exchange {
    sim: Arc<Sim>,
    dialect: &'static dyn Dialect,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) request_id: String,
    faults: Faults,
    guard: Guard,
}

/// What an endpoint decided to send.
pub(crate) enum Reply {
    Json { status: u16, body: Value, tokens: u32 },
    Events { events: Vec<Event>, framing: Framing, failure: Event, oddity: Option<Event> },
}

/// An answer ready to go.
struct Sending {
    status: u16,
    kind: &'static str,
    steps: VecDeque<Step>,
    /// The body's length in bytes, when it is announced.
    announced: Option<u64>,
    tokens: u32,
    outcome: String,
}

impl Sending {
    fn whole(status: u16, kind: &'static str, body: Vec<u8>, outcome: String) -> Self {
        let (steps, announced) = stream::whole(body, 0, &Faults::default());
        Self { status, kind, steps, announced: Some(announced), tokens: 0, outcome }
    }
}

impl Reply {
    /// A plain JSON answer that carries no tokens.
    pub(crate) fn json(body: Value) -> Self {
        Self::Json { status: 200, body, tokens: 0 }
    }

    /// The same for work that goes on.
    pub(crate) fn accepted(body: Value) -> Self {
        Self::Json { status: 202, body, tokens: 0 }
    }
}

/// Takes a request in, lets `decide` say what to answer, and answers.
pub(crate) async fn task(
    sim: Arc<Sim>,
    dialect: &'static dyn Dialect,
    request: Request,
    decide: impl FnOnce(&mut Exchange) -> Result<Reply, Failure>,
) -> Response {
    let mut exchange = match Exchange::open(sim, dialect, request).await {
        Ok(exchange) => exchange,
        Err(response) => return response,
    };
    match decide(&mut exchange) {
        Ok(reply) => exchange.send(reply).await,
        Err(failure) => exchange.refuse(&failure).await,
    }
}

/// Answers a chat request.
pub(crate) async fn chat(sim: Arc<Sim>, chat: &'static dyn Chat, request: Request, target: ChatTarget) -> Response {
    task(sim, chat, request, |exchange| converse(exchange, chat, &target)).await
}

/// Answers a request whose answer does not depend on its body: lists, lookups, unknown addresses.
pub(crate) async fn fixed(
    sim: Arc<Sim>,
    dialect: &'static dyn Dialect,
    request: Request,
    reply: Result<Value, Failure>,
) -> Response {
    task(sim, dialect, request, |exchange| {
        exchange.fail_if_asked(&Value::Null)?;
        reply.map(Reply::json)
    })
    .await
}

/// What the address of a chat request says.
#[derive(Debug, Default)]
pub(crate) struct ChatTarget {
    pub(crate) model: Option<String>,
    /// Streaming, where the address decides it.
    pub(crate) stream: Option<Framing>,
}

fn converse(exchange: &mut Exchange, chat: &'static dyn Chat, target: &ChatTarget) -> Result<Reply, Failure> {
    let (ask, mut answer) = decide(exchange, chat, target)?;
    let framing = target.stream.unwrap_or(Framing::Sse);
    let meta = Meta { request_id: exchange.request_id.clone(), created: now_ms() / 1000 };
    if ask.stream {
        return Ok(Reply::Events {
            events: chat.events(&ask, &answer, &meta),
            framing,
            failure: chat.stream_failure(&meta),
            oddity: chat.stream_oddity(&ask, &meta),
        });
    }
    if exchange.breaks_with_error() {
        return Err(Failure::status(500));
    }
    let tokens = answer.tokens();
    if exchange.faults.empty_choices {
        answer.choices.clear();
    }
    Ok(Reply::Json { status: 200, tokens, body: chat.whole(&ask, &answer, &meta) })
}

/// Reads the request, fails where a fault says so, and makes the answer.
pub(crate) fn decide(
    exchange: &mut Exchange,
    chat: &'static dyn Chat,
    target: &ChatTarget,
) -> Result<(Ask, Answer), Failure> {
    let body = exchange.json()?;
    let model = exchange.begin(&body, chat.model(&body, target.model.as_deref()))?;
    let mut ask = chat.read(&body, target.model.as_deref())?;
    ask.model = model;
    ask.stream = ask.stream || target.stream.is_some();
    ask.length = exchange.number("x-sim-tokens");
    let mut answer = answer::answer(&ask, exchange.input_usage(&ask), exchange.faults.safety);
    spoil(&mut answer, &exchange.faults);
    Ok((ask, answer))
}

fn spoil(answer: &mut Answer, faults: &Faults) {
    if let Some(usage) = answer.usage.as_mut().filter(|_| faults.wrong_usage) {
        usage.output = usage.output * 2 + 7;
        usage.input += 100;
    }
    if faults.no_usage {
        answer.usage = None;
    }
}

impl Exchange {
    /// Takes a request in: reads its body, starts its record, checks its key. `Err` is the finished answer.
    pub(crate) async fn open(sim: Arc<Sim>, dialect: &'static dyn Dialect, request: Request) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let guard = sim.calls.start(dialect.name(), head.method.as_str(), head.uri.path(), &head.headers);
        let read = axum::body::to_bytes(body, BODY_LIMIT).await;
        let request_id = sim.request_id();
        let mut exchange = Self {
            sim,
            dialect,
            uri: head.uri,
            headers: head.headers,
            body: Bytes::new(),
            request_id,
            faults: Faults::default(),
            guard,
        };
        match read {
            Ok(body) => exchange.body = body,
            Err(_) => return Err(exchange.refuse(&Failure::status(413)).await),
        }
        exchange.guard.body(&exchange.body);
        let checked = dialect.authorize(&exchange.headers, exchange.uri.query().unwrap_or_default());
        match checked.and_then(|()| exchange.take_header_faults()) {
            Ok(()) => Ok(exchange),
            Err(failure) => Err(exchange.refuse(&failure).await),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|_| {
            Failure::invalid("We could not parse the JSON body of your request. The API expects a JSON payload, but what was sent was not valid JSON.")
        })
    }

    /// Notes the model of the call, takes the faults its name carries and fails where they say so. Gives back the model
    /// meant, empty where the request names none.
    pub(crate) fn begin(&mut self, body: &Value, named: Option<&str>) -> Result<String, Failure> {
        let mut model = String::new();
        if let Some(named) = named {
            self.guard.model(named);
            let (meant, faults) = Faults::of_model(named);
            self.faults = faults.and(std::mem::take(&mut self.faults));
            model = meant;
        }
        self.fail_if_asked(body)?;
        Ok(model)
    }

    /// Fails when a fault says that this request never gets an answer of its own.
    fn fail_if_asked(&self, body: &Value) -> Result<(), Failure> {
        if let Some(times) = self.faults.flaky {
            let key = self.text("x-sim-key").map_or_else(|| body.to_string(), str::to_owned);
            if !self.sim.flaky.fails(fingerprint(&[self.dialect.name(), &key]), times) {
                return Ok(());
            }
        }
        if let Some((status, retry_after)) = self.faults.status {
            return Err(Failure { status, retry_after, ..Failure::default() });
        }
        if self.faults.quota {
            return Err(Failure::because(429, Reason::Quota));
        }
        if self.faults.flaky.is_some() { Err(Failure::status(503)) } else { Ok(()) }
    }

    /// Whether the answer ends in the provider's error (`error`).
    pub(crate) fn breaks_with_error(&self) -> bool {
        matches!(self.faults.broken, Some((Break::Error, _)))
    }

    /// What was asked to go wrong.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Lets the connection close without any answer.
    pub(crate) fn cut(&mut self) {
        self.faults.reset = true;
    }

    /// Answers with a failure in the provider's form.
    pub(crate) async fn refuse(self, failure: &Failure) -> Response {
        if self.faults.html || self.faults.reset {
            return self.send(Reply::json(Value::Null)).await;
        }
        self.pause(0).await;
        let body = self.dialect.failure(failure, &self.request_id).to_string().into_bytes();
        let outcome = if self.faults.spec.is_empty() { format!("refused:{}", failure.status) } else { self.outcome() };
        self.respond(Sending::whole(failure.status, JSON, body, outcome), Some(failure))
    }

    /// Answers as decided, after the delays and with the faults that were asked for.
    pub(crate) async fn send(self, reply: Reply) -> Response {
        let faults = &self.faults;
        let outcome = self.outcome();
        if faults.reset {
            // The head is never flushed before its body's first part, so the client sees a connection that closes.
            self.pause(0).await;
            let steps = VecDeque::from([Step::End(stream::End::Abort)]);
            return self.respond(Sending { status: 200, kind: JSON, steps, announced: None, tokens: 0, outcome }, None);
        }
        if faults.html {
            self.pause(0).await;
            return self.respond(Sending::whole(502, "text/html", HTML.into(), outcome), None);
        }
        let (status, kind, mut steps, announced, tokens, paced) = match reply {
            Reply::Json { status, body, tokens } => {
                let (steps, announced) = stream::whole(body.to_string().into_bytes(), tokens, faults);
                (status, JSON, steps, Some(announced), tokens, tokens)
            }
            Reply::Events { events, framing, failure, oddity } => {
                let tokens = events.iter().map(|event| event.tokens).sum();
                let steps = stream::events(events, framing, faults, self.per_token(), failure, oddity);
                let kind = if framing == Framing::Sse { "text/event-stream; charset=utf-8" } else { JSON };
                (200, kind, steps, None, tokens, 0)
            }
        };
        if faults.early_head {
            steps.push_front(Step::Wait(self.delay(paced)));
        } else {
            self.pause(paced).await;
        }
        self.respond(Sending { status, kind, steps, announced, tokens, outcome }, None)
    }

    fn respond(self, sending: Sending, failure: Option<&Failure>) -> Response {
        self.guard.status(sending.status);
        let facts = Facts {
            request_id: &self.request_id,
            used: self.sim.requests_this_minute(),
            tokens: sending.tokens,
            now_ms: now_ms(),
            failure,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sending.kind));
        if sending.announced.is_none() {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        self.dialect.head(&facts, &mut headers);
        let script = Script::new(sending.steps, sending.announced, self.guard, sending.outcome);
        let mut response = Response::new(Body::new(script));
        *response.status_mut() = StatusCode::from_u16(sending.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }

    fn take_header_faults(&mut self) -> Result<(), Failure> {
        let Some(spec) = self.text("x-sim-fault") else { return Ok(()) };
        self.faults =
            Faults::parse(spec).map_err(|part| Failure::invalid(format!("The simulator knows no fault '{part}'.")))?;
        Ok(())
    }

    fn text(&self, header: &str) -> Option<&str> {
        self.headers.get(header)?.to_str().ok()
    }

    fn number(&self, header: &str) -> Option<u32> {
        self.text(header)?.trim().parse().ok()
    }

    fn per_token(&self) -> Duration {
        self.number("x-sim-token-ms").map_or(self.sim.config.per_token, |ms| Duration::from_millis(u64::from(ms)))
    }

    /// The silence before an answer whose first part carries `tokens`.
    fn delay(&self, tokens: u32) -> Duration {
        let first = self.number("x-sim-first-byte-ms").map(|ms| Duration::from_millis(u64::from(ms)));
        let silence = self.faults.silence.or(first).unwrap_or(self.sim.config.first_byte);
        silence.saturating_add(self.per_token().saturating_mul(tokens))
    }

    async fn pause(&self, tokens: u32) {
        let delay = self.delay(tokens);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// What a fully sent answer counts as: faults that leave it whole are no outcome of their own.
    fn outcome(&self) -> String {
        let faults = &self.faults;
        let harmless = faults.broken.is_none()
            && faults.status.is_none()
            && faults.flaky.is_none()
            && !(faults.quota || faults.html || faults.reset);
        if harmless { "completed".to_owned() } else { format!("fault:{}", faults.spec) }
    }

    /// The input side of the usage, with what the cache knows of the prompt.
    fn input_usage(&self, ask: &Ask) -> Usage {
        let input = ask.input_tokens();
        let mut usage = Usage { input, ..Usage::default() };
        let transcript = ask.transcript();
        if transcript.contains("[cached]") {
            usage.cache_read = (input / 4 * 3).max(1);
            return usage;
        }
        let scope = [self.dialect.name(), &ask.model];
        match ask.cache {
            CacheWish::Unmarked => {}
            CacheWish::Automatic => {
                usage.cache_read = self.sim.prompts.longest_known_prefix(&scope, transcript).min(input)
            }
            CacheWish::Marked { bytes, hour } => {
                let (tokens, known) = self.sim.prompts.marked(&scope, transcript.get(..bytes).unwrap_or(transcript));
                usage.cache_hour = hour;
                if known { usage.cache_read = tokens } else { usage.cache_write = tokens }
            }
        }
        usage
    }
}

/// The raw value of a query parameter.
pub(crate) fn query<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}
