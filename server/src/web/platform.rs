//! The port of the platform's own pages.

use std::sync::Arc;

use app::{
    error::AppError,
    ports::{self, Caller},
    types::{LogFilter, LogLine, Page, SystemState},
};
use async_trait::async_trait;
use serde_json::Value;

use super::ports::{MAX_PAGE, Pages, outward, read_cursor};
use crate::{
    services::{
        identity::{self, IdentityError},
        logs::{LogQuery, LogsError},
        system::SystemError,
    },
    store::{self, logs::LogRow},
};

impl Pages {
    /// The caller as the services know one.
    fn person(&self, caller: &Caller) -> Result<identity::Caller, AppError> {
        let user = self.user(&self.state.catalog.snapshot(), caller)?;
        let found = self.state.identity.in_instance(&Arc::clone(&user), Some(&caller.instance_id));
        found.map_err(|error| outward(error, &caller.request_id))
    }
}

#[async_trait]
impl ports::Platform for Pages {
    async fn logs(&self, caller: &Caller, filter: LogFilter) -> Result<Page<LogLine>, AppError> {
        let after = match filter.after.as_deref() {
            None => None,
            Some(cursor) => Some(read_cursor(cursor).ok_or_else(|| AppError::Invalid {
                field: "after".to_owned(),
                message: "This is not a page of the list.".to_owned(),
            })?),
        };
        let page = store::Page { after, limit: i64::from(filter.limit.clamp(1, MAX_PAGE)) };
        let query = LogQuery {
            level: filter.level,
            component: filter.component,
            instance_id: filter.instance_id,
            request_id: filter.request_id,
            q: filter.q,
            start_us: filter.from_us,
            end_us: filter.until_us,
        };
        let found = self.state.logs.list(&self.person(caller)?, &query, &page).await;
        let found = found.map_err(|error| told(error, &caller.request_id))?;
        let next = found.next.map(|(at, id)| format!("{at}.{id}"));
        Ok(Page { items: found.rows.into_iter().map(line).collect(), next })
    }

    async fn delete_logs(&self, caller: &Caller, older_than_days: u32) -> Result<u64, AppError> {
        let deleted = self.state.logs.delete(&self.person(caller)?, older_than_days).await;
        deleted.map_err(|error| told(error, &caller.request_id))
    }

    async fn system(&self, caller: &Caller) -> Result<SystemState, AppError> {
        let state = self.state.system.state(&self.person(caller)?).await;
        state.map_err(|error| match error {
            SystemError::Denied(denied) => outward(IdentityError::Denied(denied), &caller.request_id),
            SystemError::Store(error) => outward(IdentityError::Store(error), &caller.request_id),
        })
    }
}

fn told(error: LogsError, request_id: &str) -> AppError {
    match error {
        LogsError::Denied(denied) => outward(IdentityError::Denied(denied), request_id),
        LogsError::UnknownInstance(name) => outward(IdentityError::UnknownInstance(name), request_id),
        LogsError::Invalid { field, message } => outward(IdentityError::Invalid { field, message }, request_id),
        LogsError::Busy => outward(IdentityError::Busy, request_id),
        LogsError::Store(error) => outward(IdentityError::Store(error), request_id),
    }
}

fn line(row: LogRow) -> LogLine {
    LogLine {
        log_id: row.log_id,
        at_us: row.time_us,
        level: row.level,
        message: row.message,
        component: row.component,
        request_id: row.request_id,
        instance_id: row.instance_id,
        user_id: row.user_id,
        metadata: match row.metadata {
            Value::Object(fields) => fields,
            _ => serde_json::Map::new(),
        },
    }
}
