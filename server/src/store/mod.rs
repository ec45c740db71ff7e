//! All SQL of the product. A row goes in as it is given and comes out as it went in: ids, times and statuses are made by
//! the services.
//!
//! One text serves SQLite and Postgres: `$1` parameters, text ids, microseconds in `BIGINT`, JSON objects in `JSONB`,
//! bytes in `BYTEA`. What differs between them is a pair in [`sql`].
//!
//! To add a table: write the next migration (only `ADD COLUMN` and `RENAME` touch what exists; never edit an old file),
//! add a file here with the row struct and `impl Db`, and test each function with `testing::each_db`.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// A read. The body is expanded once per backend; `$c` is its pool. Both arms must have one type.
macro_rules! db {
    ($db:expr, |$c:ident| $body:expr) => {
        match $db {
            $crate::store::Db::Sqlite(sqlite) => {
                let $c = &sqlite.read;
                $body
            }
            $crate::store::Db::Postgres($c) => $body,
        }
    };
}

/// A write of a single statement outside a transaction.
macro_rules! db_write {
    ($db:expr, |$c:ident| $body:expr) => {
        match $db {
            $crate::store::Db::Sqlite(sqlite) => {
                let $c = &sqlite.write;
                $body
            }
            $crate::store::Db::Postgres($c) => $body,
        }
    };
}

/// A write transaction. SQLite takes its write lock first. An early `?` drops the transaction: it rolls back.
macro_rules! tx {
    ($db:expr, |$t:ident| $body:block) => {
        match $db {
            $crate::store::Db::Sqlite(sqlite) => {
                let mut $t = sqlite.write.begin_with("BEGIN IMMEDIATE").await?;
                let out = $body;
                $t.commit().await?;
                out
            }
            $crate::store::Db::Postgres(pool) => {
                let mut $t = pool.begin().await?;
                let out = $body;
                $t.commit().await?;
                out
            }
        }
    };
}

/// A write transaction that changes what servers keep in memory: the configuration version grows with it.
macro_rules! change {
    ($db:expr, $now_us:expr, |$t:ident| $body:block) => {
        tx!($db, |$t| {
            let out = $body;
            sqlx::query($crate::store::sql::BUMP_CONFIG_VERSION.of($db)).bind($now_us).execute(&mut *$t).await?;
            out
        })
    };
}

/// Binds these fields of a row, in this order.
macro_rules! bind {
    ($query:expr, $row:expr; $($field:ident),+ $(,)?) => {
        $query$(.bind(&$row.$field))+
    };
}

/// Several reads that see one state of the database.
macro_rules! snapshot {
    ($db:expr, |$t:ident| $body:block) => {
        match $db {
            $crate::store::Db::Sqlite(sqlite) => {
                let mut $t = sqlite.read.begin().await?;
                let out = $body;
                $t.commit().await?;
                out
            }
            $crate::store::Db::Postgres(pool) => {
                let mut $t = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                let out = $body;
                $t.commit().await?;
                out
            }
        }
    };
}

pub mod access;
pub mod api_keys;
pub mod audit;
pub mod configuration;
pub mod credentials;
pub mod deliverables;
pub mod error;
pub mod events;
pub mod identities;
pub mod instances;
pub mod jobs;
pub mod limits;
pub mod lock;
pub mod logs;
pub mod model_versions;
pub mod models;
mod nul;
pub mod organizations;
pub mod outbox;
pub mod profiles;
pub mod projects;
pub mod prompts;
pub mod providers;
pub mod requests;
pub mod rollups;
pub mod rows;
pub mod rules;
pub mod seed;
pub mod sessions;
pub mod settings;
pub mod shares;
pub mod sql;
pub mod system;
#[cfg(test)]
pub mod testing;
pub mod things;
pub mod usage;
pub mod users;

pub use configuration::Configuration;
pub use error::StoreError;
pub use lock::{LockError, ServerLock};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// Which database holds the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbKind {
    Sqlite,
    Postgres,
}

impl DbKind {
    /// Lower-case name, for logs and health answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Connection settings.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// Connections of the Postgres pool, or readers of the SQLite file (which always has one writer beside them).
    pub max_connections: u32,
    /// SQLite: sync at each commit, so that a commit survives a power cut and not only a killed process.
    pub full_sync: bool,
    /// How long a query waits for a free connection before it fails as unavailable.
    pub acquire_timeout: Duration,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self { max_connections: 8, full_sync: false, acquire_timeout: Duration::from_secs(10) }
    }
}

/// The pools of a SQLite file: a single writer, so that writers queue here instead of failing as busy, and readers.
#[derive(Debug, Clone)]
pub struct SqliteDb {
    write: SqlitePool,
    read: SqlitePool,
    path: Arc<Path>,
}

/// The database. Cloning shares the pools.
#[derive(Debug, Clone)]
pub enum Db {
    Sqlite(SqliteDb),
    Postgres(PgPool),
}

impl Db {
    /// Opens `postgres://…`, `sqlite:<path>` or a plain path. A SQLite file and its folder are created when absent,
    /// readable by their owner only. Does not migrate.
    pub async fn connect(url: &str, options: &DbOptions) -> Result<Self, StoreError> {
        if is_postgres(url) {
            let connect: PgConnectOptions = url.parse()?;
            let pool = PgPoolOptions::new()
                .max_connections(options.max_connections.max(1))
                .acquire_timeout(options.acquire_timeout)
                .connect_with(connect.application_name("electrons").statement_cache_capacity(512))
                .await?;
            return Ok(Self::Postgres(pool));
        }
        let path = sqlite_path(url);
        if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
            return Err(StoreError::Invalid { what: "a SQLite database must be a file".into() });
        }
        create_private(&path).map_err(|e| StoreError::Unavailable(format!("cannot create {}: {e}", path.display())))?;

        let synchronous = if options.full_sync { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .synchronous(synchronous)
            .statement_cache_capacity(512)
            .pragma("temp_store", "MEMORY");
        let writer = connect
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            // Without a limit the log keeps the size of its busiest moment.
            .pragma("journal_size_limit", "67108864");
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None);
        let write = pool.clone().max_connections(1).connect_with(writer).await?;
        let read = pool
            .max_connections(options.max_connections.max(1))
            .connect_with(connect.pragma("query_only", "ON"))
            .await?;
        Ok(Self::Sqlite(SqliteDb { write, read, path: path.into() }))
    }

    /// Brings the schema up to date. Servers that start together wait for each other.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        db_write!(self, |c| MIGRATIONS.run(c).await).map_err(|e| match e {
            sqlx::migrate::MigrateError::Execute(e) => StoreError::from(e),
            other => StoreError::Other(format!("migration: {other}")),
        })
    }

    /// One round trip, for readiness checks.
    pub async fn ping(&self) -> Result<(), StoreError> {
        db!(self, |c| sqlx::query("SELECT 1").execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Waits for running queries and closes every connection.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.read.close().await;
                sqlite.write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Which database this is.
    pub fn kind(&self) -> DbKind {
        match self {
            Self::Sqlite(_) => DbKind::Sqlite,
            Self::Postgres(_) => DbKind::Postgres,
        }
    }

    /// Claims a SQLite file for this process, until the lock is dropped. `None` on Postgres, which many servers share.
    pub fn lock_exclusive(&self) -> Result<Option<ServerLock>, LockError> {
        match self {
            Self::Sqlite(sqlite) => ServerLock::take(&sqlite.path).map(Some),
            Self::Postgres(_) => Ok(None),
        }
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn sqlite_path(url: &str) -> PathBuf {
    match url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        Some(rest) => rest.split('?').next().unwrap_or(rest).into(),
        None => url.into(),
    }
}

/// SQLite gives its side files the mode of the database file, so that one is made first.
fn create_private(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new();
    file.write(true).create(true).truncate(false);
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        file.mode(0o600);
        folder.mode(0o700);
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        folder.create(parent)?;
    }
    file.open(path).map(drop)
}

/// Where a list goes on: after the row with this time and id. Lists are ordered by (time, id), newest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// `created_us` and id of the last row already seen.
    pub after: Option<(i64, String)>,
    /// Most rows to answer.
    pub limit: i64,
}

impl Page {
    /// The first `limit` rows.
    pub fn first(limit: i64) -> Self {
        Self { after: None, limit }
    }

    /// The rows after the one with this time and id.
    pub fn after(created_us: i64, id: &str, limit: i64) -> Self {
        Self { after: Some((created_us, id.to_owned())), limit }
    }

    fn time(&self) -> Option<i64> {
        self.after.as_ref().map(|a| a.0)
    }

    fn id(&self) -> Option<&str> {
        self.after.as_ref().map(|a| a.1.as_str())
    }
}

/// Part of a list in which something was looked for that no index knows: it looked at so many rows and no more, so it may be
/// short, or empty, and still have a next one.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    pub rows: Vec<T>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<(i64, String)>,
}

/// Most rows that are looked at for one page.
const LOOK_AT: i64 = 10_000;

/// Text that must not show up in logs: password hashes, sealed credentials, what callers said.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Hidden(String);

impl Hidden {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(***)")
    }
}

/// Hidden text in a file that only its owner reads. It has no serialization of its own, so that it is written nowhere by
/// mistake.
mod revealed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Hidden;

    pub fn serialize<S: Serializer>(text: &Option<Hidden>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_ref().map(Hidden::reveal).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hidden>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Hidden::new))
    }
}

/// `NotFound` unless the statement touched a row.
fn found(rows_affected: u64) -> Result<(), StoreError> {
    if rows_affected == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

#[cfg(test)]
pub(crate) mod tests;
