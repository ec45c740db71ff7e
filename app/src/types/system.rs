use serde::{Deserialize, Serialize};

/// The state of the server that answers, and of what it shares with others. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemState {
    pub version: String,
    pub environment: String,
    pub started_us: i64,
    pub now_us: i64,
    pub replica_id: String,
    pub database: DatabaseState,
    pub storage: StorageState,
    pub tasks: Vec<TaskState>,
    pub queues: Vec<QueueState>,
    /// Servers on the same database, oldest first.
    pub replicas: Vec<ReplicaState>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// `sqlite` or `postgres`.
    pub kind: String,
    pub size_bytes: u64,
    /// Names of the migrations that were applied, oldest first.
    pub migrations: Vec<String>,
    pub configuration_version: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StorageState {
    pub folder: String,
    /// What the folder holds; `None` when it could not be read.
    pub size_bytes: Option<u64>,
    /// What its disk still has room for.
    pub free_bytes: Option<u64>,
}

/// A background task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskState {
    pub name: String,
    /// `running`, `ended` or `restarting`.
    pub state: String,
    pub started_us: i64,
    /// The last time it said that it did its work.
    pub last_run_us: Option<i64>,
    pub last_error: Option<String>,
    pub last_error_us: Option<i64>,
    pub restarts: u64,
}

/// Work that waits in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueState {
    pub name: String,
    pub waiting: u64,
    pub capacity: u64,
}

/// A server on this database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaState {
    pub replica_id: String,
    pub address: String,
    pub version: String,
    pub started_us: i64,
    pub seen_us: i64,
    /// It was seen a moment ago.
    pub alive: bool,
}
