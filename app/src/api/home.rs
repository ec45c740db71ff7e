use leptos::prelude::*;

use super::wire::Wire;
use crate::{error::AppError, types::Overview};

/// What is running and how far the first steps have come.
#[server(endpoint = "home/overview", input = Wire, output = Wire)]
pub async fn load_overview() -> Result<Overview, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.home.overview(&caller()?).await }.await)
}

/// Hides the first-run checklist for the organization.
#[server(endpoint = "home/dismiss_checklist", input = Wire, output = Wire)]
pub async fn dismiss_checklist() -> Result<(), AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.home.dismiss_checklist(&caller()?).await }.await)
}
