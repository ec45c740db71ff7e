//! What the database tells of itself, and which servers use it.

use super::{Db, StoreError, sql::Sql};

/// A row of `replicas`, with what people want to know of a server.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ServerRow {
    pub replica_id: String,
    /// Where it listens.
    pub address: String,
    pub version: String,
    pub started_us: i64,
    /// The last sign of life.
    pub seen_us: i64,
}

const SIZE: Sql = Sql {
    sqlite: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    postgres: "SELECT pg_database_size(current_database())",
};
const MIGRATIONS: &str = "SELECT version, description FROM _sqlx_migrations WHERE success ORDER BY version";
const SERVERS: &str =
    "SELECT replica_id, address, version, started_us, seen_us FROM replicas ORDER BY started_us, replica_id";
const DESCRIBE: &str = "UPDATE replicas SET address = $2, version = $3, started_us = $4 WHERE replica_id = $1";
/// A server that is alone with its file gives its own signs of life, and knows that the others are gone.
const ONLY: [&str; 2] = [
    "DELETE FROM replicas WHERE replica_id <> $1",
    "INSERT INTO replicas (replica_id, seen_us, shared, address, version, started_us) VALUES ($1, $5, false, $2, $3, $4)
     ON CONFLICT (replica_id) DO UPDATE SET seen_us = excluded.seen_us",
];

impl Db {
    /// Bytes that the database takes on its disk.
    pub async fn size(&self) -> Result<i64, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(SIZE.of(self)).fetch_one(c).await)?)
    }

    /// Number and name of the migrations that were applied, oldest first.
    pub async fn migrations(&self) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(MIGRATIONS).fetch_all(c).await)?)
    }

    /// Servers that use the database, and those that did a while ago.
    pub async fn servers(&self) -> Result<Vec<ServerRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(SERVERS).fetch_all(c).await)?)
    }

    /// Tells where a server is. On PostgreSQL the signs of life are given by those who share limits, and nobody is there
    /// before they have met (then it answers false); on SQLite there is only this server.
    pub async fn describe_server(&self, server: &ServerRow) -> Result<bool, StoreError> {
        Ok(match self {
            Db::Sqlite(sqlite) => {
                let mut t = sqlite.write.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::query(ONLY[0]).bind(&server.replica_id).execute(&mut *t).await?;
                bind!(sqlx::query(ONLY[1]), server; replica_id, address, version, started_us, seen_us)
                    .execute(&mut *t)
                    .await?;
                t.commit().await?;
                true
            }
            Db::Postgres(pool) => {
                let update = bind!(sqlx::query(DESCRIBE), server; replica_id, address, version, started_us);
                update.execute(pool).await?.rows_affected() > 0
            }
        })
    }
}
