//! Why a call was not answered, before any surface has put it into its own shape.

use std::time::Duration;

use crate::{
    providers::{ErrorClass, ProviderError, input::InputError},
    services::{
        identity::Denied,
        limits::{LimitError, Refusal},
    },
};

/// Whose fault a failure is; part of every record and every error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Caller,
    Gateway,
    Provider,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Gateway => "gateway",
            Self::Provider => "provider",
        }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Input(#[from] InputError),
    /// No model, alias or provider of this name.
    #[error("{}", unknown_model(asked, near))]
    UnknownModel { asked: String, near: Vec<String> },
    #[error("this key may not use the model \"{model}\"")]
    ModelNotAllowed { model: String },
    /// Who may only look does not spend.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A model of another kind, an image model for instance.
    #[error("the model \"{model}\" cannot generate {wanted}")]
    WrongCapability { model: String, wanted: &'static str },
    #[error("the model \"{model}\" cannot stream")]
    CannotStream { model: String },
    #[error("API key not configured for provider: {provider}")]
    MissingCredential { provider: String },
    /// A limit of ours.
    #[error(transparent)]
    Limited(#[from] LimitError),
    /// The instance that was named does not exist.
    #[error("instance \"{0}\" does not exist")]
    UnknownInstance(String),
    #[error("the server is stopping")]
    Stopping,
    #[error("{error}")]
    Provider { provider: String, error: Box<ProviderError> },
}

impl GatewayError {
    pub fn source(&self) -> Source {
        match self {
            Self::MissingCredential { .. } | Self::Stopping => Source::Gateway,
            // It is the caller who asked for more than was granted.
            Self::Limited(LimitError::Refused(_)) => Source::Caller,
            Self::Limited(_) => Source::Gateway,
            Self::Provider { error, .. } => match error.class {
                // The provider says so, but it is the request that has to change.
                ErrorClass::Invalid | ErrorClass::Unsupported | ErrorClass::ContentFilter => Source::Caller,
                _ => Source::Provider,
            },
            _ => Source::Caller,
        }
    }

    /// The word for records and metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Input(_) | Self::WrongCapability { .. } | Self::CannotStream { .. } => "invalid",
            Self::UnknownModel { .. } | Self::UnknownInstance(_) => "not_found",
            Self::ModelNotAllowed { .. } | Self::Denied(_) => "forbidden",
            Self::MissingCredential { .. } => "missing_credential",
            Self::Limited(LimitError::Refused(refusal)) if refusal.is_budget() => "budget",
            Self::Limited(LimitError::Refused(refusal)) if refusal.is_quota() => "quota",
            Self::Limited(LimitError::Refused(_)) => "rate_limit",
            Self::Limited(_) => "unavailable",
            Self::Stopping => "stopping",
            Self::Provider { error, .. } => error.class.as_str(),
        }
    }

    /// The status that every surface gives this failure unless its contract says otherwise.
    pub fn status(&self) -> u16 {
        match self {
            Self::Input(_) | Self::WrongCapability { .. } | Self::CannotStream { .. } => 400,
            Self::UnknownModel { .. } | Self::UnknownInstance(_) => 404,
            Self::ModelNotAllowed { .. } | Self::Denied(_) => 403,
            Self::MissingCredential { .. } => 500,
            Self::Limited(LimitError::Refused(_)) => 429,
            Self::Limited(_) => 503,
            Self::Stopping => 503,
            Self::Provider { error, .. } => match error.class {
                ErrorClass::Invalid | ErrorClass::Unsupported | ErrorClass::ContentFilter => {
                    error.status.filter(|status| matches!(status, 409 | 413 | 422)).unwrap_or(400)
                }
                ErrorClass::NotFound => 404,
                ErrorClass::RateLimit | ErrorClass::Billing => 429,
                ErrorClass::Overloaded => 503,
                ErrorClass::Timeout => 504,
                ErrorClass::Auth
                | ErrorClass::Connect
                | ErrorClass::Truncated
                | ErrorClass::Malformed
                | ErrorClass::Upstream => 502,
            },
        }
    }

    /// The limit that is in the way.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Limited(LimitError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    pub fn limit_id(&self) -> Option<&str> {
        self.refusal().map(|refusal| &*refusal.limit_id)
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited(LimitError::Refused(refusal)) => Some(refusal.retry_after()),
            Self::Stopping | Self::Limited(_) => Some(Duration::from_secs(1)),
            Self::Provider { error, .. } => error.retry_after,
            _ => None,
        }
    }
}

fn unknown_model(asked: &str, near: &[String]) -> String {
    let mut text = format!("the model \"{asked}\" does not exist");
    if !near.is_empty() {
        let names: Vec<String> = near.iter().map(|name| format!("\"{name}\"")).collect();
        text.push_str(&format!("; did you mean {}?", names.join(" or ")));
    }
    text
}
