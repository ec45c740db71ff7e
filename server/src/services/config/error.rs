//! Why the configuration could not be read or changed.

use app::types::config::{Thing, ThingRow};

use crate::{services::identity::Denied, store::StoreError};

/// A failure of the configuration service.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No such thing, or none that the caller may know of: "Instance".
    #[error("{0} not found")]
    NotFound(String),
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Names of fields, in the order of the description.
    #[error("Missing required fields: {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// Values that cannot be: at least one.
    #[error("{}", first(.0))]
    Fields(Vec<FieldError>),
    #[error("No fields to update")]
    NothingToUpdate,
    /// A value that has to be unique is another's.
    #[error("{message}")]
    Conflict { field: &'static str, message: String },
    /// Somebody else changed it meanwhile.
    #[error("This {} was changed by somebody else meanwhile", .thing.one)]
    Stale { thing: &'static Thing, current: Box<ThingRow> },
    /// It cannot be done in this state.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `payload_mapping.body.messages[0]`.
    pub field: String,
    /// A sentence that says what would be right.
    pub message: String,
}

fn first(errors: &[FieldError]) -> &str {
    errors.first().map_or("", |error| &error.message)
}

impl ConfigError {
    /// One field that has to be changed.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// A thing that does not exist: "Model config not found".
    pub fn unknown(thing: &Thing) -> Self {
        Self::NotFound(label(thing))
    }
}

/// A thing's name at the beginning of a sentence.
pub fn label(thing: &Thing) -> String {
    if thing.kind == "model-config" {
        return "Model config".to_owned();
    }
    let mut letters = thing.one.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
