//! API keys: making them, another secret for them, and their end. Their lists and their other fields are things like all
//! others.

use std::time::Duration;

use app::types::{
    ApiKeyDraft, ApiKeyLimit, NewApiKey,
    config::{API_KEY, Thing},
};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    Id,
    call::{Call, answer},
    named,
    problem::ConfigProblem,
};
use crate::{
    http::table::Table,
    services::{
        config::ConfigError,
        identity::{GRACE, IdentityError},
    },
};

const THING: &Thing = &API_KEY;
/// What a key's own limit may hold.
const LIMITS: [&str; 6] = [
    "requests_per_minute",
    "tokens_per_minute",
    "tokens_per_day",
    "concurrent_requests",
    "budget_day_micro_usd",
    "budget_month_micro_usd",
];

pub fn routes(table: Table) -> Table {
    table
        .post("/api-key", create)
        .post("/api-key/{id}/rotate", rotate)
        .post("/api-key/{id}/revoke", revoke)
        .delete("/api-key/{id}", delete)
}

async fn create(call: Call) -> Response {
    answer(call, async move |mut call| {
        let mut body = call.object().await?;
        let draft = draft(&body)?;
        body.remove("limit");
        call.strictness(THING, &body)?;
        let made = call.state.identity.create_key(&call.author.caller, draft, call.author.actor()).await;
        told(call, made.map_err(refused)?).await
    })
    .await
}

async fn rotate(id: Id, call: Call) -> Response {
    answer(call, async move |mut call| {
        let id = named(THING, id)?;
        let body = call.object_or_nothing().await?;
        let grace = match body.get("grace_hours") {
            None | Some(Value::Null) => GRACE,
            Some(hours) => match hours.as_u64() {
                Some(hours) => Duration::from_secs(hours.saturating_mul(3600)),
                None => return Err(wrong("grace_hours", "must be a whole number from 0 to 168")),
            },
        };
        let rotated = call.state.identity.rotate_key(&call.author.caller, &id, grace, call.author.actor()).await;
        told(call, rotated.map_err(refused)?).await
    })
    .await
}

async fn revoke(id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(THING, id)?;
        let revoked = call.state.identity.revoke_key(&call.author.caller, &id, call.author.actor()).await;
        revoked.map_err(refused)?;
        Ok(call.data(json!({ "revoked": true, "key_id": id })))
    })
    .await
}

async fn delete(id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(THING, id)?;
        let deleted = call.state.identity.delete_key(&call.author.caller, &id, call.author.actor()).await;
        deleted.map_err(refused)?;
        Ok(call.data(json!({ "deleted": true, "key_id": id })))
    })
    .await
}

/// The key as a thing, and its secret, which is told this once.
async fn told(call: Call, made: NewApiKey) -> Result<Response, ConfigProblem> {
    let shown = call.state.config.get(&call.author.caller, THING.kind, &made.key_id).await;
    // Who may make keys and not look at them gets what they need.
    let mut body = shown.map(|row| row.body).unwrap_or_else(|_| {
        let known = [("key_id", &made.key_id), ("name", &made.name), ("instance_id", &made.instance_id)];
        let known = known.into_iter().chain([("masked", &made.masked)]);
        known.map(|(name, value)| (name.to_owned(), value.as_str().into())).collect()
    });
    body.insert("key".to_owned(), made.secret.into());
    Ok(call.data(body.into()))
}

fn draft(body: &Map<String, Value>) -> Result<ApiKeyDraft, ConfigProblem> {
    let name = text(body, "name")?.filter(|name| !name.trim().is_empty());
    Ok(ApiKeyDraft {
        name: name.ok_or(ConfigError::Missing(vec!["name"]))?,
        instance_id: text(body, "instance_id")?,
        user_id: text(body, "user_id")?,
        project_id: text(body, "project_id")?,
        scopes: words(body, "scopes")?.unwrap_or_default(),
        allowed_models: words(body, "allowed_models")?,
        expires_us: time(body, "expires_at")?,
        limit: limit(body)?,
    })
}

fn given<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn text(body: &Map<String, Value>, name: &'static str) -> Result<Option<String>, ConfigProblem> {
    let read = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "must be a text"));
    given(body, name).map(read).transpose()
}

fn words(body: &Map<String, Value>, name: &'static str) -> Result<Option<Vec<String>>, ConfigProblem> {
    let Some(value) = given(body, name) else { return Ok(None) };
    let words = value.as_array().map(|words| words.iter().map(|word| word.as_str().map(str::to_owned)).collect());
    words.flatten().map(Some).ok_or_else(|| wrong(name, "must be a list of texts"))
}

fn time(body: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, ConfigProblem> {
    let Some(text) = text(body, name)? else { return Ok(None) };
    let time = text.parse::<jiff::Timestamp>();
    time.map(|time| Some(time.as_microsecond())).map_err(|_| wrong(name, "must be a time like 2030-01-31T12:00:00Z"))
}

fn limit(body: &Map<String, Value>) -> Result<Option<ApiKeyLimit>, ConfigProblem> {
    let Some(value) = given(body, "limit") else { return Ok(None) };
    let Some(limit) = value.as_object() else {
        return Err(wrong("limit", "must be an object"));
    };
    if let Some(name) = limit.keys().find(|name| !LIMITS.contains(&name.as_str())) {
        return Err(wrong(format!("limit.{name}"), format!("is none of {}", LIMITS.join(", "))));
    }
    let whole = |name: &str| {
        let read =
            |value: &Value| value.as_i64().ok_or_else(|| wrong(format!("limit.{name}"), "must be a whole number"));
        given(limit, name).map(read).transpose()
    };
    Ok(Some(ApiKeyLimit {
        requests_per_minute: whole("requests_per_minute")?,
        tokens_per_minute: whole("tokens_per_minute")?,
        tokens_per_day: whole("tokens_per_day")?,
        concurrent_requests: whole("concurrent_requests")?,
        budget_day_micro_usd: whole("budget_day_micro_usd")?,
        budget_month_micro_usd: whole("budget_month_micro_usd")?,
    }))
}

/// A value that cannot be: the field, and what is right for it.
fn wrong(field: impl Into<String>, right: impl std::fmt::Display) -> ConfigProblem {
    let field = field.into();
    let message = format!("{field} {right}");
    ConfigError::field(field, message).into()
}

/// A failure of the identity service in the words of this one.
pub fn refused(error: IdentityError) -> ConfigProblem {
    match error {
        IdentityError::Invalid { field, message } => ConfigError::field(field, message).into(),
        IdentityError::Denied(denied) => ConfigError::Denied(denied).into(),
        IdentityError::NotFound(what) => ConfigError::NotFound(what.to_owned()).into(),
        IdentityError::UnknownInstance(_) => ConfigError::NotFound("Instance".to_owned()).into(),
        IdentityError::Store(error) => ConfigError::Store(error).into(),
        error => error.into(),
    }
}
