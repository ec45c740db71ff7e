use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::{ApiKeyDraft, ApiKeyUse, NewApiKey},
};

/// Makes an API key; its secret is in this answer and nowhere else.
#[server(endpoint = "api_keys/create", input = Wire, output = Wire)]
pub async fn create_api_key(draft: ApiKeyDraft) -> Result<NewApiKey, AppError> {
    use crate::ports::{caller, origin, ports, with_status};
    with_status(async { ports()?.api_keys.create(&caller()?, draft, origin()).await }.await)
}

/// Gives a key another secret, which is in this answer and nowhere else; the present one works for `grace_hours` more.
#[server(endpoint = "api_keys/rotate", input = Wire, output = Wire)]
pub async fn rotate_api_key(key_id: String, grace_hours: u32) -> Result<NewApiKey, AppError> {
    use crate::ports::{caller, origin, ports, with_status};
    with_status(async { ports()?.api_keys.rotate(&caller()?, &key_id, grace_hours, origin()).await }.await)
}

/// Stops a key for good.
#[server(endpoint = "api_keys/revoke", input = Wire, output = Wire)]
pub async fn revoke_api_key(key_id: String) -> Result<(), AppError> {
    use crate::ports::{caller, origin, ports, with_status};
    with_status(async { ports()?.api_keys.revoke(&caller()?, &key_id, origin()).await }.await)
}

/// How often keys were used on each of the last 30 days; at most 100 keys.
#[server(endpoint = "api_keys/usage", input = Wire, output = Wire)]
pub async fn api_key_usage(key_ids: Vec<String>) -> Result<Vec<ApiKeyUse>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.api_keys.usage(&caller()?, &key_ids).await }.await)
}
