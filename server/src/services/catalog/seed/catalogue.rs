//! `providers.json` and `models.json` as rows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::store::{
    models::{AliasRow, ModelRow},
    providers::ProviderRow,
    seed::CatalogueRows,
};

/// The setting that remembers what this database was offered: `{"version", "providers", "models", "aliases"}`.
pub const SETTING: &str = "catalogue";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    id: String,
    name: String,
    adapter: String,
    base_url: String,
    credential: Value,
    config: Value,
}

#[derive(Deserialize)]
struct Catalogue {
    version: i64,
    aliases: BTreeMap<String, String>,
    mappings: BTreeMap<String, Value>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    id: String,
    provider: String,
    /// The provider's own name, where it is not the id.
    upstream: Option<String>,
    name: String,
    description: Option<String>,
    capabilities: Vec<String>,
    status: String,
    context: Option<i64>,
    max_output: Option<i64>,
    #[serde(default)]
    supports: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    deprecation_date: Option<String>,
    pricing: Value,
    rate_limits: Option<Value>,
    /// A payload mapping of the file.
    mapping: Option<String>,
    /// Over those of the mapping.
    defaults: Option<Map<String, Value>>,
}

/// Everything this version ships.
pub fn rows(now_us: i64) -> Result<CatalogueRows, serde_json::Error> {
    let providers: Vec<Provider> = serde_json::from_str(include_str!("providers.json"))?;
    let catalogue: Catalogue = serde_json::from_str(include_str!("models.json"))?;
    let Catalogue { version, aliases, mappings, models } = catalogue;

    let providers: Vec<ProviderRow> = (0i64..).zip(providers).map(|(place, p)| p.row(place * 10, now_us)).collect();
    let models = models.into_iter().map(|m| m.row(&providers, &mappings, now_us)).collect();
    let aliases =
        aliases.into_iter().map(|(alias, model_id)| AliasRow { alias, model_id, created_us: now_us }).collect();
    let mut rows = CatalogueRows { providers, models, aliases, setting: (SETTING.into(), json!({"version": version})) };
    let offered = [
        ("providers", rows.providers.iter().map(|p| p.id.as_str()).collect::<Vec<_>>()),
        ("models", rows.models.iter().map(|m| m.model_id.as_str()).collect()),
        ("aliases", rows.aliases.iter().map(|a| a.alias.as_str()).collect()),
    ]
    .map(|(kind, names)| (kind, json!(names)));
    for (kind, names) in offered {
        rows.setting.1[kind] = names;
    }
    Ok(rows)
}

/// Leaves out what was offered before, and remembers both.
pub fn beyond(mut rows: CatalogueRows, offered: &Value) -> CatalogueRows {
    let before = |kind: &str| -> Vec<String> {
        let names = offered[kind].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (providers, models, aliases) = (before("providers"), before("models"), before("aliases"));
    rows.providers.retain(|row| !providers.contains(&row.id));
    rows.models.retain(|row| !models.contains(&row.model_id));
    rows.aliases.retain(|row| !aliases.contains(&row.alias));

    for (kind, names) in [("providers", providers), ("models", models), ("aliases", aliases)] {
        if let Some(shipped) = rows.setting.1[kind].as_array_mut() {
            for name in names {
                if !shipped.iter().any(|s| *s == name) {
                    shipped.push(name.into());
                }
            }
        }
    }
    rows
}

impl Provider {
    fn row(self, sort: i64, now_us: i64) -> ProviderRow {
        ProviderRow {
            id: self.id,
            display_name: self.name,
            adapter: Some(self.adapter),
            base_url: self.base_url,
            credential: self.credential,
            config: self.config,
            is_active: true,
            sort,
            created_us: now_us,
            updated_us: now_us,
        }
    }
}

impl Model {
    fn row(self, providers: &[ProviderRow], mappings: &BTreeMap<String, Value>, now_us: i64) -> ModelRow {
        let provider = providers.iter().find(|p| p.id == self.provider || is_alias(p, &self.provider));
        let upstream_model = self.upstream.unwrap_or_else(|| self.id.clone());

        let mut payload_mapping = self.mapping.and_then(|name| mappings.get(&name).cloned()).unwrap_or(json!({}));
        name_model(&mut payload_mapping, &upstream_model);
        for (name, value) in self.defaults.unwrap_or_default() {
            payload_mapping["defaults"][name] = value;
        }

        let mut parameters = json!({"supports": self.supports, "lacks": self.lacks});
        let limits = [
            ("context", self.context.map(Value::from)),
            ("max_output", self.max_output.map(Value::from)),
            ("deprecation_date", self.deprecation_date.map(Value::from)),
        ];
        for (name, value) in limits {
            if let Some(value) = value {
                parameters[name] = value;
            }
        }

        ModelRow {
            config_id: format!("cfg_{}_{}", self.provider, self.id.replace(['-', '/'], "_")),
            model_id: self.id,
            adapter: provider.and_then(|p| p.adapter.clone()),
            provider_id: self.provider,
            upstream_model,
            display_name: self.name,
            description: self.description,
            capabilities: self.capabilities.into_iter().map(|name| (name, Value::Bool(true))).collect(),
            pricing: self.pricing,
            rate_limits: self.rate_limits.unwrap_or(json!({})),
            payload_mapping,
            prompt_template: None,
            parameters,
            status: self.status,
            org_id: None,
            created_us: now_us,
            updated_us: now_us,
            deleted_us: None,
        }
    }
}

/// True when the provider answers to this name too.
fn is_alias(provider: &ProviderRow, name: &str) -> bool {
    provider.config["aliases"].as_array().is_some_and(|aliases| aliases.iter().any(|a| a == name))
}

/// Puts the upstream's name in place of `{model}`, so that a stored mapping says everything.
fn name_model(value: &mut Value, model: &str) {
    match value {
        Value::String(text) => *text = text.replace("{model}", model),
        Value::Array(items) => items.iter_mut().for_each(|item| name_model(item, model)),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, field)| name_model(field, model)),
        _ => {}
    }
}
