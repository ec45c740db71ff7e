//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
};
use serde_json::{Value, json};

use super::OpenAiProblem;
use crate::{
    http::auth,
    services::{
        catalog::{Model, Snapshot},
        identity::{Caller, Deed, IdentityError, may},
    },
    state::AppState,
};

/// The models this caller may use.
pub async fn models(State(state): State<AppState>, request: Request) -> Result<Json<Value>, OpenAiProblem> {
    let (parts, _) = request.into_parts();
    let caller = auth::caller(&state, &parts, None).await?;
    may(&caller, Deed::Read, caller.place()).map_err(IdentityError::Denied)?;
    let snapshot = state.catalog.snapshot();
    let data: Vec<Value> = visible(&snapshot, &caller).into_iter().map(|model| card(model, &model.id)).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

/// One model, by its id or an alias.
pub async fn model(
    State(state): State<AppState>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, OpenAiProblem> {
    let (parts, _) = request.into_parts();
    let caller = auth::caller(&state, &parts, None).await?;
    may(&caller, Deed::Read, caller.place()).map_err(IdentityError::Denied)?;
    let model = state.gateway.model(&name, &caller)?;
    Ok(Json(card(&model, &name)))
}

/// Models of the catalogue that the caller sees and may use, by provider, then id.
pub fn visible<'a>(snapshot: &'a Snapshot, caller: &Caller) -> Vec<&'a Arc<Model>> {
    let mut models: Vec<_> = snapshot
        .models
        .values()
        .filter(|model| caller.sees(model) && model.provider.is_active)
        .filter(|model| caller.allowed_models.as_ref().is_none_or(|allowed| allowed.contains(&model.id)))
        .collect();
    models.sort_by(|a, b| (a.provider.sort, &a.provider.id, &a.id).cmp(&(b.provider.sort, &b.provider.id, &b.id)));
    models
}

fn card(model: &Model, id: &str) -> Value {
    json!({
        "id": id,
        "object": "model",
        "created": model.created_us / 1_000_000,
        "owned_by": &*model.provider.id,
        "display_name": model.display_name,
        "capabilities": model.capabilities,
        "status": model.status,
    })
}
