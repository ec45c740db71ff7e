use leptos::prelude::*;

use super::wire::Wire;
use crate::{error::AppError, types::LimitState};

/// How far a limit is used; one that counts for each instance by itself, in the instance the page works in.
#[server(endpoint = "limits/state", input = Wire, output = Wire)]
pub async fn state_of_limit(limit_id: String) -> Result<LimitState, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.limits.state(&caller()?, &limit_id).await }.await)
}

/// The same for several limits.
#[server(endpoint = "limits/states", input = Wire, output = Wire)]
pub async fn states_of_limits(limit_ids: Vec<String>) -> Result<Vec<LimitState>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.limits.states(&caller()?, &limit_ids).await }.await)
}
