//! A LiteLLM proxy's `model_list` as a document of our own, and its price table.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Author, ConfigError, Configuration, transfer::Difference};
use crate::services::{
    catalog::Snapshot,
    identity::{Deed, Place, may},
};

/// Whether a document is LiteLLM's.
pub fn is_litellm(document: &Value) -> bool {
    document.get("model_list").is_some()
}

impl Configuration {
    /// The document that a `model_list` comes to, and what of it cannot be carried over.
    pub fn from_litellm(&self, document: &Value) -> Result<(Value, Vec<String>), ConfigError> {
        let list = document["model_list"]
            .as_array()
            .ok_or_else(|| ConfigError::field("model_list", "model_list must be a list"))?;
        let snapshot = self.catalog.snapshot();
        let mut providers: BTreeMap<String, Value> = BTreeMap::new();
        let mut models: Vec<Value> = Vec::new();
        let mut notes = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let place = format!("model_list[{index}]");
            let params = &entry["litellm_params"];
            let (Some(name), Some(target)) = (entry["model_name"].as_str(), params["model"].as_str()) else {
                let message = format!("{place} needs model_name and litellm_params.model");
                return Err(ConfigError::field(place, message));
            };
            if models.iter().any(|model| model["model_id"] == name) {
                notes.push(format!("{place}: \"{name}\" is there already; another deployment of it is left out"));
                continue;
            }
            let (vendor, upstream) = target.split_once('/').unwrap_or(("openai", target));
            let Some(known) = snapshot.provider(vendor) else {
                notes.push(format!("{place}: the provider \"{vendor}\" is not known; \"{name}\" is left out"));
                continue;
            };
            let mut provider_id = known.id.to_string();
            let variable = params["api_key"].as_str().and_then(|key| key.strip_prefix("os.environ/"));
            if params["api_key"].is_string() && variable.is_none() {
                notes.push(format!("{place}: a key is written out; store it as the provider key of {provider_id}"));
            }
            if let Some(base) = params["api_base"].as_str() {
                provider_id = format!("{}-{}", known.id, slug(base));
                let mut credential = json!({});
                if let Some(variable) = variable {
                    credential = json!({ "header": "authorization", "prefix": "Bearer ", "env": [variable] });
                }
                let provider = json!({
                    "id": provider_id, "display_name": provider_id, "adapter": known.adapter,
                    "base_url": base.trim_end_matches('/'), "credential": credential,
                });
                providers.insert(provider_id.clone(), provider);
            }
            models.push(json!({
                "config_id": super::rules::config_id(&provider_id, name),
                "model_id": name,
                "provider_id": provider_id,
                "display_name": name,
                "adapter": known.adapter,
                "upstream_model": upstream,
                "capabilities": { capability(&entry["model_info"]): true },
                "pricing": prices(&entry["model_info"]),
                "rate_limits": limits(params),
                "payload_mapping": {},
                "status": "active",
            }));
        }
        let providers: Vec<Value> = providers.into_values().collect();
        Ok((json!({ "electrons": 1, "provider": providers, "model-config": models }), notes))
    }

    /// Takes prices from a table by model name. Models whose pricing has `"fixed": true` keep theirs.
    pub async fn refresh_prices(
        &self,
        author: &Author,
        table: &Value,
        is_dry: bool,
    ) -> Result<Vec<Difference>, ConfigError> {
        may(&author.caller, Deed::Administer, Place::Platform)?;
        let table = table.as_object().ok_or_else(|| ConfigError::field("prices", "The table must be an object"))?;
        let models = self.list(&author.caller, "model-config", &Default::default()).await?;
        let snapshot = self.catalog.snapshot();
        let mut differences = Vec::new();
        for row in models.rows {
            let before = row.body.get("pricing").cloned().unwrap_or_default();
            let Some(entry) = entry(table, &snapshot, &row.body) else { continue };
            let Value::Object(found) = prices(entry) else { continue };
            if before["fixed"] == true || found.is_empty() {
                continue;
            }
            let mut after = before.as_object().cloned().unwrap_or_default();
            after.extend(found);
            let after = Value::Object(after);
            if after == before {
                continue;
            }
            if !is_dry {
                let change = Map::from_iter([("pricing".to_owned(), after.clone())]);
                self.update(author, "model-config", &row.id, None, &change).await?;
            }
            let fields = vec![("pricing".to_owned(), before, after)];
            differences.push(Difference { kind: "model-config", id: row.id, action: "update", fields });
        }
        Ok(differences)
    }
}

/// The line of a model: by its id, its name at the provider, or both with the provider's name before them.
fn entry<'a>(table: &'a Map<String, Value>, snapshot: &Snapshot, model: &Map<String, Value>) -> Option<&'a Value> {
    let text = |name: &str| model.get(name).and_then(Value::as_str).unwrap_or_default();
    let provider = snapshot.provider(text("provider_id")).map(|provider| provider.id.clone())?;
    let names = [text("model_id"), text("upstream_model")];
    let plain = names.iter().filter_map(|name| table.get(*name)).find(|entry| {
        let vendor = entry["litellm_provider"].as_str();
        vendor.is_none_or(|vendor| snapshot.provider(vendor).is_none_or(|known| known.id == provider))
    });
    plain.or_else(|| names.iter().find_map(|name| table.get(&format!("{provider}/{name}"))))
}

/// Dollars per token become dollars per million tokens.
fn prices(info: &Value) -> Value {
    let mut prices = Map::new();
    for (theirs, ours) in [
        ("input_cost_per_token", "input"),
        ("output_cost_per_token", "output"),
        ("cache_read_input_token_cost", "cached_input"),
        ("cache_creation_input_token_cost", "cache_write"),
    ] {
        if let Some(price) = info[theirs].as_f64().filter(|price| *price > 0.0) {
            // A price has at most six decimals; the rest is what floating point adds.
            let per_million = (price * 1e12).round() / 1e6;
            prices.insert(ours.to_owned(), whole(per_million));
        }
    }
    prices.into()
}

/// `3`, not `3.0`, as people write it.
fn whole(price: f64) -> Value {
    if price.fract() == 0.0 && price < 1e9 { json!(price as i64) } else { json!(price) }
}

fn limits(params: &Value) -> Value {
    let mut limits = Map::new();
    for name in ["rpm", "tpm"] {
        if let Some(limit) = params[name].as_u64() {
            limits.insert(name.to_owned(), limit.into());
        }
    }
    limits.into()
}

fn capability(info: &Value) -> &'static str {
    match info["mode"].as_str() {
        Some("image_generation") => "image",
        Some("embedding") => "embedding",
        Some("audio_speech" | "audio_transcription") => "audio",
        _ => "text",
    }
}

/// The host of an address, for an id.
fn slug(address: &str) -> String {
    let host = address.split("://").last().unwrap_or(address).split('/').next().unwrap_or_default();
    host.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect()
}
