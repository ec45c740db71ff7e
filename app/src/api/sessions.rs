use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::{SessionInfo, SignInLink},
};

/// The own open sessions, newest first.
#[server(endpoint = "sessions/list", input = Wire, output = Wire)]
pub async fn sessions() -> Result<Vec<SessionInfo>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.sessions.list(&caller()?).await }.await)
}

/// Ends one of the own sessions.
#[server(endpoint = "sessions/end", input = Wire, output = Wire)]
pub async fn end_session(session_id: String) -> Result<(), AppError> {
    use crate::ports::{caller, origin, ports, with_status};
    with_status(async { ports()?.sessions.end(&caller()?, &session_id, origin()).await }.await)
}

/// Ends all own sessions but this one; how many.
#[server(endpoint = "sessions/end_others", input = Wire, output = Wire)]
pub async fn end_other_sessions() -> Result<u64, AppError> {
    use crate::ports::{caller, origin, ports, with_status};
    with_status(async { ports()?.sessions.end_others(&caller()?, origin()).await }.await)
}

/// Ends all sessions of a person, for their admins; how many.
#[server(endpoint = "sessions/end_of_user", input = Wire, output = Wire)]
pub async fn end_sessions_of_user(user_id: String) -> Result<u64, AppError> {
    use crate::ports::{caller, origin, ports, with_status};
    with_status(async { ports()?.sessions.end_of_user(&caller()?, &user_id, origin()).await }.await)
}

/// An address that signs a person in once, for their admins to hand over: an invitation, or help with a lost password.
#[server(endpoint = "sessions/make_link", input = Wire, output = Wire)]
pub async fn make_sign_in_link(user_id: String) -> Result<SignInLink, AppError> {
    use crate::ports::{caller, origin, ports, with_status};
    with_status(async { ports()?.sessions.make_link(&caller()?, &user_id, origin()).await }.await)
}
