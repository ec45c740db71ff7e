//! Records of finished calls on their way to the database: a bounded queue and one writer that commits them in groups.
//! A place in the queue is taken before a call begins, so a full queue slows callers and never loses a record.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    services::{limits::Held, logs},
    settings::{self, Settings},
    shutdown::Tasks,
    store::{self, Db, StoreError, requests::RequestRecord, usage::DAY_US},
};

/// The way in.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Entry>,
}

/// A record, and what limits keep for its call until it is written.
struct Entry(RequestRecord, Option<Held>);

/// A place in the queue that is held for one call.
pub struct Slot(mpsc::OwnedPermit<Entry>);

impl Slot {
    /// Hands the record over; never waits.
    pub fn send(self, record: RequestRecord, held: Option<Held>) {
        drop(self.0.send(Entry(record, held)));
    }
}

impl Recorder {
    /// Starts the writer. It ends when every `Recorder` and `Slot` is gone, after it has written everything.
    pub fn start(db: Db, settings: &settings::Recording, tasks: &Tasks) -> Self {
        let (queue, records) = mpsc::channel(settings.queue);
        let writer = Writer { db, records, batch: settings.batch, interval: settings.flush_interval };
        tasks.spawn(writer.run());
        Self { queue }
    }

    /// Takes a place, and waits for one while the queue is full. `None` once the writer is gone.
    pub async fn reserve(&self) -> Option<Slot> {
        self.queue.clone().reserve_owned().await.ok().map(Slot)
    }
}

struct Writer {
    db: Db,
    records: mpsc::Receiver<Entry>,
    batch: usize,
    interval: Duration,
}

impl Writer {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(self.batch);
        // The first record of a batch opens it; it is written when it is full or when the interval is over.
        while let Some(first) = self.records.recv().await {
            batch.push(first);
            let until = tokio::time::Instant::now() + self.interval;
            while batch.len() < self.batch {
                let room = self.batch - batch.len();
                match tokio::time::timeout_at(until, self.records.recv_many(&mut batch, room)).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            let (records, held): (Vec<_>, Vec<_>) = batch.drain(..).map(|Entry(record, held)| (record, held)).unzip();
            self.write(&records).await;
            drop(held);
        }
    }

    /// Writes until it succeeds: meanwhile the queue fills, and callers wait.
    async fn write(&self, batch: &[RequestRecord]) {
        let mut wait = Duration::from_millis(100);
        loop {
            match self.try_write(batch).await {
                Ok(()) => return,
                // The database refuses a value and always will: the others must not wait for it.
                Err(error @ StoreError::Invalid { .. }) => match batch {
                    [record] => {
                        tracing::error!(%error, request_id = record.log.request_id, "a record cannot be stored");
                        return;
                    }
                    batch => {
                        for record in batch.chunks(1) {
                            Box::pin(self.write(record)).await;
                        }
                        return;
                    }
                },
                Err(error) => {
                    tracing::error!(%error, records = batch.len(), "cannot write the request log; trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    async fn try_write(&self, batch: &[RequestRecord]) -> Result<(), StoreError> {
        self.db.insert_requests(batch).await?;
        let mut used: HashMap<&str, i64> = HashMap::new();
        for record in batch {
            if let Some(key) = &record.log.key_id {
                let last = used.entry(key).or_default();
                *last = (*last).max(record.log.created_us);
            }
        }
        self.db.touch_api_keys(used.into_iter().map(|(key, at)| (key.to_owned(), at)).collect()).await
    }
}

/// Deletes every hour what is older than its retention, until the process stops.
pub async fn retain(db: Db, clock: Clock, settings: Arc<Settings>, tasks: Tasks) {
    let stop = tasks.token();
    let mut hourly = tokio::time::interval(Duration::from_secs(3600));
    loop {
        tokio::select! {
            _ = stop.cancelled() => return,
            _ = hourly.tick() => {}
        }
        if let Err(error) = sweep(&db, clock.now_us(), &settings).await {
            tracing::warn!(%error, "cannot delete old records; the next hour tries again");
        }
    }
}

/// Small batches: a sweep of millions must not hold up the writer.
async fn sweep(db: &Db, now_us: i64, settings: &Settings) -> Result<(), StoreError> {
    const BATCH: i64 = 1_000;
    let before = |days: u32| now_us - i64::from(days) * DAY_US;
    let log_before = before(settings.recording.log_retention_days);
    let usage_before = before(settings.recording.usage_retention_days);
    while db.delete_expired_contents(now_us, BATCH).await? > 0 {}
    while db.delete_requests_before(log_before, BATCH).await? > 0 {}
    while db.delete_usage_before(usage_before, BATCH).await? > 0 {}
    // A chart of two days shows minutes, one of a quarter hours.
    for (grain, before) in [("minute", before(2)), ("hour", before(90)), ("day", usage_before)] {
        while db.delete_rollups_before(grain, before).await? > 0 {}
    }
    logs::delete_before(db, before(settings.log.retention_days)).await?;
    db.delete_usage_days_before(usage_before.div_euclid(DAY_US)).await?;
    db.delete_expired_sign_ins(now_us).await?;
    db.purge_things(now_us - store::things::UNDO_US).await?;
    Ok(())
}
