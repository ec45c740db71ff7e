//! Writes queued lines into the table: by the hundred, or after a while, or at once when somebody looks.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::{
    clock::Clock,
    shutdown::Tasks,
    store::{Db, StoreError, logs::LogRow},
    telemetry::{BATCH, Queue, Queued},
};

/// While somebody looks.
const WATCHED_INTERVAL: Duration = Duration::from_secs(1);
/// The longest that the last write may take.
const LAST: Duration = Duration::from_secs(2);
/// After a failure.
const RETRY: Duration = Duration::from_secs(2);

/// The writer of one process.
pub struct Writer {
    db: Db,
    queue: Arc<Queue>,
    clock: Clock,
    interval: Duration,
    /// Ids rise even within a millisecond, so that who follows the table by id misses nothing.
    ids: Mutex<ContextV7>,
}

impl Writer {
    pub fn new(db: Db, queue: Arc<Queue>, clock: Clock, interval: Duration) -> Self {
        Self { db, queue, clock, interval, ids: Mutex::new(ContextV7::new()) }
    }

    /// Writes until the process stops, and then what is left.
    pub async fn run(&self, tasks: &Tasks) {
        let stop = tasks.token();
        let mut failing = false;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.is_due() => {}
            }
            let written = match stop.is_cancelled() {
                false => self.flush().await,
                // These lines are on standard error, too.
                true => tokio::time::timeout(LAST, self.flush()).await.unwrap_or(Ok(())),
            };
            tasks.ran("log writer", &written);
            match written {
                Ok(()) => failing = false,
                Err(error) => {
                    // To standard error only, and once: these lines wait, too.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, waiting = self.queue.len(), "log lines cannot be written; trying again");
                    }
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        }
    }

    async fn is_due(&self) {
        let waited = async {
            let step = self.interval.min(WATCHED_INTERVAL);
            let mut left = self.interval;
            loop {
                tokio::time::sleep(step).await;
                left = left.saturating_sub(step);
                if left.is_zero() || self.queue.is_watched() {
                    return;
                }
            }
        };
        tokio::select! {
            () = waited => {}
            () = self.queue.batch() => {}
        }
    }

    /// Writes everything that waits.
    pub async fn flush(&self) -> Result<(), StoreError> {
        loop {
            let mut batch = self.queue.take(BATCH);
            if batch.is_empty() {
                match self.queue.take_dropped() {
                    0 => return Ok(()),
                    dropped => self.tell(dropped),
                }
                continue;
            }
            self.name(&mut batch);
            let rows: Vec<&LogRow> = batch.iter().map(|(_, row)| row).collect();
            match self.db.insert_logs(&rows).await {
                Ok(()) => {}
                // A line that the database refuses must not hold up the others.
                Err(StoreError::Invalid { what }) if batch.len() == 1 => {
                    tracing::warn!(what, "a log line cannot be stored");
                }
                Err(StoreError::Invalid { .. }) => {
                    for row in rows {
                        if let Err(error) = self.db.insert_logs(&[row]).await {
                            tracing::warn!(%error, "a log line cannot be stored");
                        }
                    }
                }
                Err(error) => {
                    self.queue.put_back(batch);
                    return Err(error);
                }
            }
        }
    }

    /// What is missing does not go unsaid.
    fn tell(&self, dropped: u64) {
        self.queue.push(LogRow {
            time_us: self.clock.now_us(),
            level: "WARN".to_owned(),
            message: format!("{dropped} log lines were dropped: they came faster than they could be written"),
            component: "logs".to_owned(),
            metadata: serde_json::json!({ "dropped": dropped }),
            ..LogRow::default()
        });
    }

    fn name(&self, batch: &mut [Queued]) {
        let now = self.clock.now_us().unsigned_abs();
        let nanos = u32::try_from(now % 1_000_000 * 1_000).unwrap_or(0);
        let ids = self.ids.lock();
        for (_, row) in batch {
            row.log_id = Uuid::new_v7(Timestamp::from_unix(&*ids, now / 1_000_000, nanos)).to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Page, logs::LogFilter, testing};

    fn row(level: &str, message: &str, time_us: i64) -> LogRow {
        LogRow {
            time_us,
            level: level.to_owned(),
            message: message.to_owned(),
            component: "test".to_owned(),
            metadata: serde_json::json!({}),
            ..LogRow::default()
        }
    }

    #[tokio::test]
    async fn a_full_batch_is_written_at_once_and_the_rest_at_the_stop() {
        testing::each_db(|db| async move {
            let queue = Arc::new(Queue::new(1_000));
            let hour = Duration::from_secs(3_600);
            let writer = Writer::new(db.clone(), queue.clone(), Clock::system(), hour);
            let tasks = Tasks::new(Clock::system());
            let running = tokio::spawn({
                let tasks = tasks.clone();
                async move { writer.run(&tasks).await }
            });
            let all = async || {
                let page = db.list_logs(&LogFilter::default(), &Page::first(500)).await.unwrap();
                page.rows.into_iter().map(|row| row.message).collect::<Vec<_>>()
            };
            for n in 0..BATCH {
                queue.push(row("INFO", &format!("{n:03}"), n as i64));
            }
            while all().await.len() < BATCH {
                tokio::task::yield_now().await;
            }
            queue.push(row("ERROR", "last", 1_000));
            tasks.stop();
            running.await.unwrap();
            let lines = all().await;
            assert_eq!((lines.len(), lines[0].as_str(), lines[1].as_str()), (BATCH + 1, "last", "099"));
            // Ids rise in the order of writing.
            let written = db.follow_logs(&LogFilter::default(), "", "z", 500).await.unwrap();
            assert!(written.is_sorted_by(|a, b| a.log_id < b.log_id && a.time_us < b.time_us));
        })
        .await;
    }

    #[tokio::test]
    async fn what_cannot_be_written_waits_in_its_place() {
        testing::each_db(|db| async move {
            let queue = Arc::new(Queue::new(3));
            for (n, level) in ["INFO", "ERROR", "INFO", "WARN"].into_iter().enumerate() {
                queue.push(row(level, &n.to_string(), n as i64));
            }
            let writer = Writer::new(db.clone(), queue.clone(), Clock::fixed(10), Duration::from_secs(1));
            writer.flush().await.unwrap();
            let page = db.list_logs(&LogFilter::default(), &Page::first(10)).await.unwrap();
            let lines: Vec<_> = page.rows.iter().map(|row| row.message.as_str()).collect();
            assert!(lines[0].starts_with("1 log lines were dropped"), "{lines:?}");
            assert_eq!(lines[1..], ["3", "2", "1"]);
            db.close().await;
            queue.push(row("ERROR", "first", 20));
            queue.push(row("INFO", "second", 21));
            assert!(matches!(writer.flush().await, Err(StoreError::Unavailable(_))));
            let waiting: Vec<_> = queue.take(10).into_iter().map(|(_, row)| row.message).collect();
            assert_eq!(waiting, ["first", "second"]);
        })
        .await;
    }
}
