//! One line of the log, without secrets.

use std::fmt::{Debug, Write};

use serde_json::{Map, Value};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::redact::{is_secret_name, redact};
use crate::{
    clock::{Clock, rfc3339},
    store::logs::LogRow,
};

const MESSAGE_LIMIT: usize = 8_192;
const VALUE_LIMIT: usize = 2_048;
const FIELD_LIMIT: usize = 32;

/// Whose request a line belongs to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    pub request_id: Option<String>,
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub user_id: Option<String>,
}

impl Origin {
    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "request_id" => Some(&mut self.request_id),
            "org_id" => Some(&mut self.org_id),
            "instance_id" => Some(&mut self.instance_id),
            "user_id" => Some(&mut self.user_id),
            _ => None,
        }
    }
}

impl Visit for Origin {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(place) = self.field(field.name()) {
            *place = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A line before it is written. Everything in it has been redacted.
#[derive(Debug)]
pub struct Line {
    pub(super) time_us: i64,
    pub(super) level: &'static str,
    pub(super) target: &'static str,
    pub(super) message: String,
    pub(super) origin: Origin,
    pub(super) fields: Map<String, Value>,
}

impl Line {
    /// What an event says; what it says of its origin itself wins over the span's.
    pub fn new(event: &Event<'_>, origin: Origin) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            time_us: Clock::system().now_us(),
            level: match *metadata.level() {
                Level::ERROR => "ERROR",
                Level::WARN => "WARN",
                Level::INFO => "INFO",
                Level::DEBUG => "DEBUG",
                Level::TRACE => "TRACE",
            },
            target: metadata.target(),
            message: String::new(),
            origin,
            fields: Map::new(),
        };
        event.record(&mut line);
        line
    }

    /// The part of the product that speaks: `gateway` of `server::services::gateway::attempt`.
    fn component(&self) -> &'static str {
        let mut parts = self.target.split("::");
        match (parts.next(), parts.next()) {
            (Some("server"), Some("services")) => parts.next().unwrap_or("services"),
            (Some("server"), Some(part)) => part,
            (Some(first), _) => first,
            (None, _) => "",
        }
    }

    /// For people and for `grep`: one line, whatever is in it.
    pub fn text(&self) -> String {
        let mut text = format!("{} {:>5} {}: ", rfc3339(self.time_us), self.level, self.target);
        push_printable(&mut text, &self.message);
        for (name, value) in &self.fields {
            let _ = match value {
                Value::String(value) if value.contains([' ', '"']) => {
                    write!(text, " {name}=").map(|()| push_printable(&mut text, &format!("{value:?}")))
                }
                Value::String(value) => write!(text, " {name}=").map(|()| push_printable(&mut text, value)),
                value => write!(text, " {name}={value}"),
            };
        }
        let origin = &self.origin;
        for (name, value) in
            [("request_id", &origin.request_id), ("instance_id", &origin.instance_id), ("user_id", &origin.user_id)]
        {
            if let Some(value) = value {
                let _ = write!(text, " {name}=");
                push_printable(&mut text, value);
            }
        }
        text.push('\n');
        text
    }

    pub fn json(&self) -> String {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("timestamp", rfc3339(self.time_us).into());
        put("level", self.level.into());
        put("message", self.message.as_str().into());
        put("component", self.component().into());
        put("target", self.target.into());
        let origin = &self.origin;
        for (name, value) in
            [("request_id", &origin.request_id), ("instance_id", &origin.instance_id), ("user_id", &origin.user_id)]
        {
            if let Some(value) = value {
                put(name, value.as_str().into());
            }
        }
        for (name, value) in &self.fields {
            object.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        let mut text = Value::Object(object).to_string();
        text.push('\n');
        text
    }

    /// Without an id: the writer gives it one.
    pub fn into_row(self) -> LogRow {
        let component = self.component().to_owned();
        let mut metadata = self.fields;
        metadata.insert("target".to_owned(), self.target.into());
        LogRow {
            log_id: String::new(),
            time_us: self.time_us,
            level: self.level.to_owned(),
            message: self.message,
            component,
            request_id: self.origin.request_id,
            org_id: self.origin.org_id,
            instance_id: self.origin.instance_id,
            user_id: self.origin.user_id,
            metadata: Value::Object(metadata),
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        if self.fields.len() < FIELD_LIMIT {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Line {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let name = field.name();
        if name == "message" {
            self.message = clean(value, MESSAGE_LIMIT);
        } else if let Some(place) = self.origin.field(name) {
            *place = Some(clean(value, VALUE_LIMIT));
        } else if is_secret_name(name) {
            self.put(field, "***".into());
        } else {
            self.put(field, clean(value, VALUE_LIMIT).into());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Redacted, cut, and without the character that PostgreSQL cannot store.
fn clean(text: &str, limit: usize) -> String {
    // Cut after redacting: half a secret has no known shape. What is far too long is cut before, too.
    let mut text = redact(&text[..text.floor_char_boundary(limit * 4)]).replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(limit));
    text
}

/// Line breaks and terminal codes become visible: nobody writes lines of his own into the log.
fn push_printable(out: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
}
