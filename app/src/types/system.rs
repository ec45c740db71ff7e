use serde::{Deserialize, Serialize};

/// A surface of the API with what it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceCard {
    pub name: String,
    pub description: String,
    pub endpoints: Vec<Endpoint>,
}

/// A method and path of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    pub method: String,
    /// Parameters in braces: `/v1/models/{id}`.
    pub path: String,
    pub summary: String,
    /// Needs no key.
    pub is_public: bool,
    /// A JSON body that it takes.
    pub example: Option<String>,
}

/// What is running, for operators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemStatus {
    pub version: String,
    /// `development` or `production`.
    pub environment: String,
    /// The address under which callers reach the server.
    pub public_url: String,
    pub started_us: i64,
    pub now_us: i64,
    /// `SQLite 3.50.4` or `PostgreSQL 17.2`.
    pub database: String,
    pub database_bytes: i64,
    /// Version and name of every migration that was applied, newest first.
    pub migrations: Vec<(i64, String)>,
    /// Migrations of this program that the database lacks.
    pub pending: u32,
    /// Version of the configuration that this process works with.
    pub configuration_version: i64,
    pub data_folder: String,
    pub simulation: bool,
    pub log_retention_days: u32,
    pub usage_retention_days: u32,
    /// What the configuration holds: (kind, how many).
    pub counts: Vec<(String, u64)>,
}
