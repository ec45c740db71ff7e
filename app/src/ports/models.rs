use async_trait::async_trait;

use super::Caller;
use crate::{
    error::AppError,
    types::config::{MappingDraft, MappingPreview, ModelVersion, RoutingDraft, RoutingPreview, ThingRow},
};

/// What models have beyond other things: a history, copies, and mappings and routing rules that can be tried.
#[async_trait]
pub trait Models: Send + Sync {
    /// Newest first, without their bodies.
    async fn versions(&self, caller: &Caller, id: &str) -> Result<Vec<ModelVersion>, AppError>;
    async fn version(&self, caller: &Caller, id: &str, version: i64) -> Result<ModelVersion, AppError>;
    /// Makes the model what it was; that is a new version.
    async fn restore_version(&self, caller: &Caller, id: &str, version: i64) -> Result<ThingRow, AppError>;
    /// A copy under a new model id.
    async fn duplicate(&self, caller: &Caller, id: &str, model_id: &str) -> Result<ThingRow, AppError>;
    async fn preview_mapping(&self, caller: &Caller, draft: MappingDraft) -> Result<MappingPreview, AppError>;
    /// What a request is by the rules, and who would do it.
    async fn try_routing(&self, caller: &Caller, draft: RoutingDraft) -> Result<RoutingPreview, AppError>;
}
