//! How far limits are used, for the pages.

use app::{
    error::AppError,
    ports::{self, Caller},
    types::LimitState,
};
use async_trait::async_trait;

use super::{
    outward,
    things::{author, told},
};
use crate::{services::identity::IdentityError, state::AppState};

pub struct Limits {
    pub state: AppState,
}

#[async_trait]
impl ports::Limits for Limits {
    async fn state(&self, caller: &Caller, limit_id: &str) -> Result<LimitState, AppError> {
        let author = author(&self.state, caller)?;
        // Who may see the limit may see how far it is used.
        self.state.config.get(&author.caller, "rate-limit", limit_id).await.map_err(|error| told(error, caller))?;
        let state = self.state.gateway.limit_state(limit_id, &caller.instance_id).await;
        state.map_err(|error| outward(IdentityError::Store(error), &caller.request_id))
    }
}
