//! Providers: their ids, wire formats and credential rules.

use serde_json::{Map, Value, json};

use super::objects;
use crate::{services::config::ConfigError, store::things::Record};

/// Wire formats that a provider or a model may name.
pub const ADAPTERS: &[&str] = &[
    "openai",
    "anthropic",
    "gemini",
    "cohere",
    "mapped",
    "ideogram",
    "stability",
    "elevenlabs",
    "pexels",
    "shotstack",
];

/// Its id, if it is one.
pub fn id(chosen: &str) -> Result<String, ConfigError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if chosen.is_empty() || chosen.len() > 64 || !chosen.chars().all(fits) {
        return Err(ConfigError::field(
            "id",
            "A provider's id has 1 to 64 lower-case letters, digits, hyphens, underscores and dots",
        ));
    }
    Ok(chosen.to_owned())
}

/// A provider that nobody described yet, for a model that names it.
pub fn implied(id: &str) -> Map<String, Value> {
    let fields = json!({
        "display_name": id,
        "adapter": "mapped",
        "base_url": format!("https://api.{id}.com"),
        "credential": { "header": "authorization", "prefix": "Bearer " },
        "config": {},
        "is_active": true,
        "sort": 1000,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

pub fn adapter(record: &Record) -> Result<(), ConfigError> {
    match record.text("adapter") {
        Some(adapter) if !ADAPTERS.contains(&adapter) => {
            Err(ConfigError::field("adapter", format!("adapter must be one of: {}", ADAPTERS.join(", "))))
        }
        _ => Ok(()),
    }
}

pub fn check(after: &mut Record) -> Result<(), ConfigError> {
    adapter(after)?;
    objects(after, &["credential", "config"])?;
    let part = |field: &str, name: &str| after.fields.get(field).and_then(|part| part.get(name)).cloned();
    let is_texts = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    for (field, name) in [("credential", "env"), ("config", "aliases")] {
        if part(field, name).is_some_and(|value| !is_texts(&value)) {
            return Err(ConfigError::field(format!("{field}.{name}"), format!("{name} must be a list of texts")));
        }
    }
    if part("config", "default_model").is_some_and(|model| !model.is_string() && !model.is_null()) {
        return Err(ConfigError::field("config.default_model", "default_model must be the name of a model"));
    }
    if let Some(headers) = part("config", "headers") {
        let fits = headers.as_object().is_some_and(|headers| {
            headers.iter().all(|(name, value)| {
                http::HeaderName::try_from(name).is_ok()
                    && value.as_str().is_some_and(|value| http::HeaderValue::from_str(value).is_ok())
            })
        });
        if !fits {
            return Err(ConfigError::field("config.headers", "headers must be an object of header names and texts"));
        }
    }
    if let Some(header) = part("credential", "header")
        && header.as_str().is_none_or(|name| http::HeaderName::try_from(name).is_err())
    {
        return Err(ConfigError::field("credential.header", "header must be the name of a header"));
    }
    Ok(())
}
