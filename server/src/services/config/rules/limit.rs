//! Limits: what they count is part of what they are, so it stays.

use app::types::config::{FieldKind, FieldRole, LIMIT};
use serde_json::{Map, Value};

use crate::{
    services::config::{ConfigError, Configuration},
    store::things::{Record, table},
};

/// A limit of a project or a key is in its instance.
pub async fn complete(service: &Configuration, fields: &mut Map<String, Value>) -> Result<(), ConfigError> {
    for (field, kind) in [("key_id", "api-key"), ("project_id", "project")] {
        let Some((id, table)) = fields.get(field).and_then(Value::as_str).zip(table(kind)) else { continue };
        // What does not exist is told with the other references.
        let Some(record) = service.record(table, id, false).await? else { continue };
        let instance = record.text("instance_id").unwrap_or_default();
        match fields.get("instance_id").and_then(Value::as_str) {
            Some(given) if given != instance => {
                return Err(ConfigError::field("instance_id", format!("{field} is of another instance")));
            }
            _ => {
                fields.insert("instance_id".to_owned(), instance.into());
            }
        }
    }
    Ok(())
}

pub fn check(after: &Record) -> Result<(), ConfigError> {
    let mut limits = LIMIT
        .fields
        .iter()
        .filter(|field| {
            field.role == FieldRole::Optional && matches!(field.kind, FieldKind::Whole(_) | FieldKind::Money)
        })
        .filter(|field| !matches!(field.name, "cooldown_seconds" | "warn_percent"));
    if limits.all(|field| after.fields.get(field.name).is_none_or(Value::is_null)) {
        return Err(ConfigError::field(
            "requests_per_minute",
            "A limit needs a number: requests_per_minute, tokens_per_minute, a budget, …",
        ));
    }
    if after.fields.get("warn_percent").and_then(Value::as_i64).is_some_and(|percent| percent > 100) {
        return Err(ConfigError::field("warn_percent", "warn_percent must be at most 100"));
    }
    if after.text("model").is_some() && after.text("provider").is_none() {
        return Err(ConfigError::field("provider", "A limit of a model names its provider, too"));
    }
    Ok(())
}
