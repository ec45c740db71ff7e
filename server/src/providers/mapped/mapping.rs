//! A payload mapping as a whole: reading it, writing requests with it, understanding answers. Nothing here knows about
//! chat; images, audio and video use it as it is.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use super::{
    MappingProblem,
    parts::{Callback, Cancel, Lookup, Poll, Verdict},
    path::Path,
    placeholder,
    template::{self, API_KEY, Filler, Inputs, Place},
};
use crate::providers::{Auth, ErrorClass, ProviderError, Target, UpstreamRequest, wire};

/// A mapping whose parts have the right shapes.
#[derive(Debug)]
pub struct Mapping<'a> {
    call: Call<'a>,
    /// Placed over the body when an answer shall be streamed.
    stream_body: Option<&'a Value>,
    pub stream: Option<&'a Map<String, Value>>,
    response: &'a Map<String, Value>,
    defaults: Option<&'a Map<String, Value>>,
    /// A submission of the same idempotency key is carried out once.
    pub is_idempotent: bool,
    pub poll: Option<Poll<'a>>,
    pub lookup: Option<Lookup<'a>>,
    pub cancel: Option<Cancel<'a>>,
    pub callback: Option<Callback<'a>>,
}

/// One HTTP call of a mapping.
#[derive(Debug)]
pub struct Call<'a> {
    endpoint: &'a str,
    method: Method,
    headers: &'a Map<String, Value>,
    body: Option<&'a Value>,
    /// Name of the part, for problems: empty for the main call.
    part: &'static str,
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

pub fn join(part: &str, key: &str) -> String {
    if part.is_empty() { key.to_owned() } else { format!("{part}.{key}") }
}

pub fn string<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<&'a str> {
    field(map, part, key)?
        .as_str()
        .ok_or_else(|| MappingProblem { path: join(part, key), message: "must be a string".to_owned() })
}

pub fn object<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<&'a Map<String, Value>> {
    field(map, part, key)?
        .as_object()
        .ok_or_else(|| MappingProblem { path: join(part, key), message: "must be an object".to_owned() })
}

pub fn list<'a>(map: &'a Map<String, Value>, part: &str, key: &str) -> Result<&'a [Value]> {
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

pub fn optional<T>(map: &Map<String, Value>, key: &str, read: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
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
        let part = |name: &'static str| optional(map, name, || object(map, "", name));
        let poll = part("poll")?.map(|map| Poll::read(map, headers, response)).transpose()?;
        let only_with_poll = |name: &'static str| match (part(name)?, &poll) {
            (Some(part), Some(poll)) => Ok(Some((part, poll))),
            (None, _) => Ok(None),
            (Some(_), None) => Err(MappingProblem {
                path: name.to_owned(),
                message: "needs the part poll, which says how a job is named and asked for".to_owned(),
            }),
        };
        let lookup = only_with_poll("lookup")?.map(|(map, _)| Lookup::read(map, headers)).transpose()?;
        let cancel = only_with_poll("cancel")?.map(|(map, _)| Cancel::read(map, headers)).transpose()?;
        let callback = only_with_poll("callback")?.map(|(map, poll)| Callback::read(map, poll)).transpose()?;
        let defaults = part("defaults")?;
        let is_idempotent = match map.get("idempotent") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is)) => *is,
            Some(_) => {
                let message = "must be true or false".to_owned();
                return Err(MappingProblem { path: "idempotent".to_owned(), message });
            }
        };
        let stream_body = stream.and_then(|s| s.get("body"));
        Ok(Self { call, stream_body, stream, response, defaults, is_idempotent, poll, lookup, cancel, callback })
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
        match poll.ending.verdict(answer) {
            Verdict::Done(values) => return Ok(Outcome::Done(values)),
            Verdict::Failed(message) => return Err(ProviderError::new(ErrorClass::Upstream, message)),
            Verdict::Running { .. } => {}
        }
        let Some(job) = poll.job_id.find(answer) else {
            return Err(ProviderError::new(ErrorClass::Malformed, "the provider's answer names no job to wait for"));
        };
        let next = Box::new(self.about(&poll.call, target, "job_id", job)?);
        Ok(Outcome::Poll { next, wait: poll.wait })
    }

    /// Understands the answer to a poll; `asked` is the request that was answered.
    pub fn polled(&self, asked: &UpstreamRequest, answer: &Value) -> std::result::Result<Outcome, ProviderError> {
        let Some(poll) = &self.poll else { return outputs(self.response, answer).map(Outcome::Done) };
        match poll.ending.verdict(answer) {
            Verdict::Done(values) => Ok(Outcome::Done(values)),
            Verdict::Failed(message) => Err(ProviderError::new(ErrorClass::Upstream, message)),
            Verdict::Running { .. } => Ok(Outcome::Poll { next: Box::new(asked.clone()), wait: poll.wait }),
        }
    }

    /// Writes a request of a part, which is about one thing: its placeholders are that and `{model}`.
    pub fn about(
        &self,
        call: &Call<'_>,
        target: &Target,
        name: &str,
        value: &Value,
    ) -> std::result::Result<UpstreamRequest, ProviderError> {
        let values = Map::from_iter([(name.to_owned(), value.clone()), ("model".to_owned(), (&*target.model).into())]);
        let inputs = Inputs { api_key: target.credential.as_ref(), values: &values, defaults: self.defaults };
        call.write(target, inputs, None)
    }
}

/// The values that a response mapping finds; absent ones are left out. A value at the path named `error` is a failure.
pub fn outputs(mapping: &Map<String, Value>, answer: &Value) -> std::result::Result<Map<String, Value>, ProviderError> {
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

impl<'a> Call<'a> {
    /// The call of a part; its method and headers may be left out.
    pub fn of_part(
        map: &'a Map<String, Value>,
        part: &'static str,
        usual: &str,
        headers: &'a Map<String, Value>,
    ) -> Result<Self> {
        let name = optional(map, "method", || string(map, part, "method"))?.unwrap_or(usual);
        Ok(Self {
            endpoint: string(map, part, "endpoint")?,
            method: method(name, &join(part, "method"))?,
            headers: optional(map, "headers", || object(map, part, "headers"))?.unwrap_or(headers),
            body: map.get("body").filter(|body| !body.is_null()),
            part,
        })
    }

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
