//! Sends what a codec wrote and hands back what came: the only place that talks to providers. Dropping a call or a stream
//! closes its connection, which is how a provider learns that nobody listens any more.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt, stream::BoxStream};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::{ErrorClass, ProviderError, UpstreamRequest};
use crate::settings;

/// How long a provider may take, and how much it may say.
#[derive(Debug, Clone)]
pub struct Limits {
    pub connect: Duration,
    pub first_byte: Duration,
    pub idle: Duration,
    pub response_bytes: usize,
}

impl From<&settings::Gateway> for Limits {
    fn from(gateway: &settings::Gateway) -> Self {
        Self {
            connect: gateway.connect_timeout,
            first_byte: gateway.first_byte_timeout,
            idle: gateway.idle_timeout,
            response_bytes: gateway.response_limit_bytes,
        }
    }
}

/// Pooled HTTP clients with one set of limits.
#[derive(Clone)]
pub struct Transport {
    /// Goes through the proxy that the environment names, if any.
    client: reqwest::Client,
    /// For servers on this machine, the simulator among them: no proxy can reach those.
    direct: reqwest::Client,
    limits: Limits,
}

/// An answer whose headers have arrived.
pub struct Upstream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    /// End of the present silence; kept so that a wait that was dropped goes on where it was.
    silent_until: Option<Instant>,
    limits: Limits,
}

impl Transport {
    /// Fails only when the system's TLS set-up is unusable.
    pub fn new(limits: Limits) -> Result<Self, reqwest::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(limits.connect)
                // A redirect would send the credential to another host.
                .redirect(reqwest::redirect::Policy::none())
                .pool_max_idle_per_host(256)
                .pool_idle_timeout(Duration::from_secs(60))
                .tcp_nodelay(true)
                .tcp_keepalive(Duration::from_secs(60))
                .user_agent(concat!("distributed-electrons/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self { client: builder().build()?, direct: builder().no_proxy().build()?, limits })
    }

    /// Sends a request and waits for the headers of its answer, at most until `deadline`.
    pub async fn send(&self, request: UpstreamRequest, deadline: Instant) -> Result<Upstream, ProviderError> {
        let client = if is_local(&request.url) { &self.direct } else { &self.client };
        let call = client.request(request.method, &request.url).headers(request.headers).body(request.body).send();
        let until = deadline.min(Instant::now() + self.limits.first_byte);
        let answer = timeout_at(until, call)
            .await
            .map_err(|_| ProviderError::new(ErrorClass::Timeout, "the provider did not answer in time"))?
            .map_err(|error| failed_to_send(&error))?;
        Ok(Upstream {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.bytes_stream().boxed(),
            silent_until: None,
            limits: self.limits.clone(),
        })
    }
}

impl Upstream {
    /// The whole body, at most `response_bytes` of it and at most until `deadline`.
    pub async fn read(mut self, deadline: Instant) -> Result<Bytes, ProviderError> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        let mut length = 0;
        while let Some(piece) = self.next(deadline).await? {
            length += piece.len();
            if length > self.limits.response_bytes {
                return Err(ProviderError::new(
                    ErrorClass::Malformed,
                    format!("the provider's answer is longer than {} bytes", self.limits.response_bytes),
                ));
            }
            if first.is_empty() && rest.is_empty() {
                first = piece;
                continue;
            }
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&piece);
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    }

    /// The next piece of the body; `None` at its end. Silence longer than the idle limit is an error. May be dropped and
    /// called again.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<Bytes>, ProviderError> {
        let silent_until = *self.silent_until.get_or_insert_with(|| Instant::now() + self.limits.idle);
        let next = timeout_at(deadline.min(silent_until), self.body.next()).await;
        self.silent_until = None;
        match next {
            Err(_) => Err(ProviderError::new(ErrorClass::Timeout, "the provider stopped sending")),
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(error))) => Err(ProviderError::new(
                ErrorClass::Truncated,
                format!("the provider's answer was cut off: {}", reason(&error)),
            )),
        }
    }

    /// Takes the end of the body if it is here already: only then can the connection be used again.
    pub fn release(&mut self) {
        while let Some(Some(Ok(_))) = self.body.next().now_or_never() {}
    }
}

pub fn is_local(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default();
    ["127.", "localhost:", "localhost/", "[::1]"].iter().any(|local| host.starts_with(local))
}

fn failed_to_send(error: &reqwest::Error) -> ProviderError {
    if error.is_connect() {
        return ProviderError::new(ErrorClass::Connect, format!("the provider cannot be reached: {}", reason(error)));
    }
    if error.is_timeout() {
        return ProviderError::new(ErrorClass::Timeout, "the provider did not answer in time");
    }
    if error.is_builder() {
        return ProviderError::new(
            ErrorClass::Invalid,
            format!("the provider's address is not usable: {}", reason(error)),
        );
    }
    ProviderError::new(ErrorClass::Truncated, format!("the connection to the provider broke: {}", reason(error)))
}

/// The innermost cause, without the URL: it may carry a key in its query.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(std::ptr::from_ref(cause), std::ptr::from_ref::<dyn std::error::Error>(error)) {
        return if error.is_body() { "the body ended early".to_owned() } else { "the request failed".to_owned() };
    }
    cause.to_string()
}
