//! The configuration as one document: `GET /config/export`, `POST /config/import`.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::call::{Call, answer};
use crate::{
    http::table::Table,
    services::config::{ConfigError, Difference, is_litellm, read_document, write_document},
};

pub fn routes(table: Table) -> Table {
    table.get("/export", export).post("/import", import)
}

async fn export(call: Call) -> Response {
    answer(call, async move |call| {
        let document = call.state.config.export(&call.author).await?;
        let mut response = write_document(&document)?.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
        Ok(response)
    })
    .await
}

async fn import(call: Call) -> Response {
    answer(call, async move |mut call| {
        let query = call.uri.query().unwrap_or_default();
        let is_dry = query.split('&').any(|pair| matches!(pair, "dry_run" | "dry_run=true" | "dry_run=1"));
        let text = call.text().await?;
        let config = &call.state.config;
        let mut document = read_document(&text)?;
        let mut notes = Vec::new();
        if is_litellm(&document) {
            (document, notes) = config.from_litellm(&document)?;
        }
        let catalog = call.state.catalog.clone();
        let variables = move |name: &str| catalog.variable(name);
        let differences = config.import(&call.author, &document, &variables, is_dry).await?;
        let differences: Vec<Value> = differences.into_iter().map(shown).collect();
        Ok(call.data(json!({ "dry_run": is_dry, "differences": differences, "notes": notes })))
    })
    .await
}

fn shown(difference: Difference) -> Value {
    let fields: Map<String, Value> = difference
        .fields
        .into_iter()
        .map(|(name, before, after)| (name, json!({ "before": before, "after": after })))
        .collect();
    json!({ "kind": difference.kind, "id": difference.id, "action": difference.action, "fields": fields })
}

impl From<std::str::Utf8Error> for super::problem::ConfigProblem {
    fn from(_: std::str::Utf8Error) -> Self {
        ConfigError::field("document", "The document must be UTF-8").into()
    }
}
