//! The platform's own log, for the people who run it: a list, a live view, and its way into the table.

mod tail;
mod writer;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    catalog::Catalog,
    identity::{Caller, Deed, Denied, Place, may},
};
use crate::{
    clock::Clock,
    store::{
        Db, Found, Page, StoreError,
        logs::{LogFilter, LogRow},
    },
    telemetry::Queue,
};

pub use tail::Tail;
pub use writer::Writer;

const DAY_US: i64 = 86_400_000_000;
/// Live views at a time.
const TAILS: usize = 32;
const DELETE_BATCH: i64 = 1_000;
/// The levels, as they are written.
pub const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARN", "ERROR"];

/// Why the log is not shown.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the instance \"{0}\" does not exist")]
    UnknownInstance(String),
    #[error("{field}: {message}")]
    Invalid { field: &'static str, message: String },
    #[error("too many live views are open; close one of them")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What somebody looks for; times are microseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogQuery {
    /// Levels, separated by commas.
    pub level: Option<String>,
    pub component: Option<String>,
    /// Id or name.
    pub instance_id: Option<String>,
    pub request_id: Option<String>,
    /// Part of the message.
    pub q: Option<String>,
    pub start_us: Option<i64>,
    pub end_us: Option<i64>,
}

/// Reads the log and deletes from it.
#[derive(Clone)]
pub struct Logs {
    db: Db,
    catalog: Arc<Catalog>,
    clock: Clock,
    /// Lines of this process that are not written yet.
    queue: Option<Arc<Queue>>,
    tails: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Logs {
    /// Live views end when `stop` is cancelled.
    pub fn new(
        db: Db,
        catalog: Arc<Catalog>,
        clock: Clock,
        queue: Option<Arc<Queue>>,
        stop: CancellationToken,
    ) -> Self {
        Self { db, catalog, clock, queue, tails: Arc::new(Semaphore::new(TAILS)), stop }
    }

    /// Lines, newest first. Who administers the platform sees all of them, who administers an organization those of its
    /// instances, and who administers an instance those of the instance.
    pub async fn list(&self, who: &Caller, query: &LogQuery, page: &Page) -> Result<Found<LogRow>, LogsError> {
        let filter = self.filter(who, query)?;
        Ok(self.db.list_logs(&filter, page).await?)
    }

    /// Lines as they are written, beginning after the one with the id `after`, or now.
    pub async fn tail(&self, who: &Caller, query: &LogQuery, after: Option<String>) -> Result<Tail, LogsError> {
        let filter = self.filter(who, query)?;
        let place = self.tails.clone().try_acquire_owned().map_err(|_| LogsError::Busy)?;
        let after = match after {
            Some(after) if uuid::Uuid::try_parse(&after).is_err() => {
                let message = "Last-Event-ID is not the id of a line".to_owned();
                return Err(LogsError::Invalid { field: "Last-Event-ID", message });
            }
            Some(after) => after,
            None => self.db.newest_log().await?.unwrap_or_default(),
        };
        Ok(Tail::new(self.db.clone(), self.clock.clone(), self.queue.clone(), filter, after, self.stop.clone(), place))
    }

    /// Deletes lines that are older than so many days; how many.
    pub async fn delete(&self, who: &Caller, older_than_days: u32) -> Result<u64, LogsError> {
        may(who, Deed::Own, Place::Platform)?;
        let before_us = self.clock.now_us() - i64::from(older_than_days) * DAY_US;
        let deleted = delete_before(&self.db, before_us).await?;
        tracing::info!(target: "server::services::logging", deleted, older_than_days, "log lines were deleted");
        Ok(deleted)
    }

    /// Lines that are not written yet, of this process.
    pub fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    fn filter(&self, who: &Caller, query: &LogQuery) -> Result<LogFilter, LogsError> {
        let mut filter = LogFilter {
            levels: levels(query.level.as_deref())?,
            component: given(&query.component),
            request_id: given(&query.request_id),
            text: given(&query.q),
            from_us: query.start_us,
            until_us: query.end_us,
            ..LogFilter::default()
        };
        if let Some(named) = given(&query.instance_id) {
            let snapshot = self.catalog.snapshot();
            let own = may(who, Deed::Administer, Place::Platform).is_err().then_some(who.org_id.as_str());
            let instance = snapshot.instance(&named, own).ok_or(LogsError::UnknownInstance(named))?;
            may(who, Deed::Administer, Place::Instance { org_id: &instance.org_id, instance_id: &instance.id })?;
            filter.instance_id = Some(instance.id.clone());
        } else if may(who, Deed::Administer, Place::Platform).is_ok() {
            // All lines.
        } else if may(who, Deed::Administer, Place::Organization(&who.org_id)).is_ok() {
            filter.org_id = Some(who.org_id.clone());
        } else {
            let place = Place::Instance { org_id: &who.instance.org_id, instance_id: &who.instance.id };
            may(who, Deed::Administer, place)?;
            filter.instance_id = Some(who.instance.id.clone());
        }
        Ok(filter)
    }
}

/// Deletes the lines from before a time in small batches; how many.
pub async fn delete_before(db: &Db, before_us: i64) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let deleted = db.delete_logs_before(before_us, DELETE_BATCH).await?;
        if deleted == 0 {
            return Ok(all);
        }
        all += deleted;
    }
}

fn given(value: &Option<String>) -> Option<String> {
    value.as_deref().map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn levels(value: Option<&str>) -> Result<Vec<String>, LogsError> {
    let mut levels: Vec<String> = Vec::new();
    for level in value.unwrap_or_default().split(',').map(str::trim).filter(|level| !level.is_empty()) {
        let known =
            LEVELS.iter().find(|known| known.eq_ignore_ascii_case(level)).ok_or_else(|| LogsError::Invalid {
                field: "level",
                message: format!("\"{level}\" is not a level; there are {}", LEVELS.join(", ")),
            })?;
        if !levels.iter().any(|level| level == known) {
            levels.push((*known).to_owned());
        }
    }
    Ok(levels)
}
