use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::config::{CredentialState, CredentialTest},
};

/// Every provider, with where its key for this instance comes from.
#[server(endpoint = "credentials/list", input = Wire, output = Wire)]
pub async fn credentials(instance_id: String) -> Result<Vec<CredentialState>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.credentials.list(&caller()?, &instance_id).await }.await)
}

/// Stores a key, in place of the one before.
#[server(endpoint = "credentials/set", input = Wire, output = Wire)]
pub async fn set_credential(instance_id: String, provider: String, key: String) -> Result<(), AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.credentials.set(&caller()?, &instance_id, &provider, &key).await }.await)
}

/// Removes a stored key for good.
#[server(endpoint = "credentials/delete", input = Wire, output = Wire)]
pub async fn delete_credential(instance_id: String, provider: String) -> Result<(), AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.credentials.delete(&caller()?, &instance_id, &provider).await }.await)
}

/// Makes the cheapest real call with it.
#[server(endpoint = "credentials/test", input = Wire, output = Wire)]
pub async fn test_credential(instance_id: String, provider: String) -> Result<CredentialTest, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.credentials.test(&caller()?, &instance_id, &provider).await }.await)
}
