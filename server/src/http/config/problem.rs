//! Failures in the shape of the configuration service: `{error, request_id, status}`, and what else helps.

use std::fmt::Display;

use app::types::config::{Thing, ThingRow};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::call::tag;
use crate::{
    http::Problem,
    services::{config::ConfigError, identity::IdentityError},
    store::StoreError,
};

/// Why a request was not answered.
#[derive(Debug)]
pub enum ConfigProblem {
    UnknownRoute,
    InvalidJson,
    UnknownFields(Vec<String>),
    /// What the caller sent, and what the thing is now.
    Stale {
        thing: &'static Thing,
        yours: Option<Map<String, Value>>,
        current: Box<ThingRow>,
    },
    Config(ConfigError),
    /// Too much is going on at once.
    Busy(String),
    /// No key, a body that is too large, …
    Other(Problem),
}

impl From<ConfigError> for ConfigProblem {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Stale { thing, current } => Self::Stale { thing, yours: None, current },
            error => Self::Config(error),
        }
    }
}

impl From<Problem> for ConfigProblem {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<IdentityError> for ConfigProblem {
    fn from(error: IdentityError) -> Self {
        Self::Other(error.into())
    }
}

impl ConfigProblem {
    pub fn answer(self, request_id: &str) -> Response {
        let status = self.status();
        if let Self::Config(ConfigError::Store(error)) = &self {
            tracing::error!(%error, request_id, "the configuration could not be read or changed");
        }
        let mut body = json!({ "error": self.message(), "request_id": request_id, "status": status });
        let mut etag = None;
        match self {
            Self::Config(ConfigError::Fields(errors)) => {
                body["fields"] =
                    errors.into_iter().map(|error| json!({ "field": error.field, "message": error.message })).collect();
            }
            Self::Config(ConfigError::Conflict { field, .. }) => body["field"] = field.into(),
            Self::Stale { yours, current, .. } => {
                if let Some(yours) = yours {
                    body["yours"] = yours.into();
                }
                etag = Some(current.etag);
                body["current"] = current.body.into();
            }
            _ => {}
        }
        let mut response = Json(body).into_response();
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(etag) = etag {
            tag(&mut response, &etag);
        }
        let headers = response.headers_mut();
        match status {
            401 => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            429 | 503 => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }

    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownRoute => 404,
            Self::InvalidJson | Self::UnknownFields(_) => 400,
            Self::Stale { .. } => 412,
            Self::Busy(_) => 503,
            Self::Other(problem) => problem.status(),
            Self::Config(error) => match error {
                ConfigError::NotFound(_) | ConfigError::Absent(_) => 404,
                ConfigError::Denied(_) => 403,
                ConfigError::Missing(_) | ConfigError::Fields(_) | ConfigError::NothingToUpdate => 400,
                ConfigError::Conflict { .. } | ConfigError::Refused(_) => 409,
                ConfigError::Stale { .. } => 412,
                ConfigError::Store(StoreError::Unavailable(_)) => 503,
                ConfigError::Store(StoreError::Stale | StoreError::ForeignKey { .. }) => 409,
                ConfigError::Store(_) => 500,
            },
        }
    }

    fn message(&self) -> String {
        let text = |message: &dyn Display| message.to_string();
        match self {
            Self::UnknownRoute => "Route not found".to_owned(),
            Self::InvalidJson => "Invalid JSON body".to_owned(),
            Self::UnknownFields(names) => format!("Unknown fields: {}", names.join(", ")),
            Self::Stale { thing, .. } => format!("This {} was changed by somebody else meanwhile", thing.one),
            Self::Busy(message) => message.clone(),
            Self::Other(problem) => problem.message(),
            Self::Config(ConfigError::Store(StoreError::Unavailable(_))) => {
                "The database is not available; try again in a moment".to_owned()
            }
            Self::Config(ConfigError::Store(StoreError::Stale | StoreError::ForeignKey { .. })) => {
                "Somebody else changed this at the same moment; try again".to_owned()
            }
            Self::Config(ConfigError::Store(_)) => "Database error".to_owned(),
            Self::Config(ConfigError::Denied(denied)) => {
                let words = text(denied);
                let mut letters = words.chars();
                letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
            }
            Self::Config(error) => text(error),
        }
    }
}
