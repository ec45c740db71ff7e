//! The configuration in memory: what a new database starts with, what its prices mean, and the snapshot that the hot path
//! reads, which is rebuilt when the configuration changes.

mod build;
pub mod pricing;
pub mod seed;
mod snapshot;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub use build::Environment;
pub use snapshot::{ApiKey, Instance, Level, Model, Organization, PromptTemplate, Provider, Snapshot, User};

use crate::{
    shutdown::Tasks,
    store::{Db, StoreError},
};

/// How often other processes' changes are looked for.
const POLL: Duration = Duration::from_millis(500);

/// Holds the current [`Snapshot`].
pub struct Catalog {
    db: Db,
    environment: Environment,
    current: ArcSwap<Snapshot>,
    /// Held while the configuration is read again, so that an older reading never takes the place of a newer one.
    reading: tokio::sync::Mutex<()>,
}

impl Catalog {
    /// Reads the configuration for the first time.
    pub async fn load(db: Db, environment: Environment) -> Result<Arc<Self>, StoreError> {
        let first = build::snapshot(db.load_configuration().await?, &environment);
        Ok(Arc::new(Self {
            db,
            environment,
            current: ArcSwap::from_pointee(first),
            reading: tokio::sync::Mutex::default(),
        }))
    }

    /// A variable of the process environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.variables.get(name).cloned()
    }

    /// The configuration as it is now. Take it once per call, so that a call sees one state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Reads the configuration again if it has another version. Who changes it calls this, so that the change is in force
    /// when its caller hears of it.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        if self.db.config_version().await? != self.current.load().version {
            let next = build::snapshot(self.db.load_configuration().await?, &self.environment);
            tracing::debug!(version = next.version, "configuration read again");
            self.current.store(Arc::new(next));
        }
        Ok(())
    }

    /// Keeps the snapshot up to date until the process stops. While the database is away the last state stays in force.
    pub async fn keep(self: Arc<Self>, tasks: Tasks) {
        let (stop, news) = (tasks.token(), Notify::new());
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.look(&tasks, &news) => {}
            () = hear(&self.db, &news) => {}
        }
    }

    async fn look(&self, tasks: &Tasks, news: &Notify) {
        loop {
            tokio::select! {
                () = news.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            let refreshed = self.refresh().await;
            tasks.ran("configuration", &refreshed);
            if let Err(error) = refreshed {
                tracing::warn!(%error, "cannot read the configuration; the last one stays in force");
            }
        }
    }
}

/// Passes other servers' hints on. Where there are none, or they are lost, the poll alone brings the news.
async fn hear(db: &Db, news: &Notify) {
    loop {
        match db.config_hints().await {
            Ok(None) => std::future::pending().await,
            Ok(Some(mut hints)) => {
                while hints.next().await.is_ok() {
                    news.notify_one();
                }
            }
            Err(error) => tracing::debug!(%error, "cannot listen for changes of the configuration"),
        }
        tokio::time::sleep(POLL).await;
    }
}
