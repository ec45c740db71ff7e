//! What a database tells about itself.

use super::{
    Db, DbKind, MIGRATIONS, StoreError,
    sql::{DATABASE_BYTES, DATABASE_VERSION},
};

/// Version, size and schema of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// `SQLite 3.50.4` or `PostgreSQL 17.2`.
    pub version: String,
    pub bytes: i64,
    /// Version and name of each applied migration, newest first.
    pub migrations: Vec<(i64, String)>,
    /// Migrations of this program that were not applied.
    pub pending: usize,
}

impl Db {
    pub async fn facts(&self) -> Result<DatabaseFacts, StoreError> {
        let (version,): (String,) = db!(self, |c| sqlx::query_as(DATABASE_VERSION.of(self)).fetch_one(c).await)?;
        let (bytes,): (i64,) = db!(self, |c| sqlx::query_as(DATABASE_BYTES.of(self)).fetch_one(c).await)?;
        let migrations: Vec<(i64, String)> = db!(self, |c| {
            sqlx::query_as("SELECT version, description FROM _sqlx_migrations WHERE success ORDER BY version DESC")
                .fetch_all(c)
                .await
        })?;
        let name = match self.kind() {
            DbKind::Sqlite => "SQLite",
            DbKind::Postgres => "PostgreSQL",
        };
        let pending =
            MIGRATIONS.iter().filter(|known| !migrations.iter().any(|(version, _)| *version == known.version)).count();
        Ok(DatabaseFacts { version: format!("{name} {version}"), bytes, migrations, pending })
    }
}

#[cfg(test)]
mod tests {
    use crate::store::testing::each_db;

    #[tokio::test]
    async fn a_database_tells_what_it_is() {
        each_db(|db| async move {
            let facts = db.facts().await.unwrap();
            assert!(facts.version.starts_with("SQLite 3.") || facts.version.starts_with("PostgreSQL "), "{facts:?}");
            assert!(facts.bytes > 0 && facts.pending == 0, "{facts:?}");
            assert_eq!(facts.migrations.last().map(|(version, name)| (*version, name.as_str())), Some((1, "init")));
        })
        .await;
    }
}
