//! Why work is not taken in, or not changed.

use crate::{
    services::identity::{Denied, IdentityError},
    store::StoreError,
};

#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error("Query is required")]
    MissingQuery,
    /// A parameter that the route needs.
    #[error("{0} is required")]
    MissingParam(&'static str),
    #[error("Request not found")]
    NotFound,
    /// The request is too far for that.
    #[error("Cannot {what} request in {status} status")]
    Status { what: &'static str, status: String },
    /// Too much waits already.
    #[error("{waiting} requests wait in this instance, and no more than {most} may")]
    Full { waiting: i64, most: i64 },
    /// A live job of the instance has the same unique key.
    #[error("a request with the same unique key is not over yet")]
    Duplicate,
    /// The idempotency key was used for something else.
    #[error("this Idempotency-Key was used with another body")]
    KeyReused,
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RouterError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            StoreError::Conflict { what } if what.starts_with("jobs.") => Self::Duplicate,
            other => Self::Store(other),
        }
    }
}
