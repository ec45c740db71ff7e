//! A payload mapping as a whole: reading it, writing requests with it, understanding answers. Nothing here knows about
//! chat; images, audio and video use it as it is.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use super::{
    MappingProblem,
    path::Path,
    placeholder,
    template::{self, API_KEY, Filler, Inputs, Place},
};
use crate::providers::{Auth, ErrorClass, ProviderError, Target, UpstreamRequest, wire};

/// Wait between two polls, unless the mapping names another, in milliseconds; and its bounds.
const INTERVAL: u64 = 2_000;
const INTERVALS: std::ops::RangeInclusive<u64> = 100..=60_000;

/// A mapping whose parts have the right shapes.
#[derive(Debug)]
pub struct Mapping<'a> {
    call: Call<'a>,
    /// Placed over the body when an answer shall be streamed.
    stream_body: Option<&'a Value>,
    pub stream: Option<&'a Map<String, Value>>,
    response: &'a Map<String, Value>,
    defaults: Option<&'a Map<String, Value>>,
    poll: Option<Poll<'a>>,
}

/// One HTTP call of a mapping.
#[derive(Debug)]
struct Call<'a> {
    endpoint: &'a str,
    method: Method,
    headers: &'a Map<String, Value>,
    body: Option<&'a Value>,
    /// Name of the part, for problems: empty for the main call, `poll` for the other.
    part: &'static str,
}

#[derive(Debug)]
struct Poll<'a> {
    call: Call<'a>,
    job_id: Path<'a>,
    status: Path<'a>,
    done: &'a [Value],
    failed: &'a [Value],
    error: Option<Path<'a>>,
    wait: Duration,
    response: &'a Map<String, Value>,
}

/// What an answer means.
#[derive(Debug)]
pub enum Outcome {
    /// The mapped values that are there.
    Done(Map<String, Value>),
    /// Ask again with this request after the wait.
    Poll { next: Box<UpstreamRequest>, wait: Duration },
}

type Result<T> = std::result::Result<T, MappingProblem>;

/// A field that must be there.
pub fn field<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<&'a Value> {
    map.get(key)
        .filter(|value| !value.is_null())
        .ok_or_else(|| MappingProblem { path: join(part, key), message: "is missing".to_owned() })
}

fn join(part: &str, key: &str) -> String {
    if part.is_empty() { key.to_owned() } else { format!("{part}.{key}") }
}

fn string<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<&'a str> {
    field(map, part, key)?
        .as_str()
        .ok_or_else(|| MappingProblem { path: join(part, key), message: "must be a string".to_owned() })
}

fn object<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<&'a Map<String, Value>> {
    field(map, part, key)?
        .as_object()
        .ok_or_else(|| MappingProblem { path: join(part, key), message: "must be an object".to_owned() })
}

fn list<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<&'a [Value]> {
    match field(map, part, key)?.as_array() {
        Some(items) if !items.is_empty() => Ok(items),
        _ => {
            Err(MappingProblem { path: join(part, key), message: "must be a list with at least one entry".to_owned() })
        }
    }
}

/// A response path that must be there.
pub fn path<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<Path<'a>> {
    Path::parse(string(map, part, key)?).map_err(|message| MappingProblem { path: join(part, key), message })
}

/// A response path that may be there.
pub fn optional_path<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<Option<Path<'a>>> {
    if map.get(key).is_some_and(|value| !value.is_null()) { path(map, part, key).map(Some) } else { Ok(None) }
}

fn optional<T>(map: &Map<String, Value>, key: &str, read: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    if map.get(key).is_some_and(|value| !value.is_null()) { read().map(Some) } else { Ok(None) }
}

impl<'a> Mapping<'a> {
    /// Takes a mapping apart; the first problem is the error.
    pub fn read(mapping: &'a Value) -> Result<Self> {
        let map = mapping
            .as_object()
            .ok_or_else(|| MappingProblem { path: String::new(), message: "must be an object".to_owned() })?;
        let headers = object(map, "", "headers")?;
        let call = Call {
            endpoint: string(map, "", "endpoint")?,
            method: method(string(map, "", "method")?, "method")?,
            headers,
            body: Some(field(map, "", "body")?),
            part: "",
        };
        let response = object(map, "", "response_mapping")?;
        let stream = optional(map, "stream", || object(map, "", "stream"))?;
        let poll = optional(map, "poll", || Poll::read(object(map, "", "poll")?, headers, response))?;
        let defaults = optional(map, "defaults", || object(map, "", "defaults"))?;
        Ok(Self { call, stream_body: stream.and_then(|s| s.get("body")), stream, response, defaults, poll })
    }

    /// Whether the request would carry the input of that name.
    pub fn mentions(&self, name: &str, streams: bool) -> bool {
        let body = self.call.body.filter(|_| sends_body(&self.call.method));
        placeholder::holes(self.call.endpoint).any(|hole| hole.name == name)
            || self.call.headers.values().any(|value| placeholder::mentions(value, name))
            || body.is_some_and(|body| placeholder::mentions(body, name))
            || streams && self.stream_body.is_some_and(|body| placeholder::mentions(body, name))
    }

    /// Writes the request. Problems that an input causes are the caller's, but name the place in the mapping.
    pub fn request(
        &self,
        target: &Target,
        values: &Map<String, Value>,
        streams: bool,
    ) -> std::result::Result<UpstreamRequest, ProviderError> {
        let inputs = Inputs { api_key: target.credential.as_ref(), values, defaults: self.defaults };
        let over = self.stream_body.filter(|_| streams);
        self.call.write(target, inputs, over)
    }

    /// Understands the answer to [`Mapping::request`].
    pub fn submitted(&self, target: &Target, answer: &Value) -> std::result::Result<Outcome, ProviderError> {
        let Some(poll) = &self.poll else { return outputs(self.response, answer).map(Outcome::Done) };
        if let Some(outcome) = poll.verdict(answer)? {
            return Ok(outcome);
        }
        let Some(job) = poll.job_id.find(answer) else {
            return Err(ProviderError::new(ErrorClass::Malformed, "the provider's answer names no job to wait for"));
        };
        let values =
            Map::from_iter([("job_id".to_owned(), job.clone()), ("model".to_owned(), (&*target.model).into())]);
        let inputs = Inputs { api_key: target.credential.as_ref(), values: &values, defaults: self.defaults };
        let next = Box::new(poll.call.write(target, inputs, None)?);
        Ok(Outcome::Poll { next, wait: poll.wait })
    }

    /// Understands the answer to a poll; `asked` is the request that was answered.
    pub fn polled(&self, asked: &UpstreamRequest, answer: &Value) -> std::result::Result<Outcome, ProviderError> {
        let Some(poll) = &self.poll else { return outputs(self.response, answer).map(Outcome::Done) };
        let again = || Outcome::Poll { next: Box::new(asked.clone()), wait: poll.wait };
        Ok(poll.verdict(answer)?.unwrap_or_else(again))
    }
}

impl<'a> Poll<'a> {
    fn read(
        map: &'a Map<String, Value>,
        headers: &'a Map<String, Value>,
        response: &'a Map<String, Value>,
    ) -> Result<Self> {
        const PART: &str = "poll";
        let interval = match map.get("interval_ms") {
            None | Some(Value::Null) => INTERVAL,
            Some(value) => value.as_u64().filter(|ms| INTERVALS.contains(ms)).ok_or_else(|| MappingProblem {
                path: "poll.interval_ms".to_owned(),
                message: format!("must be a number from {} to {}", INTERVALS.start(), INTERVALS.end()),
            })?,
        };
        let name = optional(map, "method", || string(map, PART, "method"))?.unwrap_or("GET");
        Ok(Self {
            call: Call {
                endpoint: string(map, PART, "endpoint")?,
                method: method(name, "poll.method")?,
                headers: optional(map, "headers", || object(map, PART, "headers"))?.unwrap_or(headers),
                body: map.get("body").filter(|body| !body.is_null()),
                part: PART,
            },
            job_id: path(map, PART, "job_id")?,
            status: path(map, PART, "status")?,
            done: list(map, PART, "done")?,
            failed: optional(map, "failed", || list(map, PART, "failed"))?.unwrap_or(&[]),
            error: optional_path(map, PART, "error")?,
            wait: Duration::from_millis(interval),
            response: optional(map, "response_mapping", || object(map, PART, "response_mapping"))?.unwrap_or(response),
        })
    }

    /// The end of the work, or `None` while it goes on.
    fn verdict(&self, answer: &Value) -> std::result::Result<Option<Outcome>, ProviderError> {
        let Some(status) = self.status.find(answer) else { return Ok(None) };
        if self.failed.iter().any(|word| same(word, status)) {
            let reason = self.error.as_ref().and_then(|path| wire::text_of(path.find(answer)?));
            let message = reason.unwrap_or_else(|| "the provider reports that the work failed".to_owned());
            return Err(ProviderError::new(ErrorClass::Upstream, message));
        }
        if self.done.iter().any(|word| same(word, status)) {
            return outputs(self.response, answer).map(|values| Some(Outcome::Done(values)));
        }
        Ok(None)
    }
}

/// `true` and `"true"`, `1` and `"1"` are the same status; case does not matter.
fn same(word: &Value, status: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Bool(on) => Some(on.to_string()),
        value => wire::text_of(value).map(|text| text.to_ascii_lowercase()),
    };
    word == status || text(word).is_some() && text(word) == text(status)
}

/// The values that a response mapping finds; absent ones are left out. A value at the path named `error` is a failure.
fn outputs(mapping: &Map<String, Value>, answer: &Value) -> std::result::Result<Map<String, Value>, ProviderError> {
    let mut out = Map::new();
    for (name, path) in mapping {
        let path = path.as_str().and_then(|text| Path::parse(text).ok());
        if let Some(value) = path.and_then(|path| path.find(answer)) {
            out.insert(name.clone(), value.clone());
        }
    }
    match out.remove("error") {
        None => Ok(out),
        Some(error) => Err(reported(&error)),
    }
}

/// The failure that a mapped error value reports.
pub fn reported(error: &Value) -> ProviderError {
    let message = wire::text_of(error).or_else(|| wire::text_of(error.get("message")?));
    ProviderError::new(ErrorClass::Upstream, message.unwrap_or_else(|| "the provider reported an error".to_owned()))
}

/// A method that a mapping may use.
pub fn method(name: &str, path: &str) -> Result<Method> {
    match name.to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(MappingProblem {
            path: path.to_owned(),
            message: "must be one of GET, POST, PUT, PATCH, DELETE".to_owned(),
        }),
    }
}

/// Whether a request with that method has a body.
pub fn sends_body(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::DELETE)
}

/// Headers that belong to the transport.
pub const RESERVED_HEADERS: &[&str] =
    &["host", "content-length", "transfer-encoding", "connection", "accept-encoding", "te", "upgrade"];

/// What is wrong with an endpoint, if anything: placeholders may neither choose the host nor put the key into the path.
pub fn endpoint_problem(endpoint: &str) -> Option<&'static str> {
    let (host, path) = split(endpoint);
    let path = path.split('?').next().unwrap_or_default();
    if endpoint.trim().is_empty() {
        Some("must not be empty")
    } else if endpoint.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        Some("must not hold spaces, control characters or #")
    } else if host.is_some_and(|host| placeholder::holes(host).next().is_some() || host.is_empty()) {
        Some("the host must be fixed")
    } else if placeholder::holes(path).any(|hole| hole.name == API_KEY) {
        Some("{api_key} belongs into a header or behind the question mark")
    } else {
        None
    }
}

/// Scheme and host of an absolute endpoint, and the rest.
fn split(endpoint: &str) -> (Option<&str>, &str) {
    let Some(behind) = ["https://", "http://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme)) else {
        return (None, endpoint);
    };
    let host = behind.find(['/', '?']).unwrap_or(behind.len());
    (Some(&behind[..host]), &behind[host..])
}

impl Call<'_> {
    fn place<'p>(&self, parent: &'p Place<'p>, key: &'p str) -> Place<'p> {
        if self.part.is_empty() { Place::root(key) } else { parent.key(key) }
    }

    fn write(
        &self,
        target: &Target,
        inputs: Inputs<'_>,
        over: Option<&Value>,
    ) -> std::result::Result<UpstreamRequest, ProviderError> {
        let part = Place::root(self.part);
        let mut filler = Filler::new(inputs);
        let url = self.url(target, &mut filler, &self.place(&part, "endpoint"))?;
        let mut headers = self.headers(target, &mut filler, &self.place(&part, "headers"))?;
        let mut body = bytes::Bytes::new();
        if let Some(template) = self.body.filter(|_| sends_body(&self.method)) {
            let mut value = filler.value(template, &self.place(&part, "body"))?.unwrap_or_default();
            if let Some(over) = over {
                let over = filler.value(over, &Place::root("stream").key("body"))?;
                template::overlay(&mut value, over.unwrap_or_else(|| Map::new().into()));
            }
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            body = wire::json(&value)?;
        }
        Ok(UpstreamRequest { method: self.method.clone(), url, headers, body, dropped: Vec::new() })
    }

    fn url(&self, target: &Target, filler: &mut Filler<'_>, place: &Place<'_>) -> Result<String> {
        if let Some(problem) = endpoint_problem(self.endpoint) {
            return Err(place.problem(problem));
        }
        let endpoint = filler.address(self.endpoint, place)?;
        let relative = match split(&endpoint) {
            // The simulator stands in for every host.
            (Some(_), path) if target.simulated => path,
            (Some(_), _) => return Ok(endpoint),
            (None, path) => path,
        };
        let relative = relative.strip_prefix('/').unwrap_or(relative);
        // `…/v1` and `/v1/chat` mean the same `v1`.
        let base = target.base_url.trim_end_matches('/');
        let first = relative.split(['/', '?']).next().unwrap_or_default();
        let base = match base.rsplit_once('/') {
            Some((before, last)) if last == first && is_version(last) => before,
            _ => base,
        };
        Ok(format!("{base}/{relative}"))
    }

    fn headers(
        &self,
        target: &Target,
        filler: &mut Filler<'_>,
        place: &Place<'_>,
    ) -> std::result::Result<HeaderMap, ProviderError> {
        let body = self.body.filter(|_| sends_body(&self.method));
        let shows_key = placeholder::holes(self.endpoint).any(|hole| hole.name == API_KEY)
            || self.headers.values().chain(body).any(|value| placeholder::mentions(value, API_KEY));
        let mut headers = if shows_key {
            wire::headers(&Target { auth: Auth::None, ..target.clone() })?
        } else {
            wire::headers(target)?
        };
        for (name, template) in self.headers {
            let place = place.key(name);
            let Some(value) = filler.value(template, &place)? else { continue };
            let text = match value {
                Value::String(text) => text,
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return Err(place.problem("must be a text").into()),
            };
            let header = HeaderName::try_from(name.as_str())
                .ok()
                .filter(|name| !RESERVED_HEADERS.contains(&name.as_str()))
                .ok_or_else(|| place.problem("is not a header that can be set"))?;
            let value = HeaderValue::try_from(text.trim());
            let mut value = value.map_err(|_| place.problem("has characters that no header can hold"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(headers)
    }
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
