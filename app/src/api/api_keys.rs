use leptos::prelude::*;

use super::wire::Wire;
use crate::{error::AppError, types::NewApiKey};

/// Makes an API key; its secret is in this answer and nowhere else.
#[server(endpoint = "api_keys/create", input = Wire, output = Wire)]
pub async fn create_api_key(name: String) -> Result<NewApiKey, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.api_keys.create(&caller()?, &name).await }.await)
}
