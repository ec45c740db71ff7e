//! Who may do what in which instance.

use super::{
    Db, StoreError,
    audit::{AuditEntry, audit},
    found,
};

/// A row of `user_instance_access`. `level` is `readonly`, `user`, `admin` or `owner`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AccessRow {
    pub user_id: String,
    pub instance_id: String,
    pub level: String,
    pub granted_us: i64,
}

macro_rules! columns {
    () => {
        "user_id, instance_id, level, granted_us"
    };
}

pub(super) const ALL_LIVE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM user_instance_access
      WHERE deleted_us IS NULL AND user_id IN (SELECT user_id FROM users WHERE deleted_us IS NULL)
        AND instance_id IN (SELECT instance_id FROM instances WHERE deleted_us IS NULL)"
);
const OF_USER: &str =
    concat!("SELECT ", columns!(), " FROM user_instance_access WHERE user_id = $1 AND deleted_us IS NULL");
const OF_INSTANCE: &str =
    concat!("SELECT ", columns!(), " FROM user_instance_access WHERE instance_id = $1 AND deleted_us IS NULL");
const GRANT: &str = concat!(
    "INSERT INTO user_instance_access (",
    columns!(),
    ", updated_us) VALUES ($1, $2, $3, $4, $4)
     ON CONFLICT (user_id, instance_id) DO UPDATE SET level = excluded.level, granted_us = excluded.granted_us,
       updated_us = excluded.updated_us, deleted_us = NULL"
);
/// Leaves the level that somebody has.
pub(super) const LET_IN: &str = concat!(
    "INSERT INTO user_instance_access (",
    columns!(),
    ", updated_us) VALUES ($1, $2, $3, $4, $4)
     ON CONFLICT (user_id, instance_id) DO UPDATE SET level = excluded.level, granted_us = excluded.granted_us,
       updated_us = excluded.updated_us, deleted_us = NULL
     WHERE user_instance_access.deleted_us IS NOT NULL"
);
const REVOKE: &str = "DELETE FROM user_instance_access WHERE user_id = $1 AND instance_id = $2";

impl Db {
    /// Grants a level, in place of the one the user had there.
    pub async fn grant_access(&self, row: &AccessRow, entry: &AuditEntry) -> Result<(), StoreError> {
        change!(self, row.granted_us, |t| {
            bind!(sqlx::query(GRANT), row; user_id, instance_id, level, granted_us).execute(&mut *t).await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// Takes a user's access to an instance away.
    pub async fn revoke_access(&self, user_id: &str, instance_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            let revoke = sqlx::query(REVOKE).bind(user_id).bind(instance_id);
            found(revoke.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Every access of a user.
    pub async fn access_of_user(&self, user_id: &str) -> Result<Vec<AccessRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OF_USER).bind(user_id).fetch_all(c).await)?)
    }

    /// Everyone who has access to an instance by name; global admins are not listed.
    pub async fn access_of_instance(&self, instance_id: &str) -> Result<Vec<AccessRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OF_INSTANCE).bind(instance_id).fetch_all(c).await)?)
    }
}
