//! What holds for one thing and not for all: defaults, ids, and rules between fields. A file for each thing that has some.

mod access;
mod api_key;
mod instance;
mod limit;
mod model;
mod provider;
mod secrets;
mod simple;
mod user;

use app::types::config::Thing;
use serde_json::{Map, Value, json};

pub use model::config_id;
pub use secrets::{masked, redacted};

use super::{Author, ConfigError, Configuration};
use crate::{
    services::identity::{Caller, Deed, Place, may},
    store::things::{Change, Record, Table, Write},
};

/// Whether a thing of this kind is made by the configuration service.
pub fn can_be_made(thing: &Thing) -> Result<(), ConfigError> {
    match thing.kind {
        "api-key" => Err(ConfigError::Refused("API keys are made where their secret can be shown".to_owned())),
        _ => Ok(()),
    }
}

/// Whether a required field may be absent after all.
pub fn is_spared(thing: &Thing, field: &str, body: &Map<String, Value>) -> bool {
    thing.kind == "model-config" && field == "payload_mapping" && model::is_native(body)
}

/// What is looked at before the form of each value, because its message comes first.
pub fn early(thing: &Thing, body: &Map<String, Value>, is_import: bool) -> Result<(), ConfigError> {
    match thing.kind {
        // What comes from elsewhere keeps its name.
        "model-config" if is_import => model::early_change(&Map::new(), body),
        "model-config" => model::early(body),
        _ => Ok(()),
    }
}

/// The same for a change; `shown` is the thing as it is.
pub fn early_change(thing: &Thing, shown: &Map<String, Value>, body: &Map<String, Value>) -> Result<(), ConfigError> {
    match thing.kind {
        "model-config" => model::early_change(shown, body),
        _ => Ok(()),
    }
}

/// Fills in what follows from who makes a thing and from what it names.
pub async fn complete(
    service: &Configuration,
    author: &Author,
    thing: &Thing,
    fields: &mut Map<String, Value>,
) -> Result<(), ConfigError> {
    match thing.kind {
        "model-config" => model::complete(&author.caller, fields),
        "rate-limit" => limit::complete(service, fields).await?,
        _ => {}
    }
    Ok(())
}

/// A new thing's id.
pub fn id(
    service: &Configuration,
    thing: &Thing,
    body: &Map<String, Value>,
    fields: &Map<String, Value>,
    own_id: Option<&str>,
) -> Result<String, ConfigError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let chosen = body.get(thing.id).and_then(Value::as_str).unwrap_or_default().trim();
    if let Some(id) = own_id.filter(|id| !id.is_empty() && !thing.named && thing.kind != "instance-access") {
        if id.len() > 200 || id.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(ConfigError::field(thing.id, "An id has at most 200 characters without spaces"));
        }
        return Ok(id.to_owned());
    }
    match thing.kind {
        "model-config" => Ok(model::config_id(text("provider_id"), text("model_id"))),
        "instance-access" => Ok(format!("{}:{}", text("user_id"), text("instance_id"))),
        "provider" => provider::id(chosen),
        "setting" => simple::key(chosen),
        _ => Ok(service.clock.new_id().to_string()),
    }
}

/// Gives what is not set the value it has by default.
pub fn defaults(thing: &Thing, id: &str, fields: &mut Map<String, Value>) {
    let defaults = match thing.kind {
        "instance" => instance::defaults(id),
        "project" => json!({ "config": {} }),
        "user" => json!({ "role": "user", "is_active": true }),
        "api-key" => json!({ "scopes": [] }),
        "provider" => json!({ "credential": {}, "config": {}, "is_active": true, "sort": 1000 }),
        "model-config" => model::defaults(fields),
        "rate-limit" => json!({ "cooldown_seconds": 60, "warn_percent": 80, "is_active": true }),
        "prompt" => json!({ "variables": {}, "is_default": false, "is_active": true }),
        "task-classification" => json!({ "confidence_boost": 0.0, "priority": 0, "is_active": true }),
        "quality-profile" => json!({
            "approve_from": 0.8, "reject_below": 0.3, "on_reject": "fail", "auto_approve": true, "is_active": true
        }),
        "routing-rule" => json!({ "weight": 100, "is_default": false, "is_active": true }),
        _ => Value::Null,
    };
    let Value::Object(defaults) = defaults else { return };
    for (name, value) in defaults {
        let field = fields.entry(name).or_insert(Value::Null);
        if field.is_null() {
            *field = value;
        }
    }
}

/// Looks at a whole thing before it is written; may change it, and may add what has to be written before it.
pub async fn check(
    service: &Configuration,
    author: &Author,
    table: &'static Table,
    before: Option<&Record>,
    mut after: Record,
    writes: &mut Vec<Write>,
) -> Result<Record, ConfigError> {
    match table.thing.kind {
        "organization" => {}
        "instance" => instance::check(&mut after)?,
        "project" => objects(&after, &["config"])?,
        "user" => user::check(service, author, before, &after).await?,
        "instance-access" => access::check(service, author, before, &after).await?,
        "api-key" => api_key::check(service, author, before, &after)?,
        "provider" => provider::check(&mut after)?,
        "model-config" => model::check(service, author, before, &after, writes).await?,
        "rate-limit" => limit::check(&after)?,
        kind => simple::check(kind, &after)?,
    }
    Ok(after)
}

/// Whether a thing may be taken away. `ids` are all that go together.
pub async fn may_go(
    service: &Configuration,
    author: &Author,
    table: &Table,
    record: &Record,
    ids: &[String],
) -> Result<(), ConfigError> {
    match table.thing.kind {
        "user" => user::may_go(service, author, record, ids).await,
        "instance-access" => access::may_go(service, author, record).await,
        _ => Ok(()),
    }
}

/// What is kept of the state that a change leads to.
pub fn version(author: &Author, thing: &'static Thing, record: &Record, now_us: i64) -> Option<Write> {
    if thing.kind != "model-config" {
        return None;
    }
    let change = Change::Version {
        config_id: record.id.clone(),
        body: Value::Object(super::check::shown(thing, &record.id, record)),
        actor_name: author.actor().name,
        now_us,
        only_first: false,
    };
    Some(Write { change, audit: None })
}

/// The state that a first change ends, if it is kept.
pub fn first_version(thing: &'static Thing, record: &Record) -> Option<Write> {
    if thing.kind != "model-config" {
        return None;
    }
    let change = Change::Version {
        config_id: record.id.clone(),
        body: Value::Object(super::check::shown(thing, &record.id, record)),
        actor_name: "System".to_owned(),
        now_us: record.updated_us,
        only_first: true,
    };
    Some(Write { change, audit: None })
}

/// A unique value that is taken, in words.
pub fn conflict(thing: &Thing, what: &str, writes: &[Write], is_new: bool) -> ConfigError {
    let name = |field: &str| {
        writes.iter().find_map(|write| match &write.change {
            Change::Insert { table, record } if table.thing.kind == thing.kind => record.text(field).map(str::to_owned),
            _ => None,
        })
    };
    let (field, message) = match (thing.kind, what) {
        (_, "users.email") if is_new => ("email", "User with this email already exists".to_owned()),
        (_, "users.email") => ("email", "Email already in use by another user".to_owned()),
        ("model-config", _) => match name("model_id") {
            Some(id) => ("model_id", format!("Model config with model_id \"{id}\" already exists")),
            None => ("model_id", "Another model has this model_id by now".to_owned()),
        },
        (_, "limits.scope") => ("provider", "There is a limit for the same calls already".to_owned()),
        ("instance-access", _) => ("user_id", "This user has access to the instance already".to_owned()),
        ("provider", _) => ("id", "A provider with this id exists already".to_owned()),
        ("setting", _) => ("key", "A setting with this key exists already".to_owned()),
        (_, what) => (thing.id, format!("{what} is already taken")),
    };
    ConfigError::Conflict { field, message }
}

/// Whether somebody may make providers.
pub fn may_make_providers(who: &Caller) -> bool {
    may(who, Deed::Administer, Place::Platform).is_ok()
}

/// These fields hold objects.
fn objects(record: &Record, names: &[&str]) -> Result<(), ConfigError> {
    for name in names {
        if record.fields.get(*name).is_some_and(|value| !value.is_object() && !value.is_null()) {
            return Err(ConfigError::field(*name, format!("{name} must be an object")));
        }
    }
    Ok(())
}
