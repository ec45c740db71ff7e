use async_trait::async_trait;

use super::Caller;
use crate::{
    error::AppError,
    types::config::{CredentialState, CredentialTest},
};

/// The keys that instances have for providers. A key goes in and never comes out.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Every active provider, with where its key comes from.
    async fn list(&self, caller: &Caller, instance_id: &str) -> Result<Vec<CredentialState>, AppError>;
    async fn set(&self, caller: &Caller, instance_id: &str, provider: &str, key: &str) -> Result<(), AppError>;
    async fn delete(&self, caller: &Caller, instance_id: &str, provider: &str) -> Result<(), AppError>;
    /// Makes the cheapest real call.
    async fn test(&self, caller: &Caller, instance_id: &str, provider: &str) -> Result<CredentialTest, AppError>;
}
