//! The queues: how deep, how old, how fast; closed and opened by people; and the upkeep that measures them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;

use super::{Inner, Router, RouterError};
use crate::{
    services::identity::{Caller, Deed, Place, may},
    shutdown::Tasks,
    store::{
        StoreError,
        jobs::{GateRow, QueueRow},
    },
};

const EVERY: Duration = Duration::from_secs(5);
const DAY_US: i64 = 86_400_000_000;
/// Requests that are deleted for their age at a time.
const OLD: i64 = 500;

/// One provider's queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueState {
    pub queue: String,
    pub waiting: i64,
    pub running: i64,
    pub completed_today: i64,
    pub failed_today: i64,
    pub mean_ms: i64,
    /// How long the oldest waits.
    pub oldest_s: Option<i64>,
    pub last_completion_us: Option<i64>,
    pub sampled_us: i64,
    pub models: Vec<QueueRow>,
    /// What keeps it, or part of it, from starting.
    pub gates: Vec<GateRow>,
}

/// What to close: nothing named means all of it.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    pub queue: Option<String>,
    pub tenant: Option<String>,
    pub model: Option<String>,
    /// What runs goes on; `true` also keeps new work out of the way of a stop for maintenance: it is shown as drained.
    pub is_drain: bool,
    pub reason: String,
    pub until_us: Option<i64>,
}

impl Router {
    /// Every queue of the deployment, for those who administer it; for others what concerns their instance.
    pub async fn queues(&self, caller: &Caller) -> Result<Vec<QueueState>, RouterError> {
        may(caller, Deed::Read, caller.place())?;
        let now_us = self.0.now_us();
        let is_all = may(caller, Deed::Administer, Place::Platform).is_ok();
        let gates = self.0.db.gates(now_us).await?;
        let concerns =
            |gate: &GateRow| is_all || gate.tenant.as_ref().is_none_or(|tenant| *tenant == caller.instance.id);
        let mut queues: BTreeMap<String, QueueState> = BTreeMap::new();
        for row in self.0.db.queue_stats().await? {
            let queue = queues.entry(row.provider.clone()).or_insert_with(|| QueueState::empty(&row.provider));
            queue.add(row, now_us);
        }
        for gate in gates.iter().filter(|gate| concerns(gate)) {
            match &gate.queue {
                Some(name) => {
                    let queue = queues.entry(name.clone()).or_insert_with(|| QueueState::empty(name));
                    queue.gates.push(gate.clone());
                }
                None => queues.values_mut().for_each(|queue| queue.gates.push(gate.clone())),
            }
        }
        Ok(queues.into_values().collect())
    }

    /// Keeps jobs from starting, until somebody opens it again or the time comes. One instance's own work may be held by
    /// those who administer it, a whole provider by those who run the platform.
    pub async fn close(&self, caller: &Caller, actor_name: &str, closing: Closing) -> Result<GateRow, RouterError> {
        self.may_close(caller, closing.tenant.as_deref())?;
        if closing.queue.is_none() && closing.tenant.is_none() && closing.model.is_none() {
            let message = "name a queue, an instance or a model".to_owned();
            return Err(RouterError::Invalid { field: "queue", message });
        }
        let gate = GateRow {
            id: self.0.clock.new_id().to_string(),
            queue: closing.queue,
            tenant: closing.tenant,
            model: closing.model,
            kind: if closing.is_drain { "drain" } else { "pause" }.to_owned(),
            reason: closing.reason.chars().take(500).collect(),
            until_us: closing.until_us,
            actor_name: actor_name.to_owned(),
            created_us: self.0.now_us(),
        };
        self.0.db.close_gate(&gate).await?;
        Ok(gate)
    }

    /// Opens what was closed, by a person or by a limit.
    pub async fn open(&self, caller: &Caller, gate_id: &str) -> Result<(), RouterError> {
        let gates = self.0.db.gates(self.0.now_us()).await?;
        let gate = gates.into_iter().find(|gate| gate.id == gate_id).ok_or(RouterError::NotFound)?;
        self.may_close(caller, gate.tenant.as_deref())?;
        self.0.db.open_gate(gate_id).await?;
        self.0.wake.notify_one();
        Ok(())
    }

    fn may_close(&self, caller: &Caller, tenant: Option<&str>) -> Result<(), RouterError> {
        match tenant {
            Some(instance_id) => {
                let org_id = self.organization(instance_id)?;
                may(caller, Deed::Administer, Place::Instance { org_id: &org_id, instance_id })?;
            }
            None => may(caller, Deed::Administer, Place::Platform)?,
        }
        Ok(())
    }
}

impl QueueState {
    fn empty(name: &str) -> Self {
        Self {
            queue: name.to_owned(),
            waiting: 0,
            running: 0,
            completed_today: 0,
            failed_today: 0,
            mean_ms: 0,
            oldest_s: None,
            last_completion_us: None,
            sampled_us: 0,
            models: Vec::new(),
            gates: Vec::new(),
        }
    }

    fn add(&mut self, row: QueueRow, now_us: i64) {
        let done = self.completed_today + row.completed_today;
        if done > 0 {
            let spent = self.mean_ms * self.completed_today + row.avg_processing_time_ms * row.completed_today;
            self.mean_ms = spent / done;
        }
        self.waiting += row.queued_count;
        self.running += row.processing_count;
        self.completed_today = done;
        self.failed_today += row.failed_today;
        let age = row.oldest_waiting_us.map(|since| (now_us - since).max(0) / 1_000_000);
        self.oldest_s = self.oldest_s.max(age);
        self.last_completion_us = self.last_completion_us.max(row.last_completion_us);
        self.sampled_us = self.sampled_us.max(row.updated_us);
        self.models.push(row);
    }
}

/// Samples the queues, deletes what is too old, and goes on with operations on many requests.
pub async fn keep(inner: Arc<Inner>, tasks: Tasks) {
    let stop = tasks.token();
    while !stop.is_cancelled() {
        let round = inner.upkeep().await;
        tasks.ran("job upkeep", &round);
        let has_more = match round {
            Ok(has_more) => has_more,
            Err(error) => {
                tracing::warn!(%error, "the queues cannot be looked after");
                false
            }
        };
        let wait = if has_more { Duration::ZERO } else { EVERY.mul_f64(0.8 + inner.clock.fraction() * 0.4) };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = inner.bulk.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}

impl Inner {
    /// One round; whether there is more to do at once.
    async fn upkeep(&self) -> Result<bool, StoreError> {
        let more = self.advance_bulk().await?;
        let now_us = self.now_us();
        // While an operation goes on, queues are sampled no more often than otherwise.
        if !more || now_us - self.sampled_us.load(std::sync::atomic::Ordering::Relaxed) > 5_000_000 {
            self.sampled_us.store(now_us, std::sync::atomic::Ordering::Relaxed);
            self.sample(now_us).await?;
            self.db.forget_gates(now_us).await?;
            let days = i64::from(self.settings.retention_days);
            let deleted = self.db.delete_old_work(now_us - days * DAY_US, OLD).await?;
            return Ok(more || deleted > 0);
        }
        Ok(more)
    }

    async fn sample(&self, now_us: i64) -> Result<(), StoreError> {
        let today_us = now_us - now_us.rem_euclid(DAY_US);
        let mut rows: BTreeMap<(String, String), QueueRow> = BTreeMap::new();
        for row in self.db.queue_stats().await? {
            let key = (row.provider.clone(), row.model.clone().unwrap_or_default());
            let kept = QueueRow {
                queued_count: 0,
                processing_count: 0,
                completed_today: 0,
                failed_today: 0,
                avg_processing_time_ms: row.avg_processing_time_ms,
                oldest_waiting_us: None,
                updated_us: now_us,
                ..row
            };
            rows.insert(key, kept);
        }
        let fresh = |provider: &str, model: &str| QueueRow {
            id: self.clock.new_id().to_string(),
            provider: provider.to_owned(),
            model: Some(model.to_owned()),
            queued_count: 0,
            processing_count: 0,
            completed_today: 0,
            failed_today: 0,
            avg_processing_time_ms: 0,
            oldest_waiting_us: None,
            last_request_us: None,
            last_completion_us: None,
            updated_us: now_us,
        };
        for live in self.db.live_jobs().await? {
            let row =
                rows.entry((live.queue.clone(), live.model.clone())).or_insert_with(|| fresh(&live.queue, &live.model));
            match live.state.as_str() {
                "waiting" => {
                    row.queued_count += live.count;
                    row.oldest_waiting_us = live.oldest_us;
                }
                "scheduled" => row.queued_count += live.count,
                _ => row.processing_count += live.count,
            }
            row.last_request_us = row.last_request_us.max(live.newest_us);
        }
        for ended in self.db.ended_since(today_us).await? {
            let queue = self.catalog.snapshot().provider(&ended.provider).map(|known| known.id.to_string());
            let queue = queue.unwrap_or_else(|| ended.provider.clone());
            let row = rows.entry((queue.clone(), ended.model.clone())).or_insert_with(|| fresh(&queue, &ended.model));
            match ended.status.as_str() {
                "completed" => {
                    row.completed_today += ended.count;
                    row.avg_processing_time_ms = ended.mean_ms.unwrap_or(0);
                }
                "failed" => row.failed_today += ended.count,
                _ => {}
            }
            row.last_completion_us = row.last_completion_us.max(ended.last_us);
        }
        let rows: Vec<QueueRow> = rows.into_values().collect();
        self.db.keep_queue_stats(&rows).await
    }
}
