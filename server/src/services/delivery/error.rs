//! Why a result is not taken, shown or decided.

use crate::{
    services::identity::{Denied, IdentityError},
    store::StoreError,
};

#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// A field of the body that has to be there.
    #[error("{0} is required")]
    MissingField(&'static str),
    /// A parameter of the address that has to be there.
    #[error("{0} is required")]
    MissingParam(&'static str),
    #[error("No request ID found in webhook payload")]
    MissingRequestId,
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    /// "Request", "Deliverable".
    #[error("{0} not found")]
    NotFound(&'static str),
    /// It is too far for that: "Cannot approve deliverable in delivered status".
    #[error("Cannot {what} in {status} status")]
    Status { what: &'static str, status: String },
    #[error("Another reviewer has this deliverable")]
    Claimed,
    /// Neither a key nor a secret that fits.
    #[error("Invalid webhook signature")]
    Signature,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
