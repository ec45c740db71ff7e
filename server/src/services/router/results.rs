//! Writes how executions ended: all that came in meanwhile, in one transaction.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Inner, kinds::Failure};
use crate::{
    shutdown::Tasks,
    store::jobs::{Ending, Guard},
};

/// Most changes in one transaction.
const BATCH: usize = 500;
/// Running jobs have so long to end by themselves when the process stops.
pub(super) const GRACE: Duration = Duration::from_secs(5);

pub async fn keep(inner: Arc<Inner>, tasks: Tasks) {
    let mut ended = inner.ended.lock().await;
    let stop = tasks.token();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            count = ended.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                write(&inner, &tasks, &mut batch).await;
            }
            () = stopped(&inner, &tasks), if stop.is_cancelled() => return,
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
    }
}

/// Done once nothing runs any more, or it is too late to wait.
async fn stopped(inner: &Inner, tasks: &Tasks) {
    let latest = tasks.stopped().await + GRACE + Duration::from_secs(2);
    while Instant::now() < latest && !inner.running.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Writes a batch; while the database is away it waits, and with it the jobs, whose leases may pass meanwhile.
async fn write(inner: &Inner, tasks: &Tasks, batch: &mut Vec<Ending>) {
    let mut wait = Duration::from_millis(50);
    loop {
        let written = inner.db.finish_jobs(batch).await;
        tasks.ran("job results", &written);
        match written {
            Ok(held) => {
                let late = batch.iter().filter(|ending| !held.contains(&ending.job_id)).count();
                if late > 0 {
                    tracing::warn!(late, "results came after their jobs had gone to others");
                }
                break;
            }
            Err(error) if !error.is_passing() => {
                // One of them cannot be written; the others can.
                tracing::error!(%error, "results cannot be written together");
                for ending in std::mem::take(batch) {
                    write_one(inner, ending).await;
                }
                inner.wake.notify_one();
                return;
            }
            Err(error) => tracing::warn!(%error, "results wait for the database"),
        }
        if tokio::time::timeout(wait, tasks.stopped()).await.is_ok() && inner.is_too_late(tasks).await {
            break;
        }
        wait = (wait * 2).min(Duration::from_secs(2));
    }
    inner.let_go(batch);
    batch.clear();
    inner.tell();
    inner.wake.notify_one();
}

/// Writes one result. What the database does not take at all ends its job as failed.
async fn write_one(inner: &Inner, mut ending: Ending) {
    if let Err(error) = inner.db.finish_jobs(std::slice::from_ref(&ending)).await {
        tracing::error!(job = ending.job_id, %error, "a result cannot be written");
        let failure = Failure::lasting("unstorable", "the result cannot be stored");
        ending.deliverable = None;
        ending.outbox.clear();
        ending.jobs.clear();
        ending.events.clear();
        if let Some(request) = &mut ending.request {
            request.status = "failed".to_owned();
            request.result = None;
            request.error_class = Some(failure.class.clone());
            request.error_message = Some(failure.message.clone());
            request.completed_us.get_or_insert_with(|| inner.now_us());
        }
        ending.then = crate::store::jobs::Then::Over;
        if let Err(error) = inner.db.finish_jobs(std::slice::from_ref(&ending)).await {
            tracing::error!(job = ending.job_id, %error, "nor can its failure");
        }
    }
    inner.let_go(std::slice::from_ref(&ending));
}

impl Inner {
    /// These are not ours any more.
    pub(super) fn let_go(&self, endings: &[Ending]) {
        let mut running = self.running.lock();
        for ending in endings.iter().filter(|ending| ending.guard == Guard::Held) {
            if running.get(&ending.job_id).is_some_and(|job| job.epoch == ending.epoch) {
                running.remove(&ending.job_id);
            }
        }
    }

    async fn is_too_late(&self, tasks: &Tasks) -> bool {
        tasks.stopped().await.elapsed() > GRACE + Duration::from_secs(1)
    }
}
