//! API keys. The key itself is never stored.

use sqlx::types::Json;

use super::{
    Db, Page, StoreError,
    access::{self, AccessRow},
    audit::{AuditEntry, audit},
    found,
    limits::{self, LimitRow},
};

/// A row of `api_keys`. Exactly one of `user_id` and `project_id` is set.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ApiKeyRow {
    pub key_id: String,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub instance_id: String,
    pub org_id: String,
    pub name: String,
    /// SHA-256 of the key.
    pub key_hash: Vec<u8>,
    /// First 8 characters, `...`, last 4.
    pub masked: String,
    #[sqlx(json)]
    pub scopes: Vec<String>,
    /// Model ids the key may use; `None` is all.
    #[sqlx(json(nullable))]
    pub allowed_models: Option<Vec<String>>,
    pub expires_us: Option<i64>,
    pub last_used_us: Option<i64>,
    pub revoked_us: Option<i64>,
    pub created_us: i64,
    pub deleted_us: Option<i64>,
}

/// A row of `retired_secrets`: what a rotation has replaced.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct RetiredSecretRow {
    pub key_hash: Vec<u8>,
    pub key_id: String,
    pub expires_us: i64,
}

/// What comes into being with a key.
#[derive(Debug, Default)]
pub struct KeyExtras {
    /// The level its person gets, unless they have one there.
    pub access: Option<AccessRow>,
    /// The limit that counts its calls.
    pub limit: Option<LimitRow>,
}

/// Which keys to list; empty fields do not filter. Revoked keys are listed, deleted ones are not.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyFilter {
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
}

macro_rules! columns {
    () => {
        "key_id, user_id, project_id, instance_id, org_id, name, key_hash, masked, scopes, allowed_models, expires_us,
         last_used_us, revoked_us, created_us, deleted_us"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO api_keys (",
    columns!(),
    ", updated_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $14)"
);
/// Keys that could open something, whatever order their owners were deleted and restored in.
pub(super) const ALL_LIVE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_keys
      WHERE revoked_us IS NULL AND deleted_us IS NULL
        AND instance_id IN (SELECT instance_id FROM instances WHERE deleted_us IS NULL)
        AND (user_id IS NULL OR user_id IN (SELECT user_id FROM users WHERE deleted_us IS NULL))
        AND (project_id IS NULL OR project_id IN (SELECT project_id FROM projects WHERE deleted_us IS NULL))"
);
const GET: &str = concat!("SELECT ", columns!(), " FROM api_keys WHERE key_id = $1 AND deleted_us IS NULL");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_keys
      WHERE deleted_us IS NULL AND ($1 IS NULL OR org_id = $1) AND ($2 IS NULL OR instance_id = $2)
        AND ($3 IS NULL OR user_id = $3) AND ($4 IS NULL OR project_id = $4)
        AND ($5 IS NULL OR (created_us, key_id) < ($5, $6))
      ORDER BY created_us DESC, key_id DESC LIMIT $7"
);
const UPDATE: &str = "UPDATE api_keys SET name = $2, scopes = $3, allowed_models = $4, expires_us = $5
                      WHERE key_id = $1 AND deleted_us IS NULL";
pub(super) const ALL_RETIRED: &str = "SELECT key_hash, key_id, expires_us FROM retired_secrets";
/// Locks the row: of two rotations at once, the second retires the secret of the first.
const LOCK: &str =
    "UPDATE api_keys SET updated_us = $2 WHERE key_id = $1 AND revoked_us IS NULL AND deleted_us IS NULL";
const FORGET: &str = "DELETE FROM retired_secrets WHERE key_id = $1";
const RETIRE: &str = "INSERT INTO retired_secrets (key_hash, key_id, expires_us)
                      SELECT key_hash, key_id, $2 FROM api_keys WHERE key_id = $1";
const ROTATE: &str = "UPDATE api_keys SET key_hash = $2, masked = $3 WHERE key_id = $1";
const REVOKE: &str = "UPDATE api_keys SET revoked_us = $2, updated_us = $2
                      WHERE key_id = $1 AND deleted_us IS NULL AND revoked_us IS NULL";
const DELETE: &str = "UPDATE api_keys SET deleted_us = $2, updated_us = $2, revoked_us = COALESCE(revoked_us, $2)
                      WHERE key_id = $1 AND deleted_us IS NULL";
const DELETE_LIMITS: &str = "UPDATE limits SET deleted_us = $2 WHERE key_id = $1 AND deleted_us IS NULL";
/// Days are numbered from 1970; the index on (key, time) holds all that is read.
const CALLS_PER_DAY: &str = "SELECT created_us / 86400000000 AS day, count(*) FROM request_log
                             WHERE key_id = $1 AND created_us >= $2 GROUP BY 1 ORDER BY 1";
const TOUCH: &str = "UPDATE api_keys SET last_used_us = $2
                     WHERE key_id = $1 AND (last_used_us IS NULL OR last_used_us < $2)";

impl Db {
    /// Adds a key and what comes with it.
    pub async fn insert_api_key(
        &self,
        row: &ApiKeyRow,
        extras: &KeyExtras,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            bind!(sqlx::query(INSERT), row;
                  key_id, user_id, project_id, instance_id, org_id, name, key_hash, masked)
            .bind(Json(&row.scopes))
            .bind(row.allowed_models.as_ref().map(Json))
            .bind(row.expires_us)
            .bind(row.last_used_us)
            .bind(row.revoked_us)
            .bind(row.created_us)
            .bind(row.deleted_us)
            .execute(&mut *t)
            .await?;
            if let Some(access) = &extras.access {
                bind!(sqlx::query(access::LET_IN), access; user_id, instance_id, level, granted_us)
                    .execute(&mut *t)
                    .await?;
            }
            if let Some(limit) = &extras.limit {
                limits::insert!(t, limit);
            }
            audit!(t, entry);
        });
        Ok(())
    }

    /// A key that is not deleted; it may be revoked or expired.
    pub async fn api_key(&self, key_id: &str) -> Result<Option<ApiKeyRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(key_id).fetch_optional(c).await)?)
    }

    /// Keys that are not deleted, newest first.
    pub async fn list_api_keys(&self, filter: &ApiKeyFilter, page: &Page) -> Result<Vec<ApiKeyRow>, StoreError> {
        Ok(db!(self, |c| bind!(sqlx::query_as(LIST), filter; org_id, instance_id, user_id, project_id)
            .bind(page.time())
            .bind(page.id())
            .bind(page.limit)
            .fetch_all(c)
            .await)?)
    }

    /// Writes name, scopes, models and expiry.
    pub async fn update_api_key(&self, row: &ApiKeyRow, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            let update = sqlx::query(UPDATE)
                .bind(&row.key_id)
                .bind(&row.name)
                .bind(Json(&row.scopes))
                .bind(row.allowed_models.as_ref().map(Json))
                .bind(row.expires_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Gives a key another secret. The present one works until `until_us`, one that was retired before no longer does.
    /// `NotFound` when there is no such key or it is revoked.
    pub async fn rotate_api_key(
        &self,
        row: &ApiKeyRow,
        until_us: i64,
        now_us: i64,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            let lock = sqlx::query(LOCK).bind(&row.key_id).bind(now_us);
            found(lock.execute(&mut *t).await?.rows_affected())?;
            sqlx::query(FORGET).bind(&row.key_id).execute(&mut *t).await?;
            if until_us > now_us {
                sqlx::query(RETIRE).bind(&row.key_id).bind(until_us).execute(&mut *t).await?;
            }
            bind!(sqlx::query(ROTATE), row; key_id, key_hash, masked).execute(&mut *t).await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// Revokes a key. `NotFound` when there is none or it is revoked already.
    pub async fn revoke_api_key(&self, key_id: &str, now_us: i64, entry: &AuditEntry) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(REVOKE).bind(key_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// Revokes a key and takes it off the lists, with its own limits.
    pub async fn delete_api_key(&self, key_id: &str, now_us: i64, entry: &AuditEntry) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(key_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
            sqlx::query(DELETE_LIMITS).bind(key_id).bind(now_us).execute(&mut *t).await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// How often a key was used on each day since: pairs of day (numbered from 1970) and calls; idle days are left out.
    pub async fn calls_per_day(&self, key_id: &str, since_us: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(CALLS_PER_DAY).bind(key_id).bind(since_us).fetch_all(c).await)?)
    }

    /// Notes when keys were last used: pairs of key id and time. Unknown keys are skipped. Not a change of configuration.
    pub async fn touch_api_keys(&self, mut used: Vec<(String, i64)>) -> Result<(), StoreError> {
        // One order for all servers, or two of them could wait for each other's rows.
        used.sort_unstable();
        tx!(self, |t| {
            for (key_id, last_used_us) in &used {
                sqlx::query(TOUCH).bind(key_id).bind(last_used_us).execute(&mut *t).await?;
            }
        });
        Ok(())
    }
}
