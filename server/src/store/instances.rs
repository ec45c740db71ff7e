//! Instances: the tenants of an organization that own projects, credentials and limits.

use serde_json::Value;

use super::{Db, Page, StoreError, found};

/// A row of `instances`. `api_keys`, `rate_limits` and `worker_urls` are free JSON and come back as they were given;
/// `config` holds what the product itself reads (`rate_limits` per provider, …).
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct InstanceRow {
    pub instance_id: String,
    pub org_id: String,
    pub name: String,
    pub api_keys: Value,
    pub rate_limits: Value,
    pub worker_urls: Value,
    pub r2_bucket: String,
    pub config: Value,
    /// Whether the request log keeps what was said, and for how many days.
    pub store_contents: bool,
    pub content_retention_days: i64,
    pub created_us: i64,
    pub updated_us: i64,
    pub deleted_us: Option<i64>,
}

macro_rules! columns {
    () => {
        "instance_id, org_id, name, api_keys, rate_limits, worker_urls, r2_bucket, config, store_contents,
         content_retention_days, created_us, updated_us, deleted_us"
    };
}

/// Inserts a row inside a transaction.
macro_rules! insert {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::instances::INSERT), $row;
              instance_id, org_id, name, api_keys, rate_limits, worker_urls, r2_bucket, config, store_contents,
              content_retention_days, created_us, updated_us, deleted_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert;

pub(super) const INSERT: &str =
    concat!("INSERT INTO instances (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
pub(super) const ALL_LIVE: &str = concat!("SELECT ", columns!(), " FROM instances WHERE deleted_us IS NULL");
const GET: &str = concat!("SELECT ", columns!(), " FROM instances WHERE instance_id = $1 AND deleted_us IS NULL");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM instances
      WHERE deleted_us IS NULL AND ($1 IS NULL OR org_id = $1)
        AND ($2 IS NULL OR (created_us, instance_id) < ($2, $3))
      ORDER BY created_us DESC, instance_id DESC LIMIT $4"
);
const UPDATE: &str =
    "UPDATE instances SET name = $2, api_keys = $3, rate_limits = $4, worker_urls = $5, r2_bucket = $6,
                        config = $7, store_contents = $8, content_retention_days = $9, updated_us = $10
                      WHERE instance_id = $1 AND deleted_us IS NULL";

const DELETE: &str = "UPDATE instances SET deleted_us = $2 WHERE instance_id = $1 AND deleted_us IS NULL";
const DELETE_BELOW: [&str; 2] = [
    "UPDATE projects SET deleted_us = $2 WHERE instance_id = $1 AND deleted_us IS NULL",
    "UPDATE api_keys SET deleted_us = $2 WHERE instance_id = $1 AND deleted_us IS NULL",
];
const RESTORE_BELOW: [&str; 2] = [
    "UPDATE projects SET deleted_us = NULL WHERE instance_id = $1
       AND deleted_us = (SELECT deleted_us FROM instances WHERE instance_id = $1)",
    "UPDATE api_keys SET deleted_us = NULL WHERE instance_id = $1
       AND deleted_us = (SELECT deleted_us FROM instances WHERE instance_id = $1)",
];
const RESTORE: &str = "UPDATE instances SET deleted_us = NULL, updated_us = $2
    WHERE instance_id = $1 AND deleted_us IS NOT NULL
      AND org_id IN (SELECT org_id FROM organizations WHERE deleted_us IS NULL)";

impl Db {
    /// Adds an instance.
    pub async fn insert_instance(&self, row: &InstanceRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            insert!(t, row);
        });
        Ok(())
    }

    /// A live instance.
    pub async fn instance(&self, instance_id: &str) -> Result<Option<InstanceRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(instance_id).fetch_optional(c).await)?)
    }

    /// Live instances, of one organization or of all, newest first.
    pub async fn list_instances(&self, org_id: Option<&str>, page: &Page) -> Result<Vec<InstanceRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(LIST)
            .bind(org_id)
            .bind(page.time())
            .bind(page.id())
            .bind(page.limit)
            .fetch_all(c)
            .await)?)
    }

    /// Writes the changeable columns of a live row.
    pub async fn update_instance(&self, row: &InstanceRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE), row;
                instance_id, name, api_keys, rate_limits, worker_urls, r2_bucket, config, store_contents,
                content_retention_days, updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Takes an instance away, with its projects and keys.
    pub async fn delete_instance(&self, instance_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(instance_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
            for sql in DELETE_BELOW {
                sqlx::query(sql).bind(instance_id).bind(now_us).execute(&mut *t).await?;
            }
        });
        Ok(())
    }

    /// Undoes a deletion, with what went with it. `NotFound` when nothing is deleted or its organization is gone.
    pub async fn restore_instance(&self, instance_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            for sql in RESTORE_BELOW {
                sqlx::query(sql).bind(instance_id).execute(&mut *t).await?;
            }
            found(sqlx::query(RESTORE).bind(instance_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}
