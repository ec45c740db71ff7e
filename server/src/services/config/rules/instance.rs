//! Instances: free JSON comes back as it was given, but keys in it are masked.

use serde_json::{Value, json};

use super::{objects, secrets};
use crate::{services::config::ConfigError, store::things::Record};

pub fn defaults(id: &str) -> Value {
    json!({
        "api_keys": [],
        "rate_limits": { "requests_per_minute": 100, "requests_per_day": 10_000 },
        "worker_urls": {},
        "r2_bucket": format!("instance-{id}"),
        "config": {},
        "store_contents": false,
        "content_retention_days": 7,
    })
}

pub fn check(after: &mut Record) -> Result<(), ConfigError> {
    if let Some(keys) = after.fields.get_mut("api_keys") {
        secrets::mask_keys(keys);
    }
    objects(after, &["config"])
}
