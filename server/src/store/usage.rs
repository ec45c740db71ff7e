//! Usage by day: what limits of a day or a month count, kept beside `usage_logs` so that nobody adds up millions of rows.

use std::collections::BTreeMap;

use super::{Db, StoreError, requests::UsageLogRow};

pub const DAY_US: i64 = 86_400_000_000;

/// Whose usage: rows that match everything that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageScope {
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub project_id: Option<String>,
    pub key_id: Option<String>,
    pub provider: Option<String>,
    pub model: Option<String>,
}

/// Usage of a day and of the month it is in. Days are counted from 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct UsageSum {
    pub day_tokens: i64,
    pub day_micro_usd: i64,
    pub month_micro_usd: i64,
}

/// Day, instance, project, key, provider, model.
pub(super) type DailyKey<'a> = (i64, &'a str, &'a str, &'a str, &'a str, &'a str);

/// Requests, tokens and cost by day and origin, in one order everywhere: transactions that wait for each other's rows must
/// take them in the same order.
pub(super) fn by_day<'a>(rows: &[&'a UsageLogRow]) -> BTreeMap<DailyKey<'a>, (i64, i64, i64)> {
    let mut days = BTreeMap::new();
    for row in rows {
        let key = (
            row.time_us.div_euclid(DAY_US),
            row.instance_id.as_str(),
            row.project_id.as_deref().unwrap_or_default(),
            row.key_id.as_deref().unwrap_or_default(),
            row.provider.as_str(),
            row.model.as_str(),
        );
        let sum: &mut (i64, i64, i64) = days.entry(key).or_default();
        *sum = (sum.0 + 1, sum.1 + row.tokens_used, sum.2 + row.cost_micro_usd);
    }
    days
}

/// Adds to the days inside a transaction.
macro_rules! add {
    ($t:expr, $days:expr) => {
        for ((day, instance_id, project_id, key_id, provider, model), (requests, tokens, cost)) in $days {
            sqlx::query($crate::store::usage::ADD)
                .bind(day)
                .bind(instance_id)
                .bind(project_id)
                .bind(key_id)
                .bind(provider)
                .bind(model)
                .bind(requests)
                .bind(tokens)
                .bind(cost)
                .execute(&mut *$t)
                .await?;
        }
    };
}
pub(super) use add;

pub(super) const ADD: &str = "INSERT INTO usage_daily
      (day, instance_id, project_id, key_id, provider, model, requests, tokens, cost_micro_usd)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (day, instance_id, project_id, key_id, provider, model) DO UPDATE SET
      requests = usage_daily.requests + excluded.requests, tokens = usage_daily.tokens + excluded.tokens,
      cost_micro_usd = usage_daily.cost_micro_usd + excluded.cost_micro_usd";

/// `$1` is the first day of the month, `$2` the day.
pub(super) const SUM: &str = "SELECT
      CAST(COALESCE(SUM(CASE WHEN day = $2 THEN tokens ELSE 0 END), 0) AS BIGINT) AS day_tokens,
      CAST(COALESCE(SUM(CASE WHEN day = $2 THEN cost_micro_usd ELSE 0 END), 0) AS BIGINT) AS day_micro_usd,
      CAST(COALESCE(SUM(cost_micro_usd), 0) AS BIGINT) AS month_micro_usd
    FROM usage_daily WHERE day >= $1 AND day <= $2
      AND ($3 IS NULL OR instance_id IN (SELECT instance_id FROM instances WHERE org_id = $3))
      AND ($4 IS NULL OR instance_id = $4) AND ($5 IS NULL OR project_id = $5) AND ($6 IS NULL OR key_id = $6)
      AND ($7 IS NULL OR provider = $7) AND ($8 IS NULL OR model = $8)";
/// Calls of an organization with a key, and without one.
const ORIGINS: &str = "SELECT
      EXISTS (SELECT 1 FROM usage_daily WHERE key_id <> ''
                AND instance_id IN (SELECT instance_id FROM instances WHERE org_id = $1)),
      EXISTS (SELECT 1 FROM usage_daily WHERE key_id = ''
                AND instance_id IN (SELECT instance_id FROM instances WHERE org_id = $1))";
const DELETE: &str = "DELETE FROM usage_daily WHERE day < $1";

/// The sum of a scope inside a transaction.
macro_rules! sum {
    ($c:expr, $scope:expr, $month:expr, $day:expr) => {
        bind!(sqlx::query_as::<_, $crate::store::usage::UsageSum>($crate::store::usage::SUM).bind($month).bind($day),
              $scope; org_id, instance_id, project_id, key_id, provider, model)
            .fetch_one($c)
            .await
    };
}
pub(super) use sum;

impl Db {
    /// What a scope used on a day, and since the first day of its month.
    pub async fn usage_sum(&self, scope: &UsageScope, month: i64, day: i64) -> Result<UsageSum, StoreError> {
        Ok(db!(self, |c| sum!(c, scope, month, day))?)
    }

    /// Whether an organization has ever used something with a key, and without one (from a console).
    pub async fn usage_origins(&self, org_id: &str) -> Result<(bool, bool), StoreError> {
        Ok(db!(self, |c| sqlx::query_as(ORIGINS).bind(org_id).fetch_one(c).await)?)
    }

    /// Deletes the days before one.
    pub async fn delete_usage_days_before(&self, day: i64) -> Result<(), StoreError> {
        db_write!(self, |c| sqlx::query(DELETE).bind(day).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
