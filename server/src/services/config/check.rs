//! Whether what somebody sends fits the description: what must be there, what may be changed, and the form of each value.

use app::types::config::{Field, FieldKind, FieldRole, Thing};
use serde_json::{Map, Value};

use super::error::{ConfigError, FieldError};
use crate::clock::rfc3339;

const MAX_LINE: usize = 500;
const MAX_TEXT: usize = 100_000;
/// Most characters of a JSON value, written out.
const MAX_JSON: usize = 262_144;
const MAX_WORDS: usize = 1_000;

/// Names in a body that nothing is known of.
pub fn unknown_fields(thing: &Thing, body: &Map<String, Value>) -> Vec<String> {
    let ours = [thing.id, "created_at", "updated_at", "deleted_at"];
    let unknown = body.keys().filter(|name| thing.field(name).is_none() && !ours.contains(&name.as_str()));
    unknown.cloned().collect()
}

/// Required fields that are absent, empty or falsy.
pub fn missing(thing: &Thing, body: &Map<String, Value>, unless: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let is_missing = |name: &str| body.get(name).is_none_or(is_falsy);
    let id = thing.named.then_some(thing.id).filter(|id| is_missing(id));
    let fields = thing.fields.iter().filter(|field| field.role.is_required()).map(|field| field.name);
    id.into_iter().chain(fields.filter(|name| is_missing(name) && !unless(name))).collect()
}

fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(_) | Value::Object(_) | Value::Bool(true) => false,
    }
}

/// The fields of a new thing, in the form they are stored in. What is told and never given is left out.
pub fn given(thing: &'static Thing, body: &Map<String, Value>) -> Result<Map<String, Value>, ConfigError> {
    read(thing.fields.iter().filter(|field| field.role != FieldRole::Shown), body)
}

/// The changed fields of a thing, in the form they are stored in. What stays may be given as it is.
pub fn changed(
    thing: &'static Thing,
    body: &Map<String, Value>,
    before: &Map<String, Value>,
) -> Result<Map<String, Value>, ConfigError> {
    let (changeable, others): (Vec<&Field>, Vec<&Field>) =
        thing.fields.iter().partition(|field| field.role.is_changeable());
    let fixed = others.iter().filter(|field| field.role != FieldRole::Shown && body.contains_key(field.name));
    let moved: Vec<FieldError> = fixed
        .filter(|field| body.get(field.name) != before.get(field.name))
        .map(|field| FieldError { field: field.name.to_owned(), message: format!("{} cannot be changed", field.name) })
        .collect();
    if !changeable.iter().any(|field| body.contains_key(field.name)) {
        return Err(ConfigError::NothingToUpdate);
    }
    if !moved.is_empty() {
        return Err(ConfigError::Fields(moved));
    }
    let empty: Vec<FieldError> = changeable
        .iter()
        .filter(|field| field.role == FieldRole::Required)
        .filter(|field| body.get(field.name).is_some_and(|value| value.is_null() || *value == ""))
        .map(|field| FieldError { field: field.name.to_owned(), message: format!("{} must not be empty", field.name) })
        .collect();
    if !empty.is_empty() {
        return Err(ConfigError::Fields(empty));
    }
    read(changeable.into_iter(), body)
}

fn read<'a>(
    fields: impl Iterator<Item = &'a Field>,
    body: &Map<String, Value>,
) -> Result<Map<String, Value>, ConfigError> {
    let mut read = Map::new();
    let mut errors = Vec::new();
    for field in fields {
        let Some(value) = body.get(field.name) else { continue };
        match form(field, value) {
            Ok(value) => {
                read.insert(field.name.to_owned(), value);
            }
            Err(message) => {
                errors.push(FieldError { field: field.name.to_owned(), message: format!("{} {message}", field.name) })
            }
        }
    }
    if errors.is_empty() { Ok(read) } else { Err(ConfigError::Fields(errors)) }
}

/// A value as it is stored, or what it must be.
fn form(field: &Field, value: &Value) -> Result<Value, String> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if has_nul(value) {
        return Err("must not contain the character NUL".to_owned());
    }
    let text = || value.as_str().map(str::trim).ok_or_else(|| "must be a text".to_owned());
    let whole = |least: i64| match value.as_i64() {
        Some(whole) if whole >= least => Ok(Value::from(whole)),
        _ => Err(format!("must be a whole number of at least {least}")),
    };
    match field.kind {
        FieldKind::Line => {
            let text = text()?;
            if text.chars().count() > MAX_LINE || text.chars().any(char::is_control) {
                return Err(format!("must be one line of at most {MAX_LINE} characters"));
            }
            Ok(optional(text))
        }
        FieldKind::Ref(_) => Ok(optional(text()?)),
        FieldKind::Text => {
            let text = value.as_str().ok_or("must be a text")?;
            if text.chars().count() > MAX_TEXT {
                return Err(format!("must have at most {MAX_TEXT} characters"));
            }
            Ok(optional(text))
        }
        FieldKind::Email => {
            let text = text()?;
            let plausible = text.split_once('@').is_some_and(|(local, host)| {
                !local.is_empty()
                    && host.len() > 2
                    && !host.contains('@')
                    && !host.starts_with('.')
                    && !host.ends_with('.')
            });
            let whole = text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control());
            if text.is_empty() {
                return Ok(Value::Null);
            }
            if plausible && whole { Ok(text.into()) } else { Err("must be an e-mail address".to_owned()) }
        }
        FieldKind::Url => {
            let text = text()?.trim_end_matches('/');
            match reqwest::Url::parse(text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.into()),
                _ => Err("must be an address that begins with http:// or https://".to_owned()),
            }
        }
        FieldKind::Choice(choices) => match text()? {
            "" => Ok(Value::Null),
            word if choices.contains(&word) => Ok(word.into()),
            _ => Err(format!("must be one of: {}", choices.join(", "))),
        },
        FieldKind::Whole(least) => whole(least),
        FieldKind::Money => whole(0),
        FieldKind::Number => {
            value.as_f64().filter(|n| n.is_finite()).map(Value::from).ok_or_else(|| "must be a number".to_owned())
        }
        FieldKind::Flag => value.as_bool().map(Value::from).ok_or_else(|| "must be true or false".to_owned()),
        FieldKind::Time => text()?
            .parse::<jiff::Timestamp>()
            .map(|time| time.as_microsecond().into())
            .map_err(|_| "must be a time like 2030-01-31T12:00:00Z".to_owned()),
        FieldKind::Json => match value {
            Value::Object(_) | Value::Array(_) if value.to_string().len() <= MAX_JSON => Ok(value.clone()),
            Value::Object(_) | Value::Array(_) => Err(format!("must have at most {MAX_JSON} characters")),
            _ => Err("must be an object or a list".to_owned()),
        },
        FieldKind::Words => {
            let words = value.as_array().filter(|words| words.len() <= MAX_WORDS);
            let fits = words.is_some_and(|words| {
                words.iter().all(|word| word.as_str().is_some_and(|word| !word.is_empty() && word.len() <= MAX_LINE))
            });
            if fits { Ok(value.clone()) } else { Err(format!("must be a list of at most {MAX_WORDS} texts")) }
        }
    }
}

fn optional(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// A record's fields as the API shows them.
pub fn shown(thing: &Thing, id: &str, record: &crate::store::things::Record) -> Map<String, Value> {
    let mut body = Map::with_capacity(thing.fields.len() + 3);
    body.insert(thing.id.to_owned(), id.into());
    for field in thing.fields {
        let value = record.fields.get(field.name).cloned().unwrap_or_default();
        let value = match (field.kind, value.as_i64()) {
            (FieldKind::Time, Some(us)) => rfc3339(us).into(),
            _ => value,
        };
        body.insert(field.name.to_owned(), value);
    }
    body.insert("created_at".to_owned(), rfc3339(record.created_us).into());
    body.insert("updated_at".to_owned(), rfc3339(record.updated_us).into());
    if let Some(deleted_us) = record.deleted_us {
        body.insert("deleted_at".to_owned(), rfc3339(deleted_us).into());
    }
    body
}
