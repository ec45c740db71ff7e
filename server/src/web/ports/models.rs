//! What models have beyond other things, for the pages.

use app::{
    error::AppError,
    ports::{self, Caller},
    types::config::{MappingDraft, MappingPreview, ModelVersion, RoutingDraft, RoutingPreview, ThingRow},
};
use async_trait::async_trait;

use super::things::{author, told};
use crate::state::AppState;

pub struct Models {
    pub state: AppState,
}

#[async_trait]
impl ports::Models for Models {
    async fn versions(&self, caller: &Caller, id: &str) -> Result<Vec<ModelVersion>, AppError> {
        let author = author(&self.state, caller)?;
        self.state.config.model_versions(&author.caller, id).await.map_err(|error| told(error, caller))
    }

    async fn version(&self, caller: &Caller, id: &str, version: i64) -> Result<ModelVersion, AppError> {
        let author = author(&self.state, caller)?;
        self.state.config.model_version(&author.caller, id, version).await.map_err(|error| told(error, caller))
    }

    async fn restore_version(&self, caller: &Caller, id: &str, version: i64) -> Result<ThingRow, AppError> {
        let author = author(&self.state, caller)?;
        let restored = self.state.config.restore_model_version(&author, id, version).await;
        restored.map_err(|error| told(error, caller))
    }

    async fn duplicate(&self, caller: &Caller, id: &str, model_id: &str) -> Result<ThingRow, AppError> {
        let author = author(&self.state, caller)?;
        self.state.config.duplicate_model(&author, id, model_id).await.map_err(|error| told(error, caller))
    }

    async fn preview_mapping(&self, caller: &Caller, draft: MappingDraft) -> Result<MappingPreview, AppError> {
        let author = author(&self.state, caller)?;
        self.state.config.preview_mapping(&author.caller, &draft).map_err(|error| told(error, caller))
    }

    async fn try_routing(&self, caller: &Caller, draft: RoutingDraft) -> Result<RoutingPreview, AppError> {
        let author = author(&self.state, caller)?;
        self.state.config.try_routing(&author.caller, &draft).map_err(|error| told(error, caller))
    }
}
