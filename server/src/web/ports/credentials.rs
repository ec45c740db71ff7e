//! The keys that instances have for providers, for the pages.

use app::{
    error::AppError,
    ports::{self, Caller},
    types::config::{CredentialState, CredentialTest},
};
use async_trait::async_trait;

use super::things::{author, told};
use crate::state::AppState;

pub struct Credentials {
    pub state: AppState,
}

#[async_trait]
impl ports::Credentials for Credentials {
    async fn list(&self, caller: &Caller, instance_id: &str) -> Result<Vec<CredentialState>, AppError> {
        let author = author(&self.state, caller)?;
        let listed = self.state.config.credentials(&author.caller, instance_id).await;
        listed.map_err(|error| told(error, caller))
    }

    async fn set(&self, caller: &Caller, instance_id: &str, provider: &str, key: &str) -> Result<(), AppError> {
        let author = author(&self.state, caller)?;
        if key.trim().is_empty() {
            return Err(AppError::Invalid { field: "key".to_owned(), message: "A key is required.".to_owned() });
        }
        let set = self.state.config.set_credential(&author, instance_id, provider, key).await;
        set.map(drop).map_err(|error| told(error, caller))
    }

    async fn delete(&self, caller: &Caller, instance_id: &str, provider: &str) -> Result<(), AppError> {
        let author = author(&self.state, caller)?;
        let deleted = self.state.config.delete_credential(&author, instance_id, provider).await;
        deleted.map_err(|error| told(error, caller))
    }

    async fn test(&self, caller: &Caller, instance_id: &str, provider: &str) -> Result<CredentialTest, AppError> {
        let author = author(&self.state, caller)?;
        let tested = self.state.config.test_credential(&self.state.gateway, &author, instance_id, provider).await;
        tested.map_err(|error| told(error, caller))
    }
}
