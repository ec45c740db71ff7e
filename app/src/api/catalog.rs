use leptos::prelude::*;

use super::wire::Wire;
use crate::{error::AppError, types::ModelCard};

/// Models the caller may use; `capability` narrows (`text`).
#[server(endpoint = "catalog/models", input = Wire, output = Wire)]
pub async fn models(capability: Option<String>) -> Result<Vec<ModelCard>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.catalog.models(&caller()?, capability).await }.await)
}
