//! The error of server functions.

use leptos::server_fn::{error::FromServerFnError, error::ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use crate::{api::WireJson, types::config::ThingRow};

/// Why a server function did not answer. The texts are for people; nothing secret is ever in them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AppError {
    /// Not signed in, or the session ended.
    Unauthorized,
    /// Signed in, but not allowed.
    Forbidden {
        message: String,
    },
    NotFound {
        what: String,
    },
    /// A field that has to be changed.
    Invalid {
        field: String,
        message: String,
    },
    /// Several fields that have to be changed: (field, message).
    Fields {
        errors: Vec<(String, String)>,
    },
    /// Somebody else changed it meanwhile; `current` is what it is now.
    Stale {
        current: Box<ThingRow>,
    },
    /// Too many attempts; try again after so many seconds.
    TooMany {
        retry_after_s: u64,
    },
    /// Something is temporarily away (the database, most often).
    Unavailable {
        message: String,
    },
    /// Our fault. The request id finds the reason in the log.
    Internal {
        request_id: String,
    },
    /// The call did not get through, or its answer could not be read.
    Transport {
        message: String,
    },
}

impl AppError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden { .. } => 403,
            Self::NotFound { .. } => 404,
            Self::Invalid { .. } | Self::Fields { .. } => 422,
            Self::Stale { .. } => 412,
            Self::TooMany { .. } => 429,
            Self::Unavailable { .. } => 503,
            Self::Internal { .. } | Self::Transport { .. } => 500,
        }
    }
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unauthorized => f.write_str("Please sign in."),
            Self::Forbidden { message } | Self::Invalid { message, .. } | Self::Unavailable { message } => {
                f.write_str(message)
            }
            Self::Fields { errors } => f.write_str(errors.first().map_or("", |(_, message)| message)),
            Self::Stale { .. } => f.write_str("Somebody else changed this meanwhile."),
            Self::NotFound { what } => write!(f, "{what} was not found."),
            Self::TooMany { retry_after_s } => write!(f, "Too many attempts. Try again in {retry_after_s} s."),
            Self::Internal { .. } => f.write_str("Something went wrong on the server."),
            Self::Transport { message } => write!(f, "The server could not be reached: {message}"),
        }
    }
}

impl std::error::Error for AppError {}

impl FromServerFnError for AppError {
    type Encoder = WireJson;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self::Transport { message: error.to_string() }
    }
}

impl From<ServerFnErrorErr> for AppError {
    fn from(error: ServerFnErrorErr) -> Self {
        Self::from_server_fn_error(error)
    }
}
