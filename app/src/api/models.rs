use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::config::{MappingDraft, MappingPreview, ModelVersion, RoutingDraft, RoutingPreview, ThingRow},
};

/// The states that a model was in, newest first.
#[server(endpoint = "models/versions", input = Wire, output = Wire)]
pub async fn model_versions(id: String) -> Result<Vec<ModelVersion>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.models.versions(&caller()?, &id).await }.await)
}

/// One of them, with its body.
#[server(endpoint = "models/version", input = Wire, output = Wire)]
pub async fn load_model_version(id: String, version: i64) -> Result<ModelVersion, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.models.version(&caller()?, &id, version).await }.await)
}

/// Makes a model what it was.
#[server(endpoint = "models/restore_version", input = Wire, output = Wire)]
pub async fn restore_model_version(id: String, version: i64) -> Result<ThingRow, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.models.restore_version(&caller()?, &id, version).await }.await)
}

/// Copies a model under a new model id.
#[server(endpoint = "models/duplicate", input = Wire, output = Wire)]
pub async fn duplicate_model(id: String, model_id: String) -> Result<ThingRow, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.models.duplicate(&caller()?, &id, &model_id).await }.await)
}

/// Tries a payload mapping without calling anybody.
#[server(endpoint = "models/preview_mapping", input = Wire, output = Wire)]
pub async fn preview_mapping(draft: MappingDraft) -> Result<MappingPreview, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.models.preview_mapping(&caller()?, draft).await }.await)
}

/// What a request is by the rules, and who would do it; nothing is sent.
#[server(endpoint = "models/try_routing", input = Wire, output = Wire)]
pub async fn try_routing(draft: RoutingDraft) -> Result<RoutingPreview, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.models.try_routing(&caller()?, draft).await }.await)
}
