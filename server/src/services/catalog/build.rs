//! From rows to a snapshot. A row that cannot be used is left out and logged: one bad row must not stop the others.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use app::types::Role;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::snapshot::{ApiKey, Instance, Level, Model, Organization, Provider, Snapshot, User};
use crate::{
    providers::{self, Auth, Secret},
    services::{
        classify::Rules,
        delivery::Profiles,
        limits::{self, Limit},
        vault::{self, Vault},
    },
    settings::ProviderOverride,
    store::{
        Configuration,
        api_keys::{ApiKeyRow, RetiredSecretRow},
        limits::LimitRow,
        models::ModelRow,
        providers::ProviderRow,
        usage::UsageScope,
    },
};

/// What the process adds to the rows.
pub struct Environment {
    /// The instance that `default` means.
    pub default_instance: String,
    pub vault: Vault,
    /// Environment variables, for providers that name theirs.
    pub variables: HashMap<String, String>,
    pub overrides: BTreeMap<String, ProviderOverride>,
}

pub fn snapshot(rows: Configuration, environment: &Environment) -> Snapshot {
    let mut provider_aliases = HashMap::new();
    let mut providers = HashMap::new();
    for row in rows.providers {
        for alias in strings(&row.config["aliases"]) {
            provider_aliases.insert(alias, row.id.clone());
        }
        providers.insert(row.id.clone(), Arc::new(provider(row, environment)));
    }
    let mut access: HashMap<String, HashMap<String, Level>> = HashMap::new();
    for row in rows.access {
        if let Some(level) = Level::parse(&row.level) {
            access.entry(row.user_id).or_default().insert(row.instance_id, level);
        }
    }
    let mut credentials: HashMap<String, HashMap<String, Secret>> = HashMap::new();
    for row in rows.credentials {
        match environment.vault.open(&vault::provider_key(&row.instance_id, &row.provider_id), row.sealed.reveal()) {
            Ok(secret) => {
                credentials.entry(row.instance_id).or_default().insert(row.provider_id, secret);
            }
            Err(error) => {
                tracing::error!(%error, instance = row.instance_id, provider = row.provider_id, "credential left out");
            }
        }
    }
    let aliases: HashMap<String, String> = rows.aliases.into_iter().map(|row| (row.alias, row.model_id)).collect();
    let instances: HashMap<String, Arc<Instance>> = rows
        .instances
        .into_iter()
        .map(|row| {
            let instance = Instance {
                id: row.instance_id.clone(),
                org_id: row.org_id,
                name: row.name,
                store_contents: row.store_contents,
                content_retention_days: row.content_retention_days,
                created_us: row.created_us,
                config: row.config,
            };
            (row.instance_id, Arc::new(instance))
        })
        .collect();
    let models: HashMap<String, Arc<Model>> = rows
        .models
        .into_iter()
        .filter_map(|row| {
            let known = providers.get(&row.provider_id);
            let Some(provider) = known.or_else(|| providers.get(provider_aliases.get(&row.provider_id)?)) else {
                tracing::error!(model = row.model_id, provider = row.provider_id, "model left out: no such provider");
                return None;
            };
            Some((row.model_id.clone(), Arc::new(model(row, provider.clone()))))
        })
        .collect();
    let rows_of_limits = rows.limits.into_iter().filter(|row| row.is_active);
    let limits = limits::Index::new(
        rows_of_limits
            .map(|row| limit(row, &provider_aliases, &aliases))
            .chain(models.values().map(|model| own_limit(model)))
            .chain(instances.values().flat_map(|instance| limits_of_instance(instance, &provider_aliases))),
    );
    Snapshot {
        profiles: Profiles::new(rows.profiles),
        version: rows.version,
        default_instance: environment.default_instance.clone(),
        organizations: rows
            .organizations
            .into_iter()
            .map(|row| (row.org_id.clone(), Arc::new(Organization { id: row.org_id, name: row.name })))
            .collect(),
        instances,
        projects: rows.projects.into_iter().map(|row| (row.project_id, row.instance_id)).collect(),
        users: rows
            .users
            .into_iter()
            .map(|row| {
                let user = User {
                    access: access.remove(&row.user_id).unwrap_or_default(),
                    id: row.user_id.clone(),
                    org_id: row.org_id,
                    email: row.email,
                    name: row.name,
                    role: role(&row.role),
                    is_active: row.is_active,
                };
                (row.user_id, Arc::new(user))
            })
            .collect(),
        keys: keys(rows.api_keys, rows.retired_secrets),
        models,
        aliases,
        limits,
        rules: Rules::new(rows.classifications, rows.routing_rules),
        settings: rows.settings.into_iter().map(|row| (row.key, row.value)).collect(),
        provider_aliases,
        providers,
        credentials,
    }
}

/// Keys by the hash of their secret; one that was rotated is found by the secret before, too, while that one lasts.
fn keys(rows: Vec<ApiKeyRow>, retired: Vec<RetiredSecretRow>) -> HashMap<[u8; 32], Arc<ApiKey>> {
    let mut earlier: HashMap<String, Vec<([u8; 32], i64)>> = HashMap::new();
    for row in retired {
        if let Ok(hash) = row.key_hash.try_into() {
            earlier.entry(row.key_id).or_default().push((hash, row.expires_us));
        }
    }
    let mut keys = HashMap::new();
    for row in rows {
        let Ok(hash) = row.key_hash.try_into() else { continue };
        let key = ApiKey {
            id: row.key_id,
            org_id: row.org_id,
            instance_id: row.instance_id,
            user_id: row.user_id,
            project_id: row.project_id,
            name: row.name,
            scopes: Some(row.scopes).filter(|scopes| !scopes.is_empty()).map(Into::into),
            allowed_models: row.allowed_models.map(|models| models.into_iter().collect()),
            expires_us: row.expires_us,
            created_us: row.created_us,
        };
        for (hash, until_us) in earlier.remove(&key.id).unwrap_or_default() {
            let expires_us = Some(key.expires_us.map_or(until_us, |at| at.min(until_us)));
            keys.insert(hash, Arc::new(ApiKey { expires_us, ..key.clone() }));
        }
        keys.insert(hash, Arc::new(key));
    }
    keys
}

fn role(text: &str) -> Role {
    match text {
        "superadmin" => Role::Superadmin,
        "admin" => Role::Admin,
        _ => Role::User,
    }
}

fn provider(row: ProviderRow, environment: &Environment) -> Provider {
    let own = environment.overrides.get(&row.id);
    let environment_key = own.and_then(|own| own.api_key.clone()).or_else(|| {
        strings(&row.credential["env"])
            .find_map(|name| environment.variables.get(&name).filter(|value| !value.trim().is_empty()))
            .map(|value| Secret::new(value.trim()))
    });
    let auth = match row.credential["header"].as_str() {
        Some(name) => Auth::Header {
            name: name.to_owned(),
            prefix: row.credential["prefix"].as_str().unwrap_or_default().to_owned(),
        },
        // A server of one's own that needs none, but was given one.
        None if environment_key.is_some() => {
            Auth::Header { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() }
        }
        None => Auth::None,
    };
    let headers = row.config["headers"].as_object().map_or_else(Vec::new, |headers| {
        headers.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    });
    let moved = own.and_then(|own| own.base_url.as_deref());
    Provider {
        id: row.id.into(),
        display_name: row.display_name,
        adapter: row.adapter,
        mapping_base_url: row.config["mapping_base_url"].as_str().filter(|_| moved.is_none()).map(Into::into),
        base_url: moved.unwrap_or(&row.base_url).trim_end_matches('/').into(),
        auth,
        headers: headers.into(),
        environment_key,
        webhook_secret: own.and_then(|own| own.webhook_secret.clone()),
        environment_names: strings(&row.credential["env"]).collect(),
        default_model: row.config["default_model"].as_str().filter(|name| !name.is_empty()).map(str::to_owned),
        is_active: row.is_active,
        sort: row.sort,
    }
}

fn model(row: ModelRow, provider: Arc<Provider>) -> Model {
    let adapter = row.adapter.as_deref().unwrap_or("mapped");
    let codec = providers::chat_codec(adapter);
    let capabilities = row.capabilities.as_object().map_or_else(Vec::new, |flags| {
        flags.iter().filter(|(_, on)| on.as_bool() == Some(true)).map(|(name, _)| name.clone()).collect()
    });
    let parameters = &row.parameters;
    Model {
        pricing: read(&row.pricing, &row.model_id, "pricing"),
        template: row.prompt_template.as_ref().map(|template| read(template, &row.model_id, "prompt template")),
        mapping: (adapter == "mapped").then(|| Arc::new(row.payload_mapping)),
        supports: strings(&parameters["supports"]).collect(),
        lacks: strings(&parameters["lacks"]).collect(),
        context: parameters["context"].as_u64(),
        max_output: parameters["max_output"].as_u64().and_then(|most| most.try_into().ok()),
        requests_per_minute: row.rate_limits["rpm"].as_u64(),
        tokens_per_minute: row.rate_limits["tpm"].as_u64(),
        id: row.model_id,
        display_name: row.display_name,
        description: row.description.unwrap_or_default(),
        upstream: row.upstream_model.into(),
        status: row.status,
        org_id: row.org_id,
        created_us: row.created_us,
        is_listed: true,
        capabilities,
        provider,
        codec,
    }
}

/// Other names of the provider and the model count as the thing itself.
fn limit(mut row: LimitRow, providers: &HashMap<String, String>, models: &HashMap<String, String>) -> Limit {
    row.provider = row.provider.map(|name| providers.get(&name).cloned().unwrap_or(name));
    row.model = row.model.map(|name| models.get(&name).cloned().unwrap_or(name));
    Limit::from_row(row)
}

/// The limit in a model's own configuration; it counts for each instance by itself.
fn own_limit(model: &Model) -> Limit {
    let scope = UsageScope { model: Some(model.id.clone()), ..UsageScope::default() };
    Limit::of_rates(format!("model:{}", model.id), scope, model.requests_per_minute, model.tokens_per_minute)
}

/// The limits in an instance's configuration: `{"rate_limits": {provider: {"rpm", "tpm"}}}`.
fn limits_of_instance(instance: &Instance, aliases: &HashMap<String, String>) -> Vec<Limit> {
    let rates = instance.config["rate_limits"].as_object();
    let limit = |(name, rates): (&String, &Value)| {
        let provider = aliases.get(name).unwrap_or(name);
        let scope = UsageScope {
            instance_id: Some(instance.id.clone()),
            provider: Some(provider.clone()),
            ..UsageScope::default()
        };
        let id = format!("instance:{}:{name}", instance.id);
        Limit::of_rates(id, scope, rates["rpm"].as_u64(), rates["tpm"].as_u64())
    };
    rates.into_iter().flatten().map(limit).collect()
}

fn read<T: DeserializeOwned + Default>(value: &Value, model: &str, what: &str) -> T {
    T::deserialize(value).unwrap_or_else(|error| {
        tracing::error!(%error, model, "the {what} of this model cannot be read");
        T::default()
    })
}

fn strings(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned))
}
