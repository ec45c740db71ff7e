//! Records of finished calls on their way to the database: a bounded queue and one writer that commits them in groups.
//! A place in the queue is taken before a call begins, so a full queue slows callers and never loses a record.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::unwritten;
use crate::{
    clock::Clock,
    services::{limits::Held, logs},
    settings::Settings,
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
    pub fn start(db: Db, clock: Clock, settings: &Settings, tasks: &Tasks) -> Self {
        let (queue, records) = mpsc::channel(settings.recording.queue);
        let writer = Arc::new(tokio::sync::Mutex::new(Writer {
            db,
            clock,
            records,
            batch: Vec::new(),
            held: Vec::new(),
            size: settings.recording.batch,
            interval: settings.recording.flush_interval,
            folder: settings.storage.data_folder.clone(),
            tasks: tasks.clone(),
        }));
        tasks.keep(TASK, move || {
            let writer = writer.clone();
            async move { writer.lock().await.run().await }
        });
        Self { queue }
    }

    /// Takes a place, and waits for one while the queue is full. `None` once the writer is gone.
    pub async fn reserve(&self) -> Option<Slot> {
        self.queue.clone().reserve_owned().await.ok().map(Slot)
    }

    /// Places that are taken, and all there are.
    pub fn depth(&self) -> (usize, usize) {
        let all = self.queue.max_capacity();
        (all - self.queue.capacity(), all)
    }
}

/// Name of the writer's task.
const TASK: &str = "recorder";
/// So long a process that stops tries to reach the database; then what waits goes into a file.
const GIVE_UP: Duration = Duration::from_secs(4);

struct Writer {
    db: Db,
    clock: Clock,
    records: mpsc::Receiver<Entry>,
    /// What is being written; a task that is started again begins with it.
    batch: Vec<RequestRecord>,
    held: Vec<Option<Held>>,
    /// Records in one write.
    size: usize,
    interval: Duration,
    /// Where records go when the database is away and the process stops.
    folder: PathBuf,
    tasks: Tasks,
}

impl Writer {
    async fn run(&mut self) {
        while !self.batch.is_empty() || self.gather().await {
            self.write(&self.batch).await;
            self.batch.clear();
            self.held.clear();
        }
    }

    /// The first record of a batch opens it; it is written when it is full or when the interval is over. False at the end.
    async fn gather(&mut self) -> bool {
        let Some(first) = self.records.recv().await else { return false };
        let mut entries = Vec::with_capacity(self.size);
        entries.push(first);
        let until = tokio::time::Instant::now() + self.interval;
        while entries.len() < self.size {
            let room = self.size - entries.len();
            match tokio::time::timeout_at(until, self.records.recv_many(&mut entries, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        for Entry(record, held) in entries {
            self.batch.push(record);
            self.held.push(held);
        }
        true
    }

    /// Writes until it succeeds: meanwhile the queue fills, and callers wait.
    async fn write(&self, batch: &[RequestRecord]) {
        let mut wait = Duration::from_millis(100);
        loop {
            let written = tokio::select! {
                biased;
                written = self.try_write(batch) => written,
                () = self.gave_up() => return self.keep_in_file(batch),
            };
            self.tasks.ran(TASK, &written);
            match written {
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
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.gave_up() => return self.keep_in_file(batch),
                    }
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Done when the process stops and the database had its chance.
    async fn gave_up(&self) {
        let stopped = self.tasks.stopped().await;
        tokio::time::sleep_until(stopped + GIVE_UP).await;
    }

    fn keep_in_file(&self, batch: &[RequestRecord]) {
        let records = batch.len();
        match unwritten::keep(&self.folder, self.clock.now_us(), batch) {
            Ok(file) => tracing::error!(
                records, file = %file.display(),
                "the database is away: records of calls are in a file, and the next start takes them in"
            ),
            Err(error) => tracing::error!(%error, records, "the database is away: records of calls are lost"),
        }
    }

    async fn try_write(&self, batch: &[RequestRecord]) -> Result<(), StoreError> {
        self.db.insert_requests(batch).await.map(drop)
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
        let swept = sweep(&db, clock.now_us(), &settings).await;
        tasks.ran("retention", &swept);
        if let Err(error) = swept {
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
