use leptos::prelude::*;

use super::wire::Wire;
use crate::{error::AppError, types::LimitState};

/// How far a limit is used; one that counts for each instance by itself, in the instance the page works in.
#[server(endpoint = "limits/state", input = Wire, output = Wire)]
pub async fn state_of_limit(limit_id: String) -> Result<LimitState, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.limits.state(&caller()?, &limit_id).await }.await)
}
