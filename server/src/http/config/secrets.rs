//! Provider keys and developer credentials: a secret goes in; only a developer credential comes out again, to admins.

use app::types::config::CredentialSource;
use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::{
    call::{Call, answer},
    problem::ConfigProblem,
};
use crate::{
    clock::rfc3339,
    http::table::Table,
    services::config::{ConfigError, DEV_TYPES},
};

pub fn routes(table: Table) -> Table {
    table
        .post("/provider-key", set_key)
        .get("/provider-key/{instance}", keys)
        .get("/provider-key/{instance}/{provider}", key)
        .delete("/provider-key/{instance}/{provider}", delete_key)
        .post("/provider-key/{instance}/{provider}/test", test_key)
        .get("/dev-credentials", dev_credentials)
        .post("/dev-credentials", set_dev_credential)
        .get("/dev-credentials/{credential_type}", dev_credential)
        .delete("/dev-credentials/{credential_type}", delete_dev_credential)
}

type Two = Result<Path<(String, String)>, PathRejection>;
type One = Result<Path<String>, PathRejection>;

/// Texts that must be there, in the order of their names.
fn texts<const N: usize>(body: &Map<String, Value>, names: [&'static str; N]) -> Result<[String; N], ConfigProblem> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default().to_owned();
    let missing: Vec<&'static str> = names.into_iter().filter(|name| text(name).is_empty()).collect();
    if missing.is_empty() { Ok(names.map(text)) } else { Err(ConfigError::Missing(missing).into()) }
}

fn two(path: Two) -> Result<(String, String), ConfigProblem> {
    path.map(|Path((instance, provider))| (instance, provider.trim().to_lowercase()))
        .map_err(|_| ConfigError::NotFound("Instance".to_owned()).into())
}

fn status(instance: &str, provider: &str, updated_us: Option<i64>) -> Value {
    json!({
        "instance_id": instance,
        "provider": provider,
        "configured": updated_us.is_some(),
        "updated_at": updated_us.map(rfc3339).unwrap_or_default(),
    })
}

async fn set_key(call: Call) -> Response {
    answer(call, async move |mut call| {
        let body = call.object().await?;
        let [instance, provider, key] = texts(&body, ["instance_id", "provider", "api_key"])?;
        let provider = provider.to_lowercase();
        let at = call.state.config.set_credential(&call.author, &instance, &provider, &key).await?;
        Ok(call.data(status(&instance, &provider, Some(at))))
    })
    .await
}

async fn keys(path: One, call: Call) -> Response {
    answer(call, async move |call| {
        let Path(instance) = path.map_err(|_| ConfigError::NotFound("Instance".to_owned()))?;
        let found = call.state.config.credentials(&call.author.caller, &instance).await?;
        let stored = found.into_iter().filter(|state| state.source == CredentialSource::Instance);
        let providers: Vec<Value> = stored
            .map(|state| {
                let at = state.updated_us.map(rfc3339).unwrap_or_default();
                json!({ "provider": state.provider, "configured": true, "updated_at": at })
            })
            .collect();
        Ok(call.data(json!({ "instance_id": instance, "providers": providers })))
    })
    .await
}

async fn key(path: Two, call: Call) -> Response {
    answer(call, async move |call| {
        let (instance, provider) = two(path)?;
        let found = call.state.config.credentials(&call.author.caller, &instance).await?;
        let id = call.state.config.supported(&provider).unwrap_or_default();
        let stored = found.into_iter().find(|state| state.provider == id).and_then(|state| state.updated_us);
        Ok(call.data(status(&instance, &provider, stored)))
    })
    .await
}

async fn delete_key(path: Two, call: Call) -> Response {
    answer(call, async move |call| {
        let (instance, provider) = two(path)?;
        call.state.config.delete_credential(&call.author, &instance, &provider).await?;
        Ok(call.data(json!({ "deleted": true, "instance_id": instance, "provider": provider })))
    })
    .await
}

async fn test_key(path: Two, call: Call) -> Response {
    answer(call, async move |call| {
        let (instance, provider) = two(path)?;
        let config = &call.state.config;
        let test = config.test_credential(&call.state.gateway, &call.author, &instance, &provider).await?;
        Ok(call.data(json!({
            "instance_id": instance,
            "provider": provider,
            "ok": test.ok,
            "model": test.model,
            "simulated": test.simulated,
            "latency_ms": test.latency_ms,
            "cost_micro_usd": test.cost_micro_usd,
            "error": test.error,
        })))
    })
    .await
}

async fn dev_credentials(call: Call) -> Response {
    answer(call, async move |call| {
        let found = call.state.config.dev_credentials(&call.author.caller).await?;
        let credentials: Vec<Value> =
            found.into_iter().map(|(kind, at)| json!({ "credential_type": kind, "updated_at": rfc3339(at) })).collect();
        Ok(call.data(json!({ "credentials": credentials, "supported_types": DEV_TYPES })))
    })
    .await
}

async fn set_dev_credential(call: Call) -> Response {
    answer(call, async move |mut call| {
        let body = call.object().await?;
        let [kind, value] = texts(&body, ["credential_type", "value"])?;
        let at = call.state.config.set_dev_credential(&call.author, &kind, &value).await?;
        Ok(call.data(json!({ "credential_type": kind, "stored": true, "updated_at": rfc3339(at) })))
    })
    .await
}

async fn dev_credential(path: One, call: Call) -> Response {
    answer(call, async move |call| {
        let kind = path.map(|Path(kind)| kind).unwrap_or_default();
        let (value, at) = call.state.config.reveal_dev_credential(&call.author, &kind).await?;
        let data = json!({ "credential_type": kind, "value": value.reveal(), "updated_at": rfc3339(at) });
        Ok(call.data(data))
    })
    .await
}

async fn delete_dev_credential(path: One, call: Call) -> Response {
    answer(call, async move |call| {
        let kind = path.map(|Path(kind)| kind).unwrap_or_default();
        call.state.config.delete_dev_credential(&call.author, &kind).await?;
        Ok(call.data(json!({ "deleted": true, "credential_type": kind })))
    })
    .await
}
