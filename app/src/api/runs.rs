use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::{Page, RunDetail, RunFilter, RunSummary},
};

/// Recorded calls, newest first, paged by key.
#[server(endpoint = "runs/list", input = Wire, output = Wire)]
pub async fn runs(filter: RunFilter) -> Result<Page<RunSummary>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.runs.list(&caller()?, filter).await }.await)
}

/// One recorded call with what was kept of it.
#[server(endpoint = "runs/get", input = Wire, output = Wire)]
pub async fn run(request_id: String) -> Result<RunDetail, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.runs.get(&caller()?, &request_id).await }.await)
}
