//! The few statements that cannot be one text.

use super::Db;

/// The same statement for both databases.
pub struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl Sql {
    /// The text for this database.
    pub fn of(&self, db: &Db) -> &'static str {
        match db {
            Db::Sqlite(_) => self.sqlite,
            Db::Postgres(_) => self.postgres,
        }
    }
}

/// Channel on which Postgres tells other servers that the configuration changed. A hint only: the version is the truth.
pub const CONFIG_CHANNEL: &str = "electrons_config";

/// `$1` is the time. The row lock orders concurrent changes, so a version that is visible includes all before it.
pub const BUMP_CONFIG_VERSION: Sql = Sql {
    sqlite: "UPDATE settings SET version = version + 1, updated_us = $1 WHERE key = 'config_version'",
    postgres: "WITH bumped AS (UPDATE settings SET version = version + 1, updated_us = $1
                 WHERE key = 'config_version' RETURNING version)
               SELECT version FROM bumped, LATERAL pg_notify('electrons_config', version::text)",
};

/// Puts texts in the order of their bytes, whatever collation the database was set up with.
pub const BY_BYTES: Sql = Sql { sqlite: "", postgres: " COLLATE \"C\"" };

/// Behind `json ->> name`: the value is true.
pub const IS_TRUE: Sql = Sql { sqlite: "= 1", postgres: "= 'true'" };

/// Channel on which replicas on Postgres ask each other for what is left of a limit.
pub const REPLICA_CHANNEL: &str = "electrons_limits";
