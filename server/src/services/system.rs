//! The state of the platform: this server, its background tasks and queues, the database, the storage, and the other
//! servers on the same database.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use app::types::{DatabaseState, QueueState, ReplicaState, StorageState, SystemState, TaskState};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    catalog::Catalog,
    gateway::Gateway,
    identity::{Caller, Deed, Denied, Place, may},
};
use crate::{
    clock::Clock,
    settings::Settings,
    shutdown::Tasks,
    store::{Db, StoreError, system::ServerRow},
    telemetry::Queue,
};

/// Name of the task that tells where this server is.
const TASK: &str = "replica";
const BEAT: Duration = Duration::from_secs(5);
/// The others have not met this server yet.
const SOON: Duration = Duration::from_millis(500);
/// Who gave no sign for so long is not there.
const LIFE_US: i64 = 20_000_000;
/// How long a measured folder counts as known: with much media it takes a while.
const FOLDER_AGE: Duration = Duration::from_secs(60);
/// Most files that are looked at.
const MOST_FILES: usize = 200_000;

/// Why the state is not shown.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at everything.
#[derive(Clone)]
pub struct System(Arc<Parts>);

struct Parts {
    db: Db,
    catalog: Arc<Catalog>,
    gateway: Gateway,
    clock: Clock,
    settings: Arc<Settings>,
    tasks: Tasks,
    /// Log lines that wait.
    lines: Option<Arc<Queue>>,
    me: ServerRow,
    folder: Mutex<Option<(Instant, StorageState)>>,
}

impl System {
    /// Starts to tell the others where this server is.
    #[expect(clippy::too_many_arguments, reason = "it looks at everything there is")]
    pub fn start(
        db: Db,
        catalog: Arc<Catalog>,
        gateway: Gateway,
        clock: Clock,
        settings: Arc<Settings>,
        tasks: &Tasks,
        lines: Option<Arc<Queue>>,
        address: String,
    ) -> Self {
        let now_us = clock.now_us();
        let me = ServerRow {
            replica_id: gateway.replica_id().to_owned(),
            address,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_us: now_us,
            seen_us: now_us,
        };
        let parts =
            Parts { db, catalog, gateway, clock, settings, tasks: tasks.clone(), lines, me, folder: Mutex::default() };
        let system = Self(Arc::new(parts));
        tasks.keep(TASK, {
            let (db, clock, me, tasks) =
                (system.0.db.clone(), system.0.clock.clone(), system.0.me.clone(), tasks.clone());
            move || beat(db.clone(), clock.clone(), me.clone(), tasks.clone())
        });
        system
    }

    /// For administrators of an organization and of the platform.
    pub async fn state(&self, who: &Caller) -> Result<SystemState, SystemError> {
        may(who, Deed::Administer, Place::Organization(&who.org_id))?;
        let parts = &*self.0;
        let now_us = parts.clock.now_us();
        let migrations = parts.db.migrations().await?;
        Ok(SystemState {
            version: parts.me.version.clone(),
            environment: parts.settings.environment.as_str().to_owned(),
            started_us: parts.me.started_us,
            now_us,
            replica_id: parts.me.replica_id.clone(),
            database: DatabaseState {
                kind: parts.db.kind().as_str().to_owned(),
                size_bytes: parts.db.size().await?.unsigned_abs(),
                migrations: migrations.into_iter().map(|(number, name)| format!("{number:04} {name}")).collect(),
                configuration_version: parts.catalog.snapshot().version,
            },
            storage: self.storage().await,
            tasks: self.tasks(),
            queues: self.queues(),
            replicas: self.replicas(now_us).await?,
        })
    }

    fn tasks(&self) -> Vec<TaskState> {
        let states = self.0.tasks.states().into_iter();
        states
            .map(|task| {
                let (last_error_us, last_error) = task.last_error.unzip();
                TaskState {
                    name: task.name.to_owned(),
                    state: task.phase.as_str().to_owned(),
                    started_us: task.started_us,
                    last_run_us: task.last_run_us,
                    last_error,
                    last_error_us,
                    restarts: task.restarts,
                }
            })
            .collect()
    }

    fn queues(&self) -> Vec<QueueState> {
        let state = |name: &str, (waiting, capacity): (usize, usize)| QueueState {
            name: name.to_owned(),
            waiting: waiting as u64,
            capacity: capacity as u64,
        };
        let lines = self.0.lines.as_ref().map(|lines| state("log lines", (lines.len(), self.0.settings.log.queue)));
        [state("records of calls", self.0.gateway.records_waiting())].into_iter().chain(lines).collect()
    }

    async fn replicas(&self, now_us: i64) -> Result<Vec<ReplicaState>, StoreError> {
        let servers = self.0.db.servers().await?.into_iter();
        Ok(servers
            .map(|server| ReplicaState {
                alive: now_us - server.seen_us < LIFE_US,
                replica_id: server.replica_id,
                address: server.address,
                version: server.version,
                started_us: server.started_us,
                seen_us: server.seen_us,
            })
            .collect())
    }

    /// The data folder, measured a moment ago.
    async fn storage(&self) -> StorageState {
        if let Some((at, known)) = &*self.0.folder.lock()
            && at.elapsed() < FOLDER_AGE
        {
            return known.clone();
        }
        let folder = self.0.settings.storage.data_folder.clone();
        let name = folder.display().to_string();
        let measured = tokio::task::spawn_blocking(move || (size_of(folder.clone()), free_at(&folder))).await;
        let (size_bytes, free_bytes) = measured.unwrap_or_default();
        let state = StorageState { folder: name, size_bytes, free_bytes };
        *self.0.folder.lock() = Some((Instant::now(), state.clone()));
        state
    }
}

async fn beat(db: Db, clock: Clock, mut me: ServerRow, tasks: Tasks) {
    let stop = tasks.token();
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        me.seen_us = clock.now_us();
        let told = db.describe_server(&me).await;
        tasks.ran(TASK, &told);
        match told {
            Ok(true) => {}
            Ok(false) => beat.reset_after(SOON),
            Err(error) => tracing::warn!(%error, "cannot tell the others where this server is"),
        }
    }
}

/// Bytes of all files below a folder; `None` when there are too many or they cannot be read.
fn size_of(folder: PathBuf) -> Option<u64> {
    let (mut folders, mut bytes, mut files) = (vec![folder], 0, 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).ok()? {
            files += 1;
            // A file may go while it is looked at.
            let Some(about) = entry.ok().and_then(|entry| Some((entry.path(), entry.metadata().ok()?))) else {
                continue;
            };
            match about {
                _ if files > MOST_FILES => return None,
                (path, about) if about.is_dir() => folders.push(path),
                (_, about) => bytes += about.len(),
            }
        }
    }
    Some(bytes)
}

#[cfg(unix)]
fn free_at(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_at(_: &Path) -> Option<u64> {
    None
}
