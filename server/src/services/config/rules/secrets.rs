//! Secrets in free JSON: they are neither stored there nor told.

use serde_json::{Map, Value};

/// How a provider's key is shown: its first three and last four characters.
pub fn masked(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    match characters.len() {
        length @ 0..=7 => "*".repeat(length),
        length => {
            let head: String = characters[..3].iter().collect();
            let tail: String = characters[length - 4..].iter().collect();
            format!("{head}****{tail}")
        }
    }
}

/// Fields of a list of keys that tell about a key and are none.
const ABOUT: &[&str] = &["provider", "name", "id", "key_id", "label", "description", "env", "status"];

/// Masks every text in a description of keys that could be one.
pub fn mask_keys(value: &mut Value) {
    match value {
        Value::String(text) if !text.contains("****") => *text = masked(text),
        Value::Array(items) => items.iter_mut().for_each(mask_keys),
        Value::Object(fields) => {
            for (name, value) in fields {
                if !(ABOUT.contains(&name.as_str()) || name.ends_with("_at")) || !value.is_string() {
                    mask_keys(value);
                }
            }
        }
        _ => {}
    }
}

/// Fields for the audit log: what looks like a secret in them is masked.
pub fn redacted(fields: &Map<String, Value>) -> Value {
    let mut value = Value::Object(fields.clone());
    redact(&mut value);
    value
}

fn redact(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_secret(name) && !text.contains('{') && !text.contains("****") => {
                        *text = masked(text);
                    }
                    value => redact(value),
                }
            }
        }
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    ["authorization", "api_key", "apikey", "secret", "password", "token", "access_key"]
        .iter()
        .any(|word| name == *word || name.ends_with(&format!("_{word}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_shows_the_ends_of_long_keys_only() {
        assert_eq!(masked("sk-1234567890abcd"), "sk-****abcd");
        assert_eq!(masked("1234567"), "*******");
        assert_eq!(masked(""), "");
    }

    #[test]
    fn lists_of_keys_keep_no_key() {
        let mut keys = json!([{"provider": "openai", "key": "sk-1234567890abcd", "created_at": "2026-01-01"},
            "sk-1234567890abcd", {"openai": {"name": "x", "value": "sk-****abcd"}}]);
        mask_keys(&mut keys);
        let expected = json!([{"provider": "openai", "key": "sk-****abcd", "created_at": "2026-01-01"},
            "sk-****abcd", {"openai": {"name": "x", "value": "sk-****abcd"}}]);
        assert_eq!(keys, expected);
    }

    #[test]
    fn the_audit_log_keeps_no_secret() {
        let fields = json!({"config": {"headers": {"Authorization": "Bearer abcdefgh", "X-Api-Key": "{api_key}"}},
            "max_tokens": 5, "tokens_per_minute": "many"});
        let told = redacted(fields.as_object().unwrap());
        assert_eq!(told["config"]["headers"], json!({"Authorization": "Bea****efgh", "X-Api-Key": "{api_key}"}));
        assert_eq!(told["tokens_per_minute"], "many");
    }
}
