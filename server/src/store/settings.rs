//! Settings that live in the database, and the version of the configuration.

use serde_json::Value;

use super::{Db, StoreError, found};

/// A row of `settings`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SettingRow {
    pub key: String,
    /// Always an object: a bare number would not come back from SQLite as it was.
    pub value: Value,
    /// How often the row was written.
    pub version: i64,
    pub updated_us: i64,
}

/// Inserts or overwrites a setting inside a transaction.
macro_rules! put {
    ($t:expr, $key:expr, $value:expr, $now_us:expr) => {
        sqlx::query($crate::store::settings::PUT).bind($key).bind($value).bind($now_us).execute(&mut *$t).await?
    };
}
pub(super) use put;

pub(super) const PUT: &str =
    "INSERT INTO settings (key, value, version, created_us, updated_us) VALUES ($1, $2, 1, $3, $3)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = settings.version + 1,
      updated_us = excluded.updated_us";
pub(super) const ALL: &str = "SELECT key, value, version, updated_us FROM settings WHERE key <> 'config_version'";
const GET: &str = "SELECT key, value, version, updated_us FROM settings WHERE key = $1";
const DELETE: &str = "DELETE FROM settings WHERE key = $1 AND key <> 'config_version'";
pub(super) const VERSION: &str = "SELECT version FROM settings WHERE key = 'config_version'";

impl Db {
    /// A setting.
    pub async fn setting(&self, key: &str) -> Result<Option<SettingRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(key).fetch_optional(c).await)?)
    }

    /// Every setting but the configuration version, by key.
    pub async fn list_settings(&self) -> Result<Vec<SettingRow>, StoreError> {
        let mut rows: Vec<SettingRow> = db!(self, |c| sqlx::query_as(ALL).fetch_all(c).await)?;
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(rows)
    }

    /// Writes a setting. Its value must be an object, and `config_version` is not for writing.
    pub async fn put_setting(&self, key: &str, value: &Value, now_us: i64) -> Result<(), StoreError> {
        if !value.is_object() {
            return Err(StoreError::Invalid { what: "a setting's value must be an object".into() });
        }
        if key == "config_version" {
            return Err(StoreError::Invalid { what: "config_version counts by itself".into() });
        }
        change!(self, now_us, |t| {
            put!(t, key, value, now_us);
        });
        Ok(())
    }

    /// Removes a setting.
    pub async fn delete_setting(&self, key: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(key).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// How many changes of configuration the database has seen. Cheap enough to ask every second.
    pub async fn config_version(&self) -> Result<i64, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(VERSION).fetch_one(c).await)?)
    }

    /// Makes every server read the configuration again, after changes that were made by hand.
    pub async fn bump_config_version(&self, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |_t| {});
        Ok(())
    }
}
