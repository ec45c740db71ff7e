use leptos::prelude::*;

use super::wire::Wire;
use crate::{error::AppError, types::ServiceCard};

/// Everything that the API serves, by surface.
#[server(endpoint = "services/list", input = Wire, output = Wire)]
pub async fn services() -> Result<Vec<ServiceCard>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.services.list(&caller()?).await }.await)
}
