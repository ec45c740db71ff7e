//! Brings back what others left behind: jobs whose worker is gone, and jobs whose time is over. Every process does it; the
//! guards see to it that each job is brought back once.

use std::{sync::Arc, time::Duration};

use super::{
    Inner,
    kinds::{Failure, Outcome, Work},
};
use crate::{
    shutdown::Tasks,
    store::{
        StoreError,
        jobs::{Guard, JobRow},
    },
};

const EVERY: Duration = Duration::from_secs(2);
const BATCH: i64 = 500;
/// Answers to idempotency keys are kept so long.
const ANSWERS_US: i64 = 24 * 3_600_000_000;

pub async fn keep(inner: Arc<Inner>, tasks: Tasks) {
    let stop = tasks.token();
    while !stop.is_cancelled() {
        let swept = inner.sweep().await;
        tasks.ran("job recovery", &swept);
        match swept {
            Ok(0) => {}
            Ok(jobs) => {
                tracing::info!(jobs, "jobs were brought back from lost workers or ended at their deadline");
                inner.tell();
                inner.wake.notify_one();
            }
            Err(error) => tracing::warn!(%error, "lost jobs cannot be looked for"),
        }
        let wait = EVERY.mul_f64(0.75 + inner.clock.fraction() / 2.0);
        let _ = tokio::time::timeout(wait, stop.cancelled()).await;
    }
}

impl Inner {
    /// One round; how many jobs it changed.
    pub(super) async fn sweep(&self) -> Result<usize, StoreError> {
        let now_us = self.now_us();
        let lost = self.db.lost_jobs(now_us, BATCH).await?;
        let mut endings = Vec::new();
        for work in self.works(lost).await? {
            endings.push(self.lost(&work));
        }
        let overdue = self.db.overdue_jobs(now_us, BATCH).await?;
        for work in self.works(overdue).await? {
            let failure = Failure::lasting("deadline", "the deadline passed before it was done");
            endings.push(self.ending_of(&work, Outcome::Failed(failure), Guard::Idle));
        }
        self.db.forget_answers(now_us - ANSWERS_US, BATCH).await?;
        if endings.is_empty() {
            return Ok(0);
        }
        match self.db.finish_jobs(&endings).await {
            Ok(done) => Ok(done.len()),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                // One that cannot be written does not keep the others.
                tracing::error!(%error, "lost jobs cannot be brought back together");
                let mut done = 0;
                for ending in &endings {
                    match self.db.finish_jobs(std::slice::from_ref(ending)).await {
                        Ok(one) => done += one.len(),
                        Err(error) => tracing::error!(job = ending.job_id, %error, "a job cannot be brought back"),
                    }
                }
                Ok(done)
            }
        }
    }

    /// Jobs with their requests.
    pub(super) async fn works(&self, jobs: Vec<JobRow>) -> Result<Vec<Work>, StoreError> {
        let ids: Vec<&str> = jobs.iter().filter_map(|job| job.request_id.as_deref()).collect();
        let mut requests = self.db.requests_of(&ids).await?;
        Ok(jobs
            .into_iter()
            .map(|job| Work { request: job.request_id.as_ref().and_then(|id| requests.remove(id)), job })
            .collect())
    }
}
