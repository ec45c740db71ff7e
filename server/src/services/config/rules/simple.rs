//! Prompts, task classifications, routing rules and settings.

use serde_json::Value;

use super::objects;
use crate::{services::config::ConfigError, store::things::Record};

/// A pattern may not grow into more than this when it is compiled.
const MAX_PATTERN_BYTES: usize = 1 << 20;

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
    let pattern = after.text("pattern").unwrap_or_default();
    match after.text("pattern_type") {
        Some("keyword") if pattern.split('|').any(|word| word.trim().is_empty()) => {
            Err(ConfigError::field("pattern", "pattern must be words separated by |, none of them empty"))
        }
        Some("regex") => match regex::RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build() {
            Ok(_) => Ok(()),
            Err(error) => {
                let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
                Err(ConfigError::field("pattern", format!("pattern is not a regular expression: {reason}")))
            }
        },
        _ => Ok(()),
    }
}
