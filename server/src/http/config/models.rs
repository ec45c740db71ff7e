//! What models have beyond other things: a history, copies, and mappings and routing rules that can be tried.

use app::types::config::{MODEL, MappingDraft, ModelVersion, RoutingDraft};
use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Id,
    call::{Call, answer},
    named,
    problem::ConfigProblem,
};
use crate::{clock::rfc3339, http::table::Table, services::config::ConfigError};

pub fn routes(table: Table) -> Table {
    table
        .get("/model-config/{id}/versions", versions)
        .get("/model-config/{id}/versions/{version}", version)
        .post("/model-config/{id}/versions/{version}/restore", restore)
        .post("/model-config/{id}/duplicate", duplicate)
        .post("/mapping-preview", preview)
        .post("/task-classification/test", try_routing)
}

type Versioned = Result<Path<(String, String)>, PathRejection>;

/// Id and number; what is no number is no version.
fn numbered(path: Versioned) -> Result<(String, i64), ConfigProblem> {
    let unknown = || ConfigProblem::from(ConfigError::NotFound("Version".to_owned()));
    let Path((id, version)) = path.map_err(|_| unknown())?;
    Ok((id, version.parse().map_err(|_| unknown())?))
}

fn shown(version: ModelVersion) -> Value {
    let mut shown = json!({
        "version": version.version,
        "actor_name": version.actor_name,
        "created_at": rfc3339(version.created_us),
    });
    if let Some(body) = version.body {
        shown["model"] = body;
    }
    shown
}

async fn versions(id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(&MODEL, id)?;
        let found = call.state.config.model_versions(&call.author.caller, &id).await?;
        Ok(call.data(found.into_iter().map(shown).collect()))
    })
    .await
}

async fn version(path: Versioned, call: Call) -> Response {
    answer(call, async move |call| {
        let (id, version) = numbered(path)?;
        let found = call.state.config.model_version(&call.author.caller, &id, version).await?;
        Ok(call.data(shown(found)))
    })
    .await
}

async fn restore(path: Versioned, call: Call) -> Response {
    answer(call, async move |call| {
        let (id, version) = numbered(path)?;
        let row = call.state.config.restore_model_version(&call.author, &id, version).await?;
        Ok(call.tagged(row.body.into(), &row.etag))
    })
    .await
}

async fn duplicate(id: Id, call: Call) -> Response {
    answer(call, async move |mut call| {
        let id = named(&MODEL, id)?;
        let body = call.object().await?;
        let model_id = body.get("model_id").and_then(Value::as_str).unwrap_or_default();
        if model_id.trim().is_empty() {
            return Err(ConfigError::Missing(vec!["model_id"]).into());
        }
        let row = call.state.config.duplicate_model(&call.author, &id, model_id).await?;
        Ok(call.tagged(row.body.into(), &row.etag))
    })
    .await
}

async fn preview(call: Call) -> Response {
    answer(call, async move |mut call| {
        let body = Value::Object(call.object().await?);
        let draft = MappingDraft::deserialize(&body)
            .map_err(|error| ConfigError::field("body", format!("The draft cannot be read: {error}")))?;
        let preview = call.state.config.preview_mapping(&call.author.caller, &draft)?;
        let problems: Vec<Value> =
            preview.problems.iter().map(|(path, message)| json!({ "path": path, "message": message })).collect();
        Ok(call.data(json!({
            "problems": problems,
            "request": preview.request,
            "request_error": preview.request_error,
            "output": preview.output,
            "output_error": preview.output_error,
        })))
    })
    .await
}

async fn try_routing(call: Call) -> Response {
    answer(call, async move |mut call| {
        let body = Value::Object(call.object().await?);
        let draft = RoutingDraft::deserialize(&body)
            .map_err(|error| ConfigError::field("body", format!("The request cannot be read: {error}")))?;
        Ok(call.data(json!(call.state.config.try_routing(&call.author.caller, &draft)?)))
    })
    .await
}
