//! When keys were last used: noted in memory while calls are answered, written a little later.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::Identity;
use crate::{shutdown::Tasks, store::StoreError};

/// How often it is looked whether there is something to write.
const LOOK: Duration = Duration::from_secs(1);
/// Of one key nothing is written more often than this.
const LEAST_US: i64 = 60_000_000;

/// Times of use by key id.
#[derive(Clone, Default)]
pub struct LastUsed(Arc<Mutex<HashMap<String, Use>>>);

struct Use {
    seen_us: i64,
    written_us: Option<i64>,
}

impl LastUsed {
    /// A key was shown.
    pub fn note(&self, key_id: &str, now_us: i64) {
        let mut keys = self.0.lock();
        if let Some(known) = keys.get_mut(key_id) {
            known.seen_us = known.seen_us.max(now_us);
        } else {
            keys.insert(key_id.to_owned(), Use { seen_us: now_us, written_us: None });
        }
    }

    /// What is to be written now: all of it at the end, else what was not written for a while.
    fn take(&self, is_end: bool) -> Vec<(String, i64)> {
        let mut due = Vec::new();
        for (key_id, known) in self.0.lock().iter_mut() {
            let is_due =
                known.written_us.is_none_or(|at| known.seen_us > at && (is_end || known.seen_us - at >= LEAST_US));
            if is_due {
                due.push((key_id.clone(), known.seen_us));
                known.written_us = Some(known.seen_us);
            }
        }
        due
    }

    /// A write failed: it is tried again.
    fn give_back(&self, due: &[(String, i64)]) {
        let mut keys = self.0.lock();
        for (key_id, _) in due {
            if let Some(known) = keys.get_mut(key_id) {
                known.written_us = None;
            }
        }
    }
}

impl Identity {
    /// Writes when keys were last used, until the process stops.
    pub async fn keep_last_used(self, tasks: Tasks) {
        let stop = tasks.token();
        let mut tick = tokio::time::interval(LOOK);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            if let Err(error) = self.write_last_used(false).await {
                tracing::warn!(%error, "cannot note when keys were last used; trying again");
            }
        }
        if let Err(error) = self.write_last_used(true).await {
            tracing::warn!(%error, "cannot note when keys were last used");
        }
    }

    async fn write_last_used(&self, is_end: bool) -> Result<(), StoreError> {
        let due = self.last_used.take(is_end);
        if due.is_empty() {
            return Ok(());
        }
        self.db.touch_api_keys(due.clone()).await.inspect_err(|_| self.last_used.give_back(&due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_a_minute() {
        let used = LastUsed::default();
        used.note("a", 1_000);
        used.note("a", 3_000);
        used.note("a", 2_000);
        assert_eq!(used.take(false), [("a".to_owned(), 3_000)], "the first use at once");
        assert!(used.take(false).is_empty(), "nothing new");
        used.note("a", 3_000 + LEAST_US - 1);
        assert!(used.take(false).is_empty(), "not yet a minute");
        used.note("a", 3_000 + LEAST_US);
        let due = used.take(false);
        assert_eq!(due, [("a".to_owned(), 3_000 + LEAST_US)]);
        used.give_back(&due);
        assert_eq!(used.take(false), due, "a failed write is tried again");
        used.note("a", 4_000 + LEAST_US);
        assert_eq!(used.take(true).len(), 1, "nothing is lost at the end");
    }
}
