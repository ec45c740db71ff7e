use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::{LogFilter, LogLine, Page, SystemState},
};

/// The platform's own log, newest first, paged by key. The live view reads `GET /config/logs/stream`.
#[server(endpoint = "platform/logs", input = Wire, output = Wire)]
pub async fn logs(filter: LogFilter) -> Result<Page<LogLine>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.platform.logs(&caller()?, filter).await }.await)
}

/// Deletes lines that are older than so many days; how many.
#[server(endpoint = "platform/delete-logs", input = Wire, output = Wire)]
pub async fn delete_logs(older_than_days: u32) -> Result<u64, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.platform.delete_logs(&caller()?, older_than_days).await }.await)
}

/// The state of the platform.
#[server(endpoint = "platform/system", input = Wire, output = Wire)]
pub async fn load_system() -> Result<SystemState, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.platform.system(&caller()?).await }.await)
}
