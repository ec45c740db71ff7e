//! API keys: what of them may be changed. The identity service makes, rotates and revokes them.

use app::types::config::SCOPES;
use serde_json::Value;

use crate::{
    services::config::{ConfigError, Configuration},
    store::things::Record,
};

pub fn check(service: &Configuration, after: &Record) -> Result<(), ConfigError> {
    let words = |name: &str| {
        let words = after.fields.get(name).and_then(Value::as_array);
        words.into_iter().flatten().filter_map(Value::as_str)
    };
    if let Some(wrong) = words("scopes").find(|scope| !SCOPES.contains(scope)) {
        return Err(ConfigError::field("scopes", format!("\"{wrong}\" is no scope; there are: {}", SCOPES.join(", "))));
    }
    let snapshot = service.catalog.snapshot();
    let is_known = |name: &str| snapshot.models.contains_key(name) || name.contains('/');
    if let Some(wrong) = words("allowed_models").find(|name| !is_known(name)) {
        return Err(ConfigError::field("allowed_models", format!("there is no model \"{wrong}\"")));
    }
    Ok(())
}
