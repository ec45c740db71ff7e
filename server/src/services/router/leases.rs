//! The worker's signs of life. The answer tells what is still its own, and what somebody wants cancelled.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use super::{Inner, Stopped};
use crate::{shutdown::Tasks, store::StoreError};

pub async fn keep(inner: Arc<Inner>, tasks: Tasks) {
    let every = inner.settings.lease / 3;
    let stop = tasks.token();
    loop {
        let beat = inner.beat().await;
        tasks.ran("job leases", &beat);
        if let Err(error) = beat {
            tracing::warn!(%error, "the leases of running jobs cannot be extended");
        }
        if stop.is_cancelled() && inner.running.lock().is_empty() {
            return;
        }
        let wait = if stop.is_cancelled() { every.min(super::results::GRACE / 5) } else { every };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
        if stop.is_cancelled() && tasks.stopped().await.elapsed() > super::results::GRACE * 2 {
            return;
        }
    }
}

impl Inner {
    pub(super) fn lease_until_us(&self) -> i64 {
        self.now_us() + i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX / 2)
    }

    async fn beat(&self) -> Result<(), StoreError> {
        if let Some(theirs) = self.db.time_us().await? {
            // Times of tests are their own.
            if self.clock.is_system() {
                self.offset_us.store(theirs - self.clock.now_us(), Ordering::Relaxed);
            }
        }
        let before: HashMap<String, i64> =
            self.running.lock().iter().map(|(id, job)| (id.clone(), job.epoch)).collect();
        if before.is_empty() {
            return Ok(());
        }
        let kept = self.db.keep_leases(&self.worker_id, self.lease_until_us()).await?;
        let kept: HashMap<&str, _> = kept.iter().map(|kept| (&*kept.id, kept)).collect();
        let running = self.running.lock();
        for (id, epoch) in before {
            let Some(job) = running.get(&id).filter(|job| job.epoch == epoch) else { continue };
            let why = match kept.get(&*id) {
                Some(kept) if kept.epoch == epoch && kept.cancel_us.is_none() => continue,
                Some(kept) if kept.epoch == epoch => Stopped::Cancelled,
                _ => Stopped::Lost,
            };
            job.why.lock().get_or_insert(why);
            job.stop.cancel();
        }
        Ok(())
    }
}
