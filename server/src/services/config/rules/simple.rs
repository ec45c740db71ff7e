//! Prompts, task classifications, routing rules and settings.

use serde_json::Value;

use super::objects;
use crate::{
    services::{
        classify::{self, TaskType},
        config::ConfigError,
    },
    store::things::Record,
};

/// The key of a setting, if it is one.
pub fn key(chosen: &str) -> Result<String, ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if chosen.is_empty() || chosen.len() > 200 || !chosen.chars().all(fits) {
        return Err(ConfigError::field(
            "key",
            "A key has 1 to 200 letters, digits, hyphens, underscores, dots and colons",
        ));
    }
    if chosen == "config_version" {
        return Err(ConfigError::field("key", "config_version counts by itself"));
    }
    Ok(chosen.to_owned())
}

pub fn check(kind: &str, after: &Record) -> Result<(), ConfigError> {
    match kind {
        "prompt" => objects(after, &["variables"]),
        "setting" => objects(after, &["value"]),
        "task-classification" => classification(after),
        "quality-profile" => profile(after),
        "routing-rule" => {
            known_type(after.text("task_type").unwrap_or_default())?;
            let weight = after.fields.get("weight").and_then(Value::as_i64).unwrap_or_default();
            if weight > 1_000_000 {
                return Err(ConfigError::field("weight", "weight must be at most 1000000"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn profile(after: &Record) -> Result<(), ConfigError> {
    let score = |name: &'static str| {
        let score = after.fields.get(name).and_then(Value::as_f64).unwrap_or_default();
        let is_score = (0.0..=1.0).contains(&score);
        if is_score { Ok(score) } else { Err(ConfigError::field(name, format!("{name} must be from 0 to 1"))) }
    };
    if score("reject_below")? > score("approve_from")? {
        return Err(ConfigError::field("reject_below", "reject_below must be at most approve_from"));
    }
    match after.fields.get("json_schema") {
        None | Some(Value::Null) => Ok(()),
        Some(schema) => crate::services::delivery::schema_of(schema)
            .map(drop)
            .map_err(|error| ConfigError::field("json_schema", format!("json_schema is not a JSON Schema: {error}"))),
    }
}

fn classification(after: &Record) -> Result<(), ConfigError> {
    let text = |name: &str| after.text(name).unwrap_or_default();
    known_type(text("task_type"))?;
    classify::check_pattern(text("pattern_type"), text("pattern")).map_err(|error| ConfigError::field("pattern", error))
}

/// Work of another type would never be asked for.
fn known_type(name: &str) -> Result<(), ConfigError> {
    match TaskType::parse(name) {
        Some(_) => Ok(()),
        None => {
            let message = format!("Invalid task_type. Must be one of: {}", TaskType::names());
            Err(ConfigError::field("task_type", message))
        }
    }
}
