use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::{ServiceCard, SystemStatus},
};

/// Everything that the API serves, by surface.
#[server(endpoint = "system/services", input = Wire, output = Wire)]
pub async fn services() -> Result<Vec<ServiceCard>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.system.services(&caller()?).await }.await)
}

/// What is running, for admins.
#[server(endpoint = "system/status", input = Wire, output = Wire)]
pub async fn load_system() -> Result<SystemStatus, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.system.status(&caller()?).await }.await)
}
