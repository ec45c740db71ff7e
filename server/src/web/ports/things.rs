//! Things that are configured, for the pages.

use std::sync::Arc;

use app::{
    error::AppError,
    ports::{self, Caller},
    types::config::{Dependants, ThingFilter, ThingPage, ThingRow},
};
use async_trait::async_trait;
use serde_json::{Map, Value};

use super::outward;
use crate::{
    services::{
        config::{Author, ConfigError},
        identity::IdentityError,
    },
    state::AppState,
};

/// Most rows of a page.
const MAX_PAGE: u32 = 200;

pub struct Things {
    pub state: AppState,
}

/// The person behind a page as somebody who changes the configuration.
pub fn author(state: &AppState, caller: &Caller) -> Result<Author, AppError> {
    let user = state.catalog.snapshot().users.get(&caller.user_id).cloned().ok_or(AppError::Unauthorized)?;
    let found = state
        .identity
        .in_instance(&user, Some(&caller.instance_id))
        .map_err(|error| outward(error, &caller.request_id))?;
    Ok(Author {
        caller: Arc::new(found),
        request_id: caller.request_id.clone(),
        ip: caller.origin.ip.clone(),
        user_agent: caller.origin.user_agent.clone(),
    })
}

/// What a person may read of a failure.
pub fn told(error: ConfigError, caller: &Caller) -> AppError {
    match error {
        ConfigError::NotFound(what) => AppError::NotFound { what },
        ConfigError::Denied(denied) => AppError::Forbidden { message: format!("You may not do that: {denied}.") },
        ConfigError::Missing(fields) => {
            let needed = |name: &str| (name.to_owned(), "This is required.".to_owned());
            AppError::Fields { errors: fields.into_iter().map(needed).collect() }
        }
        ConfigError::Fields(errors) => {
            AppError::Fields { errors: errors.into_iter().map(|error| (error.field, error.message)).collect() }
        }
        ConfigError::Conflict { field, message } => AppError::Invalid { field: field.to_owned(), message },
        ConfigError::Stale { current, .. } => AppError::Stale { current },
        error @ (ConfigError::NothingToUpdate | ConfigError::Refused(_)) => {
            AppError::Invalid { field: String::new(), message: error.to_string() }
        }
        ConfigError::Store(error) => outward(IdentityError::Store(error), &caller.request_id),
    }
}

#[async_trait]
impl ports::Things for Things {
    async fn list(&self, caller: &Caller, kind: &str, filter: ThingFilter) -> Result<ThingPage, AppError> {
        let author = author(&self.state, caller)?;
        let limit = if filter.limit == 0 { MAX_PAGE } else { filter.limit.min(MAX_PAGE) };
        let filter = ThingFilter { limit, ..filter };
        self.state.config.list(&author.caller, kind, &filter).await.map_err(|error| told(error, caller))
    }

    async fn get(&self, caller: &Caller, kind: &str, id: &str) -> Result<ThingRow, AppError> {
        let author = author(&self.state, caller)?;
        self.state.config.get(&author.caller, kind, id).await.map_err(|error| told(error, caller))
    }

    async fn save(
        &self,
        caller: &Caller,
        kind: &str,
        id: Option<String>,
        etag: Option<String>,
        fields: Map<String, Value>,
    ) -> Result<ThingRow, AppError> {
        let author = author(&self.state, caller)?;
        let config = &self.state.config;
        let saved = match id {
            Some(id) => config.update(&author, kind, &id, etag.as_deref(), &fields).await,
            None => config.create(&author, kind, &fields).await,
        };
        saved.map_err(|error| told(error, caller))
    }

    async fn dependants(&self, caller: &Caller, kind: &str, id: &str) -> Result<Dependants, AppError> {
        let author = author(&self.state, caller)?;
        self.state.config.dependants(&author.caller, kind, id).await.map_err(|error| told(error, caller))
    }

    async fn delete(&self, caller: &Caller, kind: &str, ids: &[String]) -> Result<(), AppError> {
        let author = author(&self.state, caller)?;
        let deleted = self.state.config.delete(&author, kind, ids, None).await;
        deleted.map(drop).map_err(|error| told(error, caller))
    }

    async fn restore(&self, caller: &Caller, kind: &str, ids: &[String]) -> Result<(), AppError> {
        let author = author(&self.state, caller)?;
        let restored = self.state.config.restore(&author, kind, ids).await;
        restored.map(drop).map_err(|error| told(error, caller))
    }
}
