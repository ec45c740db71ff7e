//! The log as it is written: reads on from the last line that was seen.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    clock::Clock,
    store::{
        Db, DbKind, StoreError,
        logs::{LogFilter, LogRow},
    },
    telemetry::Queue,
};

/// How often the table is asked.
const POLL: Duration = Duration::from_millis(500);
/// Lines in one answer.
const MOST: i64 = 500;
/// Where several servers write, one's batch may appear after a later one of another: so much is waited for it.
const SETTLES_US: i64 = 2_000_000;

/// A live view.
pub struct Tail {
    db: Db,
    clock: Clock,
    queue: Option<Arc<Queue>>,
    filter: LogFilter,
    after: String,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Tail {
    pub(super) fn new(
        db: Db,
        clock: Clock,
        queue: Option<Arc<Queue>>,
        filter: LogFilter,
        after: String,
        stop: CancellationToken,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { db, clock, queue, filter, after, stop, _place: place }
    }

    /// The next lines, in the order in which they were written; `None` when the server stops. Waits for them, and may be
    /// given up and called again.
    pub async fn next(&mut self) -> Option<Result<Vec<LogRow>, StoreError>> {
        let _watch = self.queue.as_ref().map(|queue| queue.watch());
        loop {
            if self.stop.is_cancelled() {
                return None;
            }
            let until = self.settled();
            match self.db.follow_logs(&self.filter, &self.after, &until, MOST).await {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => {
                    if let Some(last) = rows.last() {
                        self.after.clone_from(&last.log_id);
                    }
                    return Some(Ok(rows));
                }
                Err(error) => return Some(Err(error)),
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Ids up to this one will not be followed by smaller ones.
    fn settled(&self) -> String {
        match self.db.kind() {
            // One writer: what is there was written in its order.
            DbKind::Sqlite => Uuid::max().to_string(),
            DbKind::Postgres => {
                let millis = (self.clock.now_us() - SETTLES_US).max(0).unsigned_abs() / 1_000;
                uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid().to_string()
            }
        }
    }
}
