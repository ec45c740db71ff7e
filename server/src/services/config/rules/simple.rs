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
