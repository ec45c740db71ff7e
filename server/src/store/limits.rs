//! Limits: what may be asked and spent, and by whom.

use super::{Db, StoreError, found};

/// A row of `limits`. It counts the calls that match everything it names: for its key, else its project, its instance,
/// its organization; one that names none of them counts for each instance by itself. `None` does not limit.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub struct LimitRow {
    pub id: String,
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub project_id: Option<String>,
    pub key_id: Option<String>,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub requests_per_minute: Option<i64>,
    pub tokens_per_minute: Option<i64>,
    /// Days begin at midnight UTC.
    pub tokens_per_day: Option<i64>,
    pub concurrent_requests: Option<i64>,
    /// Most requests within one second.
    pub burst_limit: Option<i64>,
    /// Least time until the next try is advised.
    pub cooldown_seconds: i64,
    pub budget_day_micro_usd: Option<i64>,
    pub budget_month_micro_usd: Option<i64>,
    /// Share of a budget at which a warning appears.
    pub warn_percent: i64,
    pub is_active: bool,
    pub created_us: i64,
    pub updated_us: i64,
    pub deleted_us: Option<i64>,
}

macro_rules! columns {
    () => {
        "id, org_id, instance_id, project_id, key_id, provider, model, requests_per_minute, tokens_per_minute,
         tokens_per_day, concurrent_requests, burst_limit, cooldown_seconds, budget_day_micro_usd,
         budget_month_micro_usd, warn_percent, is_active, created_us, updated_us, deleted_us"
    };
}

/// Inserts a row inside a transaction.
macro_rules! insert {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::limits::INSERT), $row;
              id, org_id, instance_id, project_id, key_id, provider, model, requests_per_minute, tokens_per_minute,
              tokens_per_day, concurrent_requests, burst_limit, cooldown_seconds, budget_day_micro_usd,
              budget_month_micro_usd, warn_percent, is_active, created_us, updated_us, deleted_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert;

pub(super) const ALL_LIVE: &str = concat!("SELECT ", columns!(), " FROM limits WHERE deleted_us IS NULL");
pub(super) const INSERT: &str = concat!(
    "INSERT INTO limits (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)"
);
const UPDATE: &str = "UPDATE limits SET requests_per_minute = $2, tokens_per_minute = $3, tokens_per_day = $4,
        concurrent_requests = $5, burst_limit = $6, cooldown_seconds = $7, budget_day_micro_usd = $8,
        budget_month_micro_usd = $9, warn_percent = $10, is_active = $11, updated_us = $12
    WHERE id = $1 AND deleted_us IS NULL";
const DELETE: &str = "UPDATE limits SET deleted_us = $2 WHERE id = $1 AND deleted_us IS NULL";

impl Db {
    /// Adds a limit. One with the same scope is `Conflict { what: "limits.scope" }`.
    pub async fn insert_limit(&self, row: &LimitRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            insert!(t, row);
        });
        Ok(())
    }

    /// Every live limit, oldest first.
    pub async fn list_limits(&self) -> Result<Vec<LimitRow>, StoreError> {
        let mut rows: Vec<LimitRow> = db!(self, |c| sqlx::query_as(ALL_LIVE).fetch_all(c).await)?;
        rows.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        Ok(rows)
    }

    /// Writes what a limit allows; what it counts stays.
    pub async fn update_limit(&self, row: &LimitRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE), row;
                id, requests_per_minute, tokens_per_minute, tokens_per_day, concurrent_requests, burst_limit,
                cooldown_seconds, budget_day_micro_usd, budget_month_micro_usd, warn_percent, is_active, updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Takes a limit away.
    pub async fn delete_limit(&self, id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}
