//! API keys: what of them may be changed. The identity service makes, rotates and revokes them.

use app::types::config::SCOPES;
use serde_json::Value;

use crate::{
    services::{
        config::{Author, ConfigError, Configuration},
        identity::Denied,
    },
    store::things::Record,
};

pub fn check(
    service: &Configuration,
    author: &Author,
    before: Option<&Record>,
    after: &Record,
) -> Result<(), ConfigError> {
    // A key that may do less than its owner must not make itself, or another, do more.
    let narrow = author.caller.scopes.is_some() || author.caller.allowed_models.is_some();
    let changes = |name: &&str| before.is_some_and(|before| before.fields.get(*name) != after.fields.get(*name));
    if narrow && ["scopes", "allowed_models", "expires_at"].iter().any(changes) {
        return Err(Denied::Level {
            what: "to change what a key may do",
            least: "a session, or a key without scopes and models of its own",
        }
        .into());
    }
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
