//! Log rows on their way to the table. Bounded, and nobody ever waits for it: when it is full, the oldest of what matters
//! least gives way, and is counted.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::logs::LogRow;

/// Rows in one write.
pub const BATCH: usize = 100;

/// A row and its turn.
pub type Queued = (u64, LogRow);

/// Rows that wait.
pub struct Queue {
    rows: Mutex<Rows>,
    capacity: usize,
    dropped: AtomicU64,
    /// Who looks at rows as they come; while there is somebody, they are written sooner.
    watchers: AtomicUsize,
    batch_is_full: Notify,
}

#[derive(Default)]
struct Rows {
    /// DEBUG and INFO: these give way first.
    quiet: VecDeque<Queued>,
    /// WARN and ERROR.
    loud: VecDeque<Queued>,
    next: u64,
}

impl Rows {
    fn len(&self) -> usize {
        self.quiet.len() + self.loud.len()
    }

    fn lane(&mut self, row: &LogRow) -> &mut VecDeque<Queued> {
        if matches!(row.level.as_str(), "WARN" | "ERROR") { &mut self.loud } else { &mut self.quiet }
    }

    /// Makes the queue fit; how many rows that cost.
    fn shrink(&mut self, capacity: usize) -> u64 {
        let mut dropped = 0;
        while self.len() > capacity && (self.quiet.pop_front().is_some() || self.loud.pop_front().is_some()) {
            dropped += 1;
        }
        dropped
    }
}

/// Somebody looks; until it is dropped.
pub struct Watch<'a>(&'a Queue);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    pub fn new(capacity: usize) -> Self {
        Self {
            rows: Mutex::default(),
            capacity: capacity.max(1),
            dropped: AtomicU64::new(0),
            watchers: AtomicUsize::new(0),
            batch_is_full: Notify::new(),
        }
    }

    /// Adds a row; never waits.
    pub fn push(&self, row: LogRow) {
        let (full, dropped) = {
            let mut rows = self.rows.lock();
            let turn = rows.next;
            rows.next += 1;
            rows.lane(&row).push_back((turn, row));
            let dropped = rows.shrink(self.capacity);
            (rows.len() >= BATCH, dropped)
        };
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        if full {
            self.batch_is_full.notify_one();
        }
    }

    /// Takes the oldest rows, in their order.
    pub fn take(&self, most: usize) -> Vec<Queued> {
        let mut rows = self.rows.lock();
        let mut taken = Vec::with_capacity(most.min(rows.len()));
        while taken.len() < most {
            let turn = |lane: &VecDeque<Queued>| lane.front().map_or(u64::MAX, |(turn, _)| *turn);
            let next = if turn(&rows.quiet) < turn(&rows.loud) { &mut rows.quiet } else { &mut rows.loud };
            match next.pop_front() {
                Some(row) => taken.push(row),
                None => break,
            }
        }
        taken
    }

    /// Puts rows that could not be written back in front.
    pub fn put_back(&self, taken: Vec<Queued>) {
        let mut rows = self.rows.lock();
        for (turn, row) in taken.into_iter().rev() {
            rows.lane(&row).push_front((turn, row));
        }
        let dropped = rows.shrink(self.capacity);
        drop(rows);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    /// Rows that wait now.
    pub fn len(&self) -> usize {
        self.rows.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows that had to give way since the last time this was asked.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Done when a whole batch waits.
    pub async fn batch(&self) {
        while self.len() < BATCH {
            self.batch_is_full.notified().await;
        }
    }

    /// While the watch is held, rows are written within a second.
    pub fn watch(&self) -> Watch<'_> {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watch(self)
    }

    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(level: &str, message: &str) -> LogRow {
        LogRow { level: level.to_owned(), message: message.to_owned(), ..LogRow::default() }
    }

    fn messages(taken: &[Queued]) -> Vec<&str> {
        taken.iter().map(|(_, row)| row.message.as_str()).collect()
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let queue = Queue::new(10);
        for (level, message) in [("INFO", "a"), ("ERROR", "b"), ("DEBUG", "c"), ("WARN", "d")] {
            queue.push(row(level, message));
        }
        let taken = queue.take(3);
        assert_eq!(messages(&taken), ["a", "b", "c"]);
        queue.push(row("INFO", "e"));
        queue.put_back(taken);
        assert_eq!(messages(&queue.take(10)), ["a", "b", "c", "d", "e"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_matters_least_gives_way() {
        let queue = Queue::new(3);
        for (level, message) in [("ERROR", "a"), ("INFO", "b"), ("DEBUG", "c"), ("WARN", "d"), ("INFO", "e")] {
            queue.push(row(level, message));
        }
        assert_eq!(queue.take_dropped(), 2);
        assert_eq!(messages(&queue.take(10)), ["a", "d", "e"]);
        for message in ["1", "2", "3", "4"] {
            queue.push(row("ERROR", message));
        }
        // Nothing quiet is left to give: the oldest goes; and what is quiet has no place.
        queue.push(row("INFO", "5"));
        assert_eq!(queue.take_dropped(), 2);
        let taken = queue.take(2);
        queue.push(row("ERROR", "6"));
        queue.push(row("ERROR", "7"));
        queue.put_back(taken);
        assert_eq!(messages(&queue.take(10)), ["4", "6", "7"]);
        assert_eq!((queue.take_dropped(), queue.take_dropped()), (2, 0));
    }
}
