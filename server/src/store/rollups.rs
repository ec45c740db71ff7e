//! Sums of the request log by minute, hour and day. They are written in the transaction that writes the calls, so they are
//! never behind, and no screen adds up the calls themselves.

use std::collections::BTreeMap;

use super::{Db, StoreError, requests::RequestLogRow, requests::RequestTotalRow};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// A span of time that is summed, and its length.
pub(super) const GRAINS: [(&str, i64); 3] = [("minute", MINUTE_US), ("hour", HOUR_US), ("day", DAY_US)];

/// What the calls of a row have in common: grain, start, instance, provider, model. What is absent is the empty text.
pub(super) type Key<'a> = (&'static str, i64, [&'a str; 3]);

/// What is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub requests: i64,
    pub completed: i64,
    pub failed: i64,
    pub rate_limited: i64,
    pub input_tokens: i64,
    pub cached_tokens: i64,
    pub output_tokens: i64,
    pub cost_micro_usd: i64,
    pub latency_us: i64,
    pub latency_max_us: i64,
}

impl Sums {
    fn add(&mut self, row: &RequestLogRow) {
        let is = |yes: bool| i64::from(yes);
        let latency_us = if row.status == "completed" { row.latency_us } else { 0 };
        self.requests += 1;
        self.completed += is(row.status == "completed");
        self.failed += is(row.status == "failed");
        self.rate_limited += is(row.error_class.as_deref() == Some("rate_limit"));
        self.input_tokens += row.input_tokens;
        self.cached_tokens += row.cached_tokens;
        self.output_tokens += row.output_tokens;
        self.cost_micro_usd += row.cost_micro_usd;
        self.latency_us += latency_us;
        self.latency_max_us = self.latency_max_us.max(latency_us);
    }
}

/// The sums of some calls, in one order everywhere: transactions that wait for each other's rows must take them in the same
/// order.
pub(super) fn of<'a>(rows: impl IntoIterator<Item = &'a RequestLogRow>) -> BTreeMap<Key<'a>, Sums> {
    let mut sums: BTreeMap<Key<'a>, Sums> = BTreeMap::new();
    let text = |value: &'a Option<String>| value.as_deref().unwrap_or_default();
    for row in rows {
        let names = [text(&row.instance_id), text(&row.provider), text(&row.model_used)];
        for (grain, length) in GRAINS {
            let start_us = row.created_us.div_euclid(length) * length;
            sums.entry((grain, start_us, names)).or_default().add(row);
        }
    }
    sums
}

/// Adds sums inside a transaction.
macro_rules! add {
    ($t:expr, $sums:expr) => {
        for ((grain, start_us, names), sums) in $sums {
            let mut add = sqlx::query($crate::store::rollups::ADD).bind(grain).bind(start_us);
            for name in names {
                add = add.bind(name);
            }
            bind!(add, sums; requests, completed, failed, rate_limited, input_tokens, cached_tokens, output_tokens,
                  cost_micro_usd, latency_us, latency_max_us)
                .execute(&mut *$t)
                .await?;
        }
    };
}
pub(super) use add;

pub(super) const ADD: &str = "INSERT INTO request_rollups AS r
      (grain, start_us, instance_id, provider, model, requests, completed, failed,
       rate_limited, input_tokens, cached_tokens, output_tokens, cost_micro_usd, latency_us, latency_max_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (instance_id, grain, start_us, provider, model) DO UPDATE SET
      requests = r.requests + excluded.requests, completed = r.completed + excluded.completed,
      failed = r.failed + excluded.failed, rate_limited = r.rate_limited + excluded.rate_limited,
      input_tokens = r.input_tokens + excluded.input_tokens, cached_tokens = r.cached_tokens + excluded.cached_tokens,
      output_tokens = r.output_tokens + excluded.output_tokens,
      cost_micro_usd = r.cost_micro_usd + excluded.cost_micro_usd, latency_us = r.latency_us + excluded.latency_us,
      latency_max_us = CASE WHEN excluded.latency_max_us > r.latency_max_us THEN excluded.latency_max_us
                            ELSE r.latency_max_us END";
/// Minutes up to the first whole hour, hours up to the first whole day, then days. Postgres makes NUMERIC of a sum of
/// BIGINT, so it is cast back.
const TOTALS: &str = "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS requests,
      CAST(COALESCE(SUM(failed), 0) AS BIGINT) AS failed,
      CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT) AS input_tokens,
      CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT) AS output_tokens,
      CAST(COALESCE(SUM(cost_micro_usd), 0) AS BIGINT) AS cost_micro_usd,
      CAST(SUM(latency_us) / NULLIF(SUM(completed), 0) AS BIGINT) AS mean_latency_us
    FROM (SELECT * FROM request_rollups WHERE instance_id = $1 AND grain = 'minute' AND start_us >= $2 AND start_us < $3
          UNION ALL
          SELECT * FROM request_rollups WHERE instance_id = $1 AND grain = 'hour' AND start_us >= $3 AND start_us < $4
          UNION ALL
          SELECT * FROM request_rollups WHERE instance_id = $1 AND grain = 'day' AND start_us >= $4) AS parts";
/// The oldest span, so that one statement deletes little.
const DELETE: &str = "DELETE FROM request_rollups WHERE grain = $1 AND start_us < $2 AND start_us =
    (SELECT MIN(start_us) FROM request_rollups WHERE grain = $1)";

impl Db {
    /// Totals of an instance since a time, to the minute. Minutes are kept for two days and hours for 90: what begins
    /// before that begins with a whole hour, or day.
    pub async fn request_totals(&self, instance_id: &str, from_us: i64) -> Result<RequestTotalRow, StoreError> {
        let up =
            |us: i64, length: i64| us.div_euclid(length) * length + if us.rem_euclid(length) > 0 { length } else { 0 };
        let minute = from_us.div_euclid(MINUTE_US) * MINUTE_US;
        let hour = up(minute, HOUR_US);
        let day = up(hour, DAY_US);
        Ok(db!(self, |c| sqlx::query_as(TOTALS)
            .bind(instance_id)
            .bind(minute)
            .bind(hour)
            .bind(day)
            .fetch_one(c)
            .await)?)
    }

    /// Deletes the oldest span of a grain from before a time; how many rows. Repeat until it answers 0.
    pub async fn delete_rollups_before(&self, grain: &str, before_us: i64) -> Result<u64, StoreError> {
        Ok(db_write!(self, |c| sqlx::query(DELETE)
            .bind(grain)
            .bind(before_us)
            .execute(c)
            .await
            .map(|r| r.rows_affected()))?)
    }
}
