//! From an error to the answer of each surface: the only place that knows both.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::facts;
use crate::{
    providers::{ErrorClass, input::InputError},
    services::{
        delivery::DeliveryError,
        events::EventsError,
        gateway::{GatewayError, Source},
        identity::{Denied, IdentityError},
        limits::{LimitError, Pool, Refusal},
        router::RouterError,
    },
};

/// Why a request of the API was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Router(RouterError),
    #[error(transparent)]
    Delivery(DeliveryError),
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// The body ended before its announced length.
    #[error("the body could not be read: {0}")]
    Unreadable(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    WrongMethod(String),
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        Self::Gateway(GatewayError::Input(error))
    }
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::Denied(denied) => IdentityError::Denied(denied).into(),
            DeliveryError::Identity(error) => error.into(),
            DeliveryError::Store(error) if error.is_passing() => IdentityError::Store(error).into(),
            other => Self::Delivery(other),
        }
    }
}

/// Who may not is told the same on every surface.
impl From<RouterError> for Problem {
    fn from(error: RouterError) -> Self {
        match error {
            RouterError::Denied(denied) => IdentityError::Denied(denied).into(),
            RouterError::Identity(error) => error.into(),
            RouterError::Store(error) if error.is_passing() => IdentityError::Store(error).into(),
            other => Self::Router(other),
        }
    }
}

impl From<EventsError> for Problem {
    fn from(error: EventsError) -> Self {
        match error {
            EventsError::Denied(denied) => IdentityError::Denied(denied).into(),
            EventsError::Invalid { field, message } => InputError::field(field, message).into(),
            EventsError::Busy => IdentityError::Busy.into(),
            EventsError::Store(error) => IdentityError::Store(error).into(),
        }
    }
}

impl Problem {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Identity(error) => match error {
                IdentityError::NoKey
                | IdentityError::BadKey
                | IdentityError::ExpiredKey
                | IdentityError::Inactive
                | IdentityError::TestKey
                | IdentityError::WrongPassword => 401,
                IdentityError::UnknownInstance(_) => 404,
                IdentityError::NoAccess(_) | IdentityError::Denied(_) => 403,
                IdentityError::NotFound(_) => 404,
                IdentityError::Password(_) | IdentityError::Invalid { .. } => 400,
                IdentityError::TooManyTries(_) => 429,
                IdentityError::Busy | IdentityError::Store(_) => 503,
            },
            Self::Gateway(error) => error.status(),
            Self::Router(error) => router_words(error).0,
            Self::Delivery(error) => delivery_words(error).0,
            Self::TooLarge { .. } => 413,
            Self::Unreadable(_) => 400,
            Self::NotFound(_) => 404,
            Self::WrongMethod(_) => 405,
        }
    }

    /// What the outside may read.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Identity(IdentityError::Store(_)) => {
                "the database is not available; try again in a moment".to_owned()
            }
            Self::Router(RouterError::Store(_)) => "the request could not be stored".to_owned(),
            Self::Delivery(DeliveryError::Store(_)) => "the result could not be stored".to_owned(),
            other => other.to_string(),
        }
    }

    fn source(&self) -> Source {
        match self {
            Self::Gateway(error) => error.source(),
            Self::Identity(IdentityError::Store(_) | IdentityError::Busy) => Source::Gateway,
            _ => Source::Caller,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Gateway(error) => error.retry_after(),
            Self::Identity(IdentityError::TooManyTries(wait)) => Some(*wait),
            Self::Router(RouterError::Full { .. }) => Some(Duration::from_secs(30)),
            Self::Identity(IdentityError::Store(_) | IdentityError::Busy) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// OpenAI's shape: `{"error": {message, type, param, code}}`, and whose fault it is.
    pub fn openai(&self) -> Response {
        let mut response =
            answer(self.status(), Json(json!({ "error": self.openai_error() })).into_response(), self.retry_after());
        let is_hopeless = match self {
            Self::Gateway(GatewayError::Provider { error, .. }) => error.class == ErrorClass::Billing,
            Self::Gateway(error) => error.refusal().is_some_and(Refusal::is_quota),
            _ => false,
        };
        if is_hopeless {
            // The official SDKs obey this: more tries cannot fill an empty account.
            response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if let Some(refusal) = self.refusal() {
            facts::add_openai_limits(response.headers_mut(), &refusal.standing);
        }
        response
    }

    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Gateway(error) => error.refusal(),
            _ => None,
        }
    }

    /// The object inside OpenAI's error body; also what goes into a broken stream.
    pub fn openai_error(&self) -> Value {
        let (kind, code, param) = self.openai_words();
        let mut error = Map::new();
        error.insert("message".to_owned(), self.message().into());
        error.insert("type".to_owned(), kind.into());
        error.insert("param".to_owned(), param.into());
        error.insert("code".to_owned(), code.into());
        error.insert("source".to_owned(), self.source().as_str().into());
        if let Self::Gateway(GatewayError::Provider { provider, error: upstream }) = self {
            error.insert("provider".to_owned(), provider.as_str().into());
            error.insert("provider_status".to_owned(), upstream.status.into());
            error.insert("provider_code".to_owned(), upstream.code.clone().into());
        }
        Value::Object(error)
    }

    /// Type, code and parameter.
    fn openai_words(&self) -> (&str, Option<&str>, Option<&str>) {
        const INVALID: &str = "invalid_request_error";
        match self {
            Self::Identity(error) => match error {
                IdentityError::UnknownInstance(_) => (INVALID, Some("instance_not_found"), None),
                IdentityError::NotFound(_) => (INVALID, Some("not_found"), None),
                IdentityError::NoAccess(_) => (INVALID, Some("instance_access_denied"), None),
                IdentityError::Denied(denied) => denied_words(denied),
                IdentityError::TooManyTries(_) => ("requests", Some("rate_limit_exceeded"), None),
                IdentityError::Busy | IdentityError::Store(_) => ("server_error", Some("unavailable"), None),
                IdentityError::Invalid { field, .. } => (INVALID, None, Some(field)),
                _ => (INVALID, Some("invalid_api_key"), None),
            },
            Self::Gateway(error) => match error {
                GatewayError::Input(InputError::Syntax(_)) => (INVALID, Some("invalid_json"), None),
                GatewayError::Input(InputError::Field { param, .. }) => {
                    (INVALID, None, Some(param.as_str()).filter(|param| !param.is_empty()))
                }
                GatewayError::UnknownModel { .. } => (INVALID, Some("model_not_found"), Some("model")),
                GatewayError::ModelNotAllowed { .. } => (INVALID, Some("model_not_allowed"), Some("model")),
                GatewayError::Denied(denied) => denied_words(denied),
                GatewayError::WrongCapability { .. } => (INVALID, Some("invalid_model_capability"), Some("model")),
                GatewayError::CannotStream { .. } => (INVALID, Some("unsupported_value"), Some("stream")),
                GatewayError::MissingCredential { .. } => ("server_error", Some("missing_api_key"), None),
                GatewayError::Limited(LimitError::Refused(refusal)) if refusal.is_quota() => {
                    ("insufficient_quota", Some("insufficient_quota"), None)
                }
                GatewayError::Limited(LimitError::Refused(refusal)) => {
                    let kind = if refusal.pool == Pool::Tokens { "tokens" } else { "requests" };
                    (kind, Some("rate_limit_exceeded"), None)
                }
                GatewayError::Limited(_) => ("server_error", Some("unavailable"), None),
                GatewayError::UnknownInstance(_) => (INVALID, Some("instance_not_found"), None),
                GatewayError::Stopping => ("server_error", Some("stopping"), None),
                GatewayError::Provider { error, .. } => {
                    let (kind, code) = match error.class {
                        ErrorClass::Invalid | ErrorClass::Unsupported => (INVALID, None),
                        ErrorClass::ContentFilter => (INVALID, Some("content_filter")),
                        ErrorClass::NotFound => (INVALID, Some("model_not_found")),
                        ErrorClass::RateLimit => ("requests", Some("rate_limit_exceeded")),
                        ErrorClass::Billing => ("insufficient_quota", Some("insufficient_quota")),
                        ErrorClass::Auth => ("server_error", Some("provider_auth")),
                        ErrorClass::Overloaded => ("service_unavailable_error", Some("provider_overloaded")),
                        ErrorClass::Timeout => ("server_error", Some("provider_timeout")),
                        ErrorClass::Connect => ("server_error", Some("provider_unreachable")),
                        ErrorClass::Truncated => ("server_error", Some("provider_stream_cut")),
                        ErrorClass::Malformed => ("server_error", Some("provider_malformed")),
                        ErrorClass::Upstream => ("server_error", Some("provider_error")),
                    };
                    // Where the provider speaks of the request itself, its own words are the better ones.
                    let own = (error.class == ErrorClass::Invalid).then_some(error);
                    (
                        kind,
                        own.and_then(|error| error.code.as_deref()).or(code),
                        own.and_then(|error| error.param.as_deref()),
                    )
                }
            },
            Self::Router(RouterError::Store(_)) => ("server_error", None, None),
            Self::Router(_) => (INVALID, None, None),
            Self::Delivery(DeliveryError::Store(_)) => ("server_error", None, None),
            Self::Delivery(_) => (INVALID, None, None),
            Self::TooLarge { .. } => (INVALID, Some("request_too_large"), None),
            Self::Unreadable(_) => (INVALID, Some("invalid_body"), None),
            Self::NotFound(_) => (INVALID, Some("not_found"), None),
            Self::WrongMethod(_) => (INVALID, Some("method_not_allowed"), None),
        }
    }

    /// The shape of the product's own services: `{error, error_code, request_id, details?}`.
    pub fn service(&self, request_id: &str, now_us: i64) -> Response {
        self.service_with(request_id, now_us, |code| code)
    }

    /// The same, for a route that has other words for some codes.
    pub fn service_with(
        &self,
        request_id: &str,
        now_us: i64,
        rename: impl FnOnce(&'static str) -> &'static str,
    ) -> Response {
        let (status, code, message, details) = self.service_words(now_us);
        let code = rename(code);
        let mut body = json!({ "error": message, "error_code": code, "request_id": request_id });
        if let Some(details) = details {
            body["details"] = details;
        }
        let mut response = answer(status, Json(body).into_response(), self.retry_after());
        if let Some(refusal) = self.refusal() {
            facts::add_service_limits(response.headers_mut(), &refusal.standing, now_us, 0);
        }
        if status == 401 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// Status, code, message and details of the services' contract.
    pub(super) fn service_words(&self, now_us: i64) -> (u16, &'static str, String, Option<Value>) {
        let message = self.message();
        let (status, code) = match self {
            Self::Identity(error) => match error {
                IdentityError::NoKey => (401, "MISSING_AUTH"),
                IdentityError::UnknownInstance(_) => (404, "INSTANCE_NOT_FOUND"),
                IdentityError::NotFound(_) => (404, "NOT_FOUND"),
                IdentityError::NoAccess(_) => (403, "INSTANCE_ACCESS_DENIED"),
                IdentityError::Denied(denied) => (403, denied_code(denied)),
                IdentityError::TooManyTries(_) => (429, "RATE_LIMITED"),
                IdentityError::Busy => (503, "SERVICE_UNAVAILABLE"),
                IdentityError::Store(_) => (503, "DATABASE_ERROR"),
                IdentityError::Password(_) | IdentityError::Invalid { .. } => (400, "INVALID_REQUEST"),
                _ => (401, "INVALID_API_KEY"),
            },
            Self::Gateway(error) => match error {
                GatewayError::Input(InputError::Syntax(_)) => (400, "INVALID_JSON"),
                GatewayError::Input(_) => (400, "INVALID_REQUEST"),
                GatewayError::UnknownModel { .. } => (404, "MODEL_NOT_FOUND"),
                GatewayError::ModelNotAllowed { .. } => (403, "INSUFFICIENT_PERMISSIONS"),
                GatewayError::Denied(denied) => (403, denied_code(denied)),
                GatewayError::WrongCapability { .. } => (400, "INVALID_MODEL_CAPABILITY"),
                GatewayError::CannotStream { .. } => (400, "UNSUPPORTED_PROVIDER"),
                GatewayError::MissingCredential { .. } => (500, "MISSING_API_KEY"),
                GatewayError::Limited(LimitError::Refused(refusal)) if refusal.is_budget() => (402, "BUDGET_EXCEEDED"),
                GatewayError::Limited(LimitError::Refused(_)) => (429, "RATE_LIMIT_EXCEEDED"),
                GatewayError::Limited(_) => (503, "SERVICE_UNAVAILABLE"),
                GatewayError::UnknownInstance(_) => (404, "INSTANCE_NOT_FOUND"),
                GatewayError::Stopping => (503, "SERVICE_UNAVAILABLE"),
                GatewayError::Provider { error, .. } => match error.class {
                    ErrorClass::RateLimit | ErrorClass::Billing => (429, "PROVIDER_RATE_LIMIT"),
                    ErrorClass::Auth => (401, "INVALID_API_KEY"),
                    ErrorClass::Timeout => (504, "GATEWAY_TIMEOUT"),
                    _ => (500, "GENERATION_ERROR"),
                },
            },
            Self::Router(error) => router_words(error),
            Self::Delivery(error) => delivery_words(error),
            Self::TooLarge { .. } => (413, "INVALID_REQUEST"),
            Self::Unreadable(_) => (400, "INVALID_REQUEST"),
            Self::NotFound(_) | Self::WrongMethod(_) => (404, "ROUTE_NOT_FOUND"),
        };
        let details = match self {
            Self::Gateway(GatewayError::Limited(LimitError::Refused(refusal))) => {
                let wait = refusal.retry_after().as_secs();
                Some(json!({
                    "retry_after": wait,
                    "reset": now_us.div_euclid(1_000_000).unsigned_abs() + wait,
                    "limit_id": &*refusal.limit_id,
                    "limit": refusal.pool.as_str(),
                    "value": refusal.cap,
                }))
            }
            Self::Gateway(GatewayError::UnknownModel { near, .. }) if !near.is_empty() => {
                Some(json!({ "did_you_mean": near }))
            }
            Self::Gateway(GatewayError::Input(InputError::Field { param, .. })) if !param.is_empty() => {
                Some(json!({ "field": param }))
            }
            Self::Router(RouterError::Invalid { field, .. }) | Self::Delivery(DeliveryError::Invalid { field, .. }) => {
                Some(json!({ "field": field }))
            }
            Self::Gateway(GatewayError::Provider { provider, error }) => {
                Some(json!({ "provider": provider, "class": error.class.as_str(), "status": error.status }))
            }
            _ => None,
        };
        (status, code, message, details)
    }
}

/// Status and code of what delivery says. `DELIVERY_ERROR` has another name on some routes.
fn delivery_words(error: &DeliveryError) -> (u16, &'static str) {
    match error {
        DeliveryError::MissingField(_) => (400, "MISSING_FIELD"),
        DeliveryError::MissingParam(_) => (400, "MISSING_PARAM"),
        DeliveryError::MissingRequestId => (400, "MISSING_REQUEST_ID"),
        DeliveryError::Invalid { .. } => (400, "INVALID_REQUEST"),
        DeliveryError::NotFound(_) => (404, "NOT_FOUND"),
        DeliveryError::Status { .. } => (400, "INVALID_STATUS"),
        DeliveryError::Claimed => (409, "CLAIMED"),
        DeliveryError::Signature => (401, "INVALID_SIGNATURE"),
        DeliveryError::Denied(_) | DeliveryError::Identity(_) => (403, "FORBIDDEN"),
        DeliveryError::Store(_) => (500, "DELIVERY_ERROR"),
    }
}

/// Status and code of what the request router says.
fn router_words(error: &RouterError) -> (u16, &'static str) {
    match error {
        RouterError::MissingQuery => (400, "MISSING_QUERY"),
        RouterError::MissingParam(_) => (400, "MISSING_PARAM"),
        RouterError::Invalid { .. } => (400, "INVALID_REQUEST"),
        RouterError::NotFound => (404, "NOT_FOUND"),
        RouterError::Status { .. } => (400, "INVALID_STATUS"),
        RouterError::Full { .. } => (503, "QUEUE_FULL"),
        RouterError::Duplicate => (409, "DUPLICATE_REQUEST"),
        RouterError::KeyReused => (422, "IDEMPOTENCY_KEY_REUSED"),
        RouterError::Denied(_) | RouterError::Identity(_) => (403, "FORBIDDEN"),
        RouterError::Store(_) => (500, "INTAKE_ERROR"),
    }
}

fn denied_code(denied: &Denied) -> &'static str {
    match denied {
        Denied::Elsewhere => "INSTANCE_ACCESS_DENIED",
        Denied::Scope(_) | Denied::Level { .. } => "INSUFFICIENT_PERMISSIONS",
    }
}

fn denied_words(denied: &Denied) -> (&'static str, Option<&'static str>, Option<&'static str>) {
    let code = match denied {
        Denied::Elsewhere => "instance_access_denied",
        Denied::Scope(_) | Denied::Level { .. } => "insufficient_permissions",
    };
    ("invalid_request_error", Some(code), None)
}

fn answer(status: u16, mut response: Response, retry_after: Option<Duration>) -> Response {
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(wait) = retry_after {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000).max(1)));
        response.headers_mut().insert("retry-after-ms", HeaderValue::from(millis));
    }
    response
}
