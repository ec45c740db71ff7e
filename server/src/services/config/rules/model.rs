//! Model configurations: the checks of the original service in its order and words, and what a mapping must be.

use app::types::{Role, config::MODEL_STATUSES};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{objects, provider};
use crate::{
    providers::mapped,
    services::{
        catalog::{PromptTemplate, pricing::Pricing},
        config::{Author, ConfigError, Configuration, FieldError, place::Where},
        identity::Caller,
    },
    store::things::{Change, Record, Write, table},
};

const PARTS: [&str; 5] = ["endpoint", "method", "headers", "body", "response_mapping"];

/// Whether these fields name a wire format that needs no mapping.
pub fn is_native(fields: &Map<String, Value>) -> bool {
    fields.get("adapter").and_then(Value::as_str).is_some_and(|adapter| !adapter.is_empty() && adapter != "mapped")
}

pub fn config_id(provider_id: &str, model_id: &str) -> String {
    format!("cfg_{provider_id}_{}", model_id.replace('-', "_"))
}

/// A new model, before the form of its fields is looked at.
pub fn early(body: &Map<String, Value>) -> Result<(), ConfigError> {
    let model_id = body.get("model_id").and_then(Value::as_str).unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if model_id.is_empty() || model_id.len() > 200 || !model_id.chars().all(fits) {
        return Err(ConfigError::field(
            "model_id",
            "Invalid model_id format. Use lowercase alphanumeric characters and hyphens only.",
        ));
    }
    early_change(&Map::new(), body)
}

/// What of a model is given, new or changed.
pub fn early_change(shown: &Map<String, Value>, body: &Map<String, Value>) -> Result<(), ConfigError> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    if given("status").is_some_and(|status| !status.as_str().is_some_and(|word| MODEL_STATUSES.contains(&word))) {
        return Err(ConfigError::field("status", "Invalid status. Must be one of: active, beta, deprecated"));
    }
    let native = if body.contains_key("adapter") { is_native(body) } else { is_native(shown) };
    if let Some(mapping) = given("payload_mapping")
        && !native
        && !PARTS.iter().all(|part| mapping.get(part).is_some_and(|value| !value.is_null()))
    {
        return Err(ConfigError::field(
            "payload_mapping",
            format!("Invalid payload_mapping. Must include: {}", PARTS.join(", ")),
        ));
    }
    let some = |flags: &Value| flags.as_object().is_some_and(|flags| flags.values().any(|flag| *flag == true));
    if given("capabilities").is_some_and(|flags| !some(flags)) {
        return Err(ConfigError::field("capabilities", "At least one capability must be true"));
    }
    Ok(())
}

/// Without an organization it is everyone's, which only superadmins may make; others' models are their organization's.
pub fn complete(who: &Caller, fields: &mut Map<String, Value>) {
    let owner = fields.entry("org_id").or_insert(Value::Null);
    if owner.is_null() && who.role != Role::Superadmin {
        *owner = who.org_id.clone().into();
    }
}

pub fn defaults(fields: &Map<String, Value>) -> Value {
    json!({
        "pricing": {},
        "rate_limits": {},
        "payload_mapping": {},
        "parameters": {},
        "upstream_model": fields.get("model_id").cloned().unwrap_or_default(),
    })
}

pub async fn check(
    service: &Configuration,
    author: &Author,
    before: Option<&Record>,
    after: &Record,
    writes: &mut Vec<Write>,
) -> Result<(), ConfigError> {
    objects(after, &["capabilities", "pricing", "rate_limits", "payload_mapping", "prompt_template", "parameters"])?;
    provider::adapter(after)?;
    let value = |name: &str| after.fields.get(name).filter(|value| !value.is_null());
    if let Some(Err(error)) = value("pricing").map(Pricing::deserialize) {
        return Err(ConfigError::field("pricing", format!("pricing cannot be read: {error}")));
    }
    if let Some(Err(error)) = value("prompt_template").map(PromptTemplate::deserialize) {
        return Err(ConfigError::field("prompt_template", format!("prompt_template cannot be read: {error}")));
    }
    for name in ["rpm", "tpm"] {
        let limit = value("rate_limits").and_then(|limits| limits.get(name)).filter(|limit| !limit.is_null());
        if limit.is_some_and(|limit| limit.as_u64().is_none()) {
            return Err(ConfigError::field(format!("rate_limits.{name}"), format!("{name} must be a whole number")));
        }
    }
    if after.text("status") == Some("active") && !is_native(&after.fields) {
        mapping(value("payload_mapping").unwrap_or(&Value::Null))?;
    }
    if before.is_none() {
        writes.extend(new_provider(service, author, after).await?);
    }
    Ok(())
}

/// A model with a mapping that cannot be used is no active one.
fn mapping(mapping: &Value) -> Result<(), ConfigError> {
    let problems = mapped::validate(mapping);
    if problems.is_empty() {
        return Ok(());
    }
    let errors = problems.into_iter().map(|problem| {
        let dot = if problem.path.is_empty() { "" } else { "." };
        let field = format!("payload_mapping{dot}{}", problem.path);
        FieldError { message: format!("{field} {}", problem.message), field }
    });
    Err(ConfigError::Fields(errors.collect()))
}

/// The provider that a model names first.
async fn new_provider(service: &Configuration, author: &Author, model: &Record) -> Result<Option<Write>, ConfigError> {
    let id = model.text("provider_id").unwrap_or_default();
    let Some(table) = table("provider") else { return Ok(None) };
    if service.catalog.snapshot().provider(id).is_some() || service.record(table, id, false).await?.is_some() {
        return Ok(None);
    }
    provider::id(id).map_err(|_| {
        ConfigError::field("provider_id", "provider_id has lower-case letters, digits, hyphens, underscores and dots")
    })?;
    let now_us = service.clock.now_us();
    let record = Record {
        id: id.to_owned(),
        fields: provider::implied(id),
        created_us: now_us,
        updated_us: now_us,
        deleted_us: None,
    };
    let details = json!({ "after": record.fields });
    let audit = author.entry(table, &Where::Platform, &record, "created", details, now_us);
    Ok(Some(Write { change: Change::Insert { table, record }, audit: Some(audit) }))
}
