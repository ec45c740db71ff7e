//! Looks through a mapping before it is stored and lists everything that is wrong with it, place by place.

use http::{HeaderName, Method};
use serde_json::{Map, Value};

use super::{
    MappingProblem,
    mapping::{Mapping, RESERVED_HEADERS, endpoint_problem, method, sends_body},
    path::Path,
    placeholder::holes,
    stream,
    template::{MAX_DEPTH, Place},
};

/// Most values that a mapping may hold.
const MAX_VALUES: usize = 10_000;

/// All problems of a mapping; none means that it can be used.
pub fn validate(mapping: &Value) -> Vec<MappingProblem> {
    let mut check = Check { problems: Vec::new(), left: MAX_VALUES };
    let Some(map) = mapping.as_object() else {
        return vec![MappingProblem { path: String::new(), message: "must be an object".to_owned() }];
    };
    check.missing(map, None, &["endpoint", "method", "headers", "body", "response_mapping"]);
    let main_method = check.call(map, None);
    if let Some(responses) = map.get("response_mapping") {
        check.paths(responses, &Place::root("response_mapping"));
    }
    if map.get("defaults").is_some_and(|defaults| !defaults.is_null() && !defaults.is_object()) {
        check.add(&Place::root("defaults"), "must be an object");
    }
    check.job_part(map, "poll", &["endpoint", "job_id", "status", "done"]);
    check.job_part(map, "lookup", &["endpoint", "job_id"]);
    check.job_part(map, "cancel", &["endpoint"]);
    check.job_part(map, "callback", &[]);
    if let Some(part) = map.get("stream").and_then(Value::as_object) {
        if let Some(body) = part.get("body").filter(|body| !body.is_null()) {
            let stream = Place::root("stream");
            let at = stream.key("body");
            if !body.is_object() {
                check.add(&at, "must be an object");
            }
            check.template(body, &at, 0);
        }
        if let Err(problem) = stream::Paths::read(part) {
            check.push(problem);
        }
        if main_method.is_some_and(|method| !sends_body(&method)) && part.contains_key("body") {
            check.add(&Place::root("stream"), "a request without a body cannot have fields put over it");
        }
    }
    // Whatever the parts did not tell, such as wrong shapes.
    if let Err(problem) = Mapping::read(mapping) {
        check.push(problem);
    }
    check.problems
}

struct Check {
    problems: Vec<MappingProblem>,
    left: usize,
}

impl Check {
    fn add(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.push(place.problem(message));
    }

    fn push(&mut self, problem: MappingProblem) {
        if !self.problems.iter().any(|known| known.path == problem.path) {
            self.problems.push(problem);
        }
    }

    fn missing(&mut self, map: &Map<String, Value>, part: Option<&Place<'_>>, keys: &[&str]) {
        for key in keys {
            if map.get(*key).is_none_or(Value::is_null) {
                self.add(&part.map_or(Place::root(key), |part| part.key(key)), "is missing");
            }
        }
    }

    /// A part about a job that goes on: its call, what it must have, and its paths.
    fn job_part(&mut self, map: &Map<String, Value>, name: &str, needed: &[&str]) {
        let Some(part) = map.get(name).and_then(Value::as_object) else { return };
        let place = Place::root(name);
        self.call(part, Some(&place));
        self.missing(part, Some(&place), needed);
        for key in ["job_id", "status", "error", "progress"] {
            if let Some(path) = part.get(key).filter(|path| !path.is_null()) {
                self.path(path, &place.key(key));
            }
        }
        if let Some(responses) = part.get("response_mapping").filter(|value| !value.is_null()) {
            self.paths(responses, &place.key("response_mapping"));
        }
    }

    /// Endpoint, method, headers and body, of the mapping itself or of a part.
    fn call(&mut self, map: &Map<String, Value>, part: Option<&Place<'_>>) -> Option<Method> {
        let place = |key| part.map_or(Place::root(key), |part| part.key(key));
        if let Some(endpoint) = map.get("endpoint").and_then(Value::as_str) {
            let place = place("endpoint");
            if let Some(problem) = endpoint_problem(endpoint) {
                self.add(&place, problem);
            }
            self.text(endpoint, &place);
        }
        let at = place("method");
        let name = map.get("method").and_then(Value::as_str);
        let method = name.and_then(|name| method(name, &at.to_string()).map_err(|problem| self.push(problem)).ok());
        if let Some(headers) = map.get("headers").and_then(Value::as_object) {
            let place = place("headers");
            for (name, value) in headers {
                self.header(name, value, &place.key(name));
            }
        }
        if let Some(body) = map.get("body").filter(|body| !body.is_null()) {
            let place = place("body");
            let filled = body.as_object().is_none_or(|body| !body.is_empty());
            if filled && method.as_ref().is_some_and(|method| !sends_body(method)) {
                self.add(&place, "must be {} because GET and DELETE have no body");
            }
            self.template(body, &place, 0);
        }
        method
    }

    fn header(&mut self, name: &str, value: &Value, place: &Place<'_>) {
        match HeaderName::try_from(name) {
            Ok(name) if RESERVED_HEADERS.contains(&name.as_str()) => self.add(place, "is set by the server itself"),
            Ok(name) if name == http::header::CONTENT_TYPE => {
                if value.as_str().is_none_or(|kind| !kind.to_ascii_lowercase().contains("json")) {
                    self.add(place, "only JSON bodies can be sent");
                }
            }
            Ok(_) => {}
            Err(_) => self.add(place, "is not a header name"),
        }
        match value {
            Value::String(text) => self.text(text, place),
            Value::Number(_) | Value::Bool(_) => {}
            _ => self.add(place, "must be a text"),
        }
    }

    fn template(&mut self, template: &Value, place: &Place<'_>, depth: usize) {
        if depth > MAX_DEPTH || self.left == 0 {
            self.add(place, format!("has more than {MAX_DEPTH} levels or {MAX_VALUES} values"));
            return;
        }
        self.left -= 1;
        match template {
            Value::String(text) => self.text(text, place),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.template(item, &place.index(index), depth + 1);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    self.template(value, &place.key(key), depth + 1);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, place: &Place<'_>) {
        for problem in holes(text).filter_map(|hole| hole.problem()) {
            self.add(place, problem);
        }
    }

    fn paths(&mut self, responses: &Value, place: &Place<'_>) {
        let Some(map) = responses.as_object() else {
            self.add(place, "must be an object");
            return;
        };
        for (name, path) in map {
            let place = place.key(name);
            self.path(path, &place);
        }
    }

    fn path(&mut self, path: &Value, place: &Place<'_>) {
        match path.as_str().map(Path::parse) {
            None => self.add(place, "must be a path like $.data[0].url"),
            Some(Err(problem)) => self.add(place, problem),
            Some(Ok(_)) => {}
        }
    }
}
