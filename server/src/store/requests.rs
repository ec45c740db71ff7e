//! The request log, what was said, and usage: written in batches, read by key, deleted by age. History needs neither the
//! rows it names nor a configuration version.

use std::{collections::HashSet, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::QueryBuilder;

use super::{
    Db, Found, Hidden, LOOK_AT, Page, StoreError,
    nul::{has_nul, without_nul},
    rollups, usage,
};

/// A row of `request_log`: one call, without what was said. Times are microseconds, money millionths of a US dollar.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow, Serialize, Deserialize)]
pub struct RequestLogRow {
    pub request_id: String,
    /// When the call arrived.
    pub created_us: i64,
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub project_id: Option<String>,
    pub key_id: Option<String>,
    pub user_id: Option<String>,
    /// `openai.chat`, `text.generate`, `console`, ….
    pub surface: String,
    /// The caller's own name for the call.
    pub caller_request_id: Option<String>,
    pub model_asked: Option<String>,
    pub model_used: Option<String>,
    pub provider: Option<String>,
    pub streamed: bool,
    pub simulated: bool,
    /// `completed`, `failed` or `cancelled`.
    pub status: String,
    pub http_status: i64,
    /// `caller`, `gateway` or `provider`.
    pub error_source: Option<String>,
    pub error_class: Option<String>,
    pub error_message: Option<String>,
    /// The limit that refused the call.
    pub limit_id: Option<String>,
    pub finish_reason: Option<String>,
    /// `{"items": [...]}`.
    pub attempts: Value,
    pub input_tokens: i64,
    pub cached_tokens: i64,
    pub cache_write_tokens: i64,
    pub output_tokens: i64,
    pub reasoning_tokens: i64,
    pub cost_micro_usd: i64,
    pub latency_us: i64,
    pub first_token_us: Option<i64>,
    /// Time spent here and not at the provider.
    pub overhead_us: i64,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

/// A row of `request_contents`: what was said, until it expires.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow, Serialize, Deserialize)]
pub struct RequestContentRow {
    pub request_id: String,
    pub created_us: i64,
    pub expires_us: i64,
    #[serde(with = "super::revealed")]
    pub request_body: Option<Hidden>,
    #[serde(with = "super::revealed")]
    pub response_body: Option<Hidden>,
    /// A body was longer than what is kept.
    pub truncated: bool,
}

/// A row of `usage_logs`. The same call must always make the same `log_id`, so that writing it twice counts once.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow, Serialize, Deserialize)]
pub struct UsageLogRow {
    pub log_id: String,
    pub instance_id: String,
    pub time_us: i64,
    pub provider: String,
    pub model: String,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cached_tokens: i64,
    pub tokens_used: i64,
    pub cost_micro_usd: i64,
    pub request_id: String,
    pub key_id: Option<String>,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
}

/// Everything that is kept of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    pub log: RequestLogRow,
    pub usage: Option<UsageLogRow>,
    pub contents: Option<RequestContentRow>,
}

/// Which calls to list; empty fields do not filter.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub project_id: Option<String>,
    pub user_id: Option<String>,
    pub key_id: Option<String>,
    /// Calls made with an API key, or those made without one.
    pub by_key: Option<bool>,
    pub surface: Option<String>,
    pub status: Option<String>,
    /// The model that was asked for or the one that answered.
    pub model: Option<String>,
    pub provider: Option<String>,
    pub error_class: Option<String>,
    /// Calls that arrived at this time or later.
    pub from_us: Option<i64>,
    /// Calls that arrived before this time.
    pub until_us: Option<i64>,
}

/// What an instance did since some time.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct RequestTotalRow {
    pub requests: i64,
    pub failed: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cost_micro_usd: i64,
    /// Mean over the completed calls; none when there was none.
    pub mean_latency_us: Option<i64>,
}

/// Usage of one instance, key and model over a span of time.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct UsageTotalRow {
    pub instance_id: String,
    pub key_id: Option<String>,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub provider: String,
    pub model: String,
    pub requests: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cached_tokens: i64,
    pub tokens_used: i64,
    pub cost_micro_usd: i64,
}

impl RequestFilter {
    /// Columns that must have these values, those with an index first and the narrowest of them before the others.
    fn equal(&self) -> [(&'static str, Option<&str>); 8] {
        [
            ("key_id", self.key_id.as_deref()),
            ("user_id", self.user_id.as_deref()),
            ("instance_id", self.instance_id.as_deref()),
            ("org_id", self.org_id.as_deref()),
            ("project_id", self.project_id.as_deref()),
            ("surface", self.surface.as_deref()),
            ("provider", self.provider.as_deref()),
            ("error_class", self.error_class.as_deref()),
        ]
    }

    /// The column whose index finds the calls.
    fn index(&self) -> Option<(&'static str, &str)> {
        self.equal().into_iter().take(4).find_map(|(column, value)| Some((column, value?)))
    }

    /// Failures have a small index of their own.
    fn is_failures_of_instance(&self) -> bool {
        self.status.as_deref() == Some("failed") && self.index().is_some_and(|(column, _)| column == "instance_id")
    }

    /// Whether an index knows everything that is asked for: every call it names is shown.
    fn is_indexed(&self) -> bool {
        let named = self.equal().iter().filter(|(_, value)| value.is_some()).count();
        let others =
            self.by_key.is_some() || self.model.is_some() || (self.status.is_some() && !self.is_failures_of_instance());
        !others && named == usize::from(self.index().is_some())
    }
}

/// Adds the conditions of time: the filter's, and where the page begins.
macro_rules! span {
    ($query:expr, $filter:expr, $page:expr) => {
        if let Some(from_us) = $filter.from_us {
            $query.push(" AND created_us >= ").push_bind(from_us);
        }
        if let Some(until_us) = $filter.until_us {
            $query.push(" AND created_us < ").push_bind(until_us);
        }
        if let Some((time, id)) = &$page.after {
            $query.push(" AND (created_us, request_id) < (").push_bind(time);
            $query.push(", ").push_bind(id).push(")");
        }
    };
}

macro_rules! log_columns {
    () => {
        "request_id, created_us, org_id, instance_id, project_id, key_id, user_id, surface, caller_request_id, \
         model_asked, model_used, provider, streamed, simulated, status, http_status, error_source, error_class, \
         error_message, limit_id, finish_reason, attempts, input_tokens, cached_tokens, cache_write_tokens, \
         output_tokens, reasoning_tokens, cost_micro_usd, latency_us, first_token_us, overhead_us, user_agent, ip"
    };
}

macro_rules! usage_columns {
    () => {
        "log_id, instance_id, time_us, provider, model, input_tokens, output_tokens, cached_tokens, tokens_used, \
         cost_micro_usd, request_id, key_id, user_id, project_id"
    };
}

macro_rules! content_columns {
    () => {
        "request_id, created_us, expires_us, request_body, response_body, truncated"
    };
}

const GET: &str = concat!("SELECT ", log_columns!(), " FROM request_log WHERE request_id = $1");
const PLACES: &str = "SELECT created_us, request_id FROM request_log WHERE 1 = 1";
const IS_THERE: &str = "SELECT 1 FROM request_log WHERE request_id = $1";
// A limit inside keeps the conditions outside from being moved into it, so it is the index that is named that is used, and
// rows are looked at only until there are enough.
const LIST: &str =
    concat!("SELECT ", log_columns!(), " FROM (SELECT ", log_columns!(), " FROM request_log WHERE 1 = 1");
const CONTENTS: &str =
    concat!("SELECT ", content_columns!(), " FROM request_contents WHERE request_id = $1 AND expires_us > $2");
// Postgres makes NUMERIC of a sum of BIGINT, so it is cast back.
const USAGE_TOTALS: &str = "SELECT instance_id, key_id, user_id, project_id, provider, model, COUNT(*) AS requests,
      CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
      CAST(SUM(cached_tokens) AS BIGINT) AS cached_tokens, CAST(SUM(tokens_used) AS BIGINT) AS tokens_used,
      CAST(SUM(cost_micro_usd) AS BIGINT) AS cost_micro_usd
    FROM usage_logs WHERE time_us >= $1 AND time_us < $2 AND ($3 IS NULL OR instance_id = $3)
    GROUP BY instance_id, key_id, user_id, project_id, provider, model";
const DELETE_OLD: [&str; 2] = [
    "DELETE FROM request_contents WHERE request_id IN
       (SELECT request_id FROM request_log WHERE created_us < $1 ORDER BY created_us, request_id LIMIT $2)",
    "DELETE FROM request_log WHERE request_id IN
       (SELECT request_id FROM request_log WHERE created_us < $1 ORDER BY created_us, request_id LIMIT $2)",
];
const DELETE_CONTENTS: &str = "DELETE FROM request_contents WHERE request_id IN
    (SELECT request_id FROM request_contents WHERE expires_us <= $1 ORDER BY expires_us LIMIT $2)";
const DELETE_USAGE: &str = "DELETE FROM usage_logs WHERE log_id IN
    (SELECT log_id FROM usage_logs WHERE time_us < $1 ORDER BY time_us LIMIT $2)";

/// An INSERT of many rows, in the few sizes that make every batch: a statement of a known size is prepared once.
struct BatchInsert {
    sqlite: [(usize, String); 3],
    postgres: [(usize, String); 3],
}

impl BatchInsert {
    fn new(table: &str, columns: &str, answer: &str) -> Self {
        let width = columns.split(',').count();
        let text = |rows: usize, parameter: fn(usize) -> String| {
            let row = |row: usize| {
                let parameters: Vec<String> = (1..=width).map(|column| parameter(row * width + column)).collect();
                format!("({})", parameters.join(", "))
            };
            let values: Vec<String> = (0..rows).map(row).collect();
            let values = values.join(", ");
            (rows, format!("INSERT INTO {table} ({columns}) VALUES {values} ON CONFLICT DO NOTHING{answer}"))
        };
        // SQLite looks numbered parameters up one after the other: with thousands of them that is most of the time.
        Self {
            sqlite: [128, 16, 1].map(|rows| text(rows, |_| "?".into())),
            postgres: [128, 16, 1].map(|rows| text(rows, |n| format!("${n}"))),
        }
    }

    /// Cuts rows into pieces that fit the texts.
    fn pieces<'r, T>(&'static self, db: &Db, mut rows: &'r [T]) -> impl Iterator<Item = (&'static str, &'r [T])> {
        let texts = match db {
            Db::Sqlite(_) => &self.sqlite,
            Db::Postgres(_) => &self.postgres,
        };
        std::iter::from_fn(move || {
            let (size, sql) = texts.iter().find(|(size, _)| *size <= rows.len())?;
            let (piece, rest) = rows.split_at(*size);
            rows = rest;
            Some((sql.as_str(), piece))
        })
    }
}

static INSERT_LOG: LazyLock<BatchInsert> = LazyLock::new(|| BatchInsert::new("request_log", log_columns!(), ""));
static INSERT_USAGE: LazyLock<BatchInsert> =
    LazyLock::new(|| BatchInsert::new("usage_logs", usage_columns!(), " RETURNING log_id"));
static INSERT_CONTENTS: LazyLock<BatchInsert> =
    LazyLock::new(|| BatchInsert::new("request_contents", content_columns!(), ""));

impl Db {
    /// Writes finished calls and what they add to the sums in one transaction, and answers how many of them are new: a call
    /// that is already there is left as it is, so a batch may be repeated. NUL characters become U+FFFD, because Postgres
    /// cannot store them.
    pub async fn insert_requests(&self, records: &[RequestRecord]) -> Result<u64, StoreError> {
        let cleaned: Vec<RequestRecord>;
        let records = if records.iter().any(has_nul) {
            cleaned = records.iter().map(without_nul).collect();
            &cleaned
        } else {
            records
        };
        if let Some(new) = self.insert_new(records).await? {
            return Ok(new);
        }
        // Some are there already, which is rare: the others are written without them.
        let mut known: HashSet<String> = HashSet::new();
        for record in records {
            let id = &record.log.request_id;
            if db!(self, |c| sqlx::query(IS_THERE).bind(id).fetch_optional(c).await.map(|row| row.is_some()))? {
                known.insert(id.clone());
            }
        }
        let new: Vec<RequestRecord> =
            records.iter().filter(|record| known.insert(record.log.request_id.clone())).cloned().collect();
        let lost_race = || StoreError::Unavailable("the same calls are being written by somebody else".into());
        self.insert_new(&new).await?.ok_or_else(lost_race)
    }

    /// Writes calls of which none is there yet; when one is, none is written.
    async fn insert_new(&self, records: &[RequestRecord]) -> Result<Option<u64>, StoreError> {
        let usage: Vec<&UsageLogRow> = records.iter().filter_map(|r| r.usage.as_ref()).collect();
        let contents: Vec<&RequestContentRow> = records.iter().filter_map(|r| r.contents.as_ref()).collect();

        Ok(Some(tx!(self, |t| {
            let mut new = 0;
            for (sql, piece) in INSERT_LOG.pieces(self, records) {
                let mut insert = sqlx::query(sql);
                for record in piece {
                    insert = bind!(insert, record.log;
                        request_id, created_us, org_id, instance_id, project_id, key_id, user_id, surface,
                        caller_request_id, model_asked, model_used, provider, streamed, simulated, status, http_status,
                        error_source, error_class, error_message, limit_id, finish_reason, attempts, input_tokens,
                        cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_micro_usd, latency_us,
                        first_token_us, overhead_us, user_agent, ip);
                }
                let inserted = insert.execute(&mut *t).await?.rows_affected();
                if inserted != piece.len() as u64 {
                    // The transaction is dropped, and with it what it wrote.
                    return Ok(None);
                }
                new += inserted;
            }
            rollups::add!(t, rollups::of(records.iter().map(|record| &record.log)));
            let mut counted = Vec::with_capacity(usage.len());
            for (sql, piece) in INSERT_USAGE.pieces(self, &usage) {
                let mut insert = sqlx::query_scalar::<_, String>(sql);
                for row in piece {
                    insert = bind!(insert, row;
                        log_id, instance_id, time_us, provider, model, input_tokens, output_tokens, cached_tokens,
                        tokens_used, cost_micro_usd, request_id, key_id, user_id, project_id);
                }
                let written = insert.fetch_all(&mut *t).await?;
                if written.len() == piece.len() {
                    counted.extend_from_slice(piece);
                } else {
                    counted.extend(piece.iter().filter(|row| written.contains(&row.log_id)));
                }
            }
            usage::add!(t, usage::by_day(&counted));
            for (sql, piece) in INSERT_CONTENTS.pieces(self, &contents) {
                let mut insert = sqlx::query(sql);
                for row in piece {
                    insert = bind!(insert, row;
                        request_id, created_us, expires_us, request_body, response_body, truncated);
                }
                insert.execute(&mut *t).await?;
            }
            new
        })))
    }

    /// One call.
    pub async fn request(&self, request_id: &str) -> Result<Option<RequestLogRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(request_id).fetch_optional(c).await)?)
    }

    /// What was said in a call, unless it was not kept or has expired.
    pub async fn request_contents(
        &self,
        request_id: &str,
        now_us: i64,
    ) -> Result<Option<RequestContentRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(CONTENTS).bind(request_id).bind(now_us).fetch_optional(c).await)?)
    }

    /// Calls, newest first.
    pub async fn list_requests(&self, filter: &RequestFilter, page: &Page) -> Result<Vec<RequestLogRow>, StoreError> {
        self.requests_among(i64::MAX, filter, page).await
    }

    /// Calls, newest first, in a time that does not depend on how many there are.
    pub async fn find_requests(&self, filter: &RequestFilter, page: &Page) -> Result<Found<RequestLogRow>, StoreError> {
        // One more than is shown tells whether there is a next page.
        let limit = usize::try_from(page.limit).unwrap_or(0);
        let longer = Page { after: page.after.clone(), limit: page.limit + 1 };
        let look_at = if filter.is_indexed() { i64::MAX } else { LOOK_AT };
        let mut rows = self.requests_among(look_at, filter, &longer).await?;
        if rows.len() > limit {
            rows.truncate(limit);
            let next = rows.last().map(|last| (last.created_us, last.request_id.clone()));
            return Ok(Found { rows, next });
        }
        let next = if filter.is_indexed() { None } else { self.request_place(filter, page).await? };
        Ok(Found { rows, next })
    }

    /// The last call that a page looks at, if there are so many.
    async fn request_place(&self, filter: &RequestFilter, page: &Page) -> Result<Option<(i64, String)>, StoreError> {
        Ok(db!(self, |c| {
            let mut place = QueryBuilder::new(PLACES);
            if let Some((column, value)) = filter.index() {
                place.push(" AND ").push(column).push(" = ").push_bind(value);
            }
            if filter.is_failures_of_instance() {
                place.push(" AND status = 'failed'");
            }
            span!(place, filter, page);
            place.push(" ORDER BY created_us DESC, request_id DESC LIMIT 1 OFFSET ").push_bind(LOOK_AT - 1);
            place.build_query_as().fetch_optional(c).await
        })?)
    }

    /// The newest calls that an index finds, at most `most` of them, and of those the ones that fit.
    async fn requests_among(
        &self,
        most: i64,
        filter: &RequestFilter,
        page: &Page,
    ) -> Result<Vec<RequestLogRow>, StoreError> {
        let index = filter.index();
        let failed = filter.is_failures_of_instance();
        Ok(db!(self, |c| {
            let mut list = QueryBuilder::new(LIST);
            if let Some((column, value)) = index {
                list.push(" AND ").push(column).push(" = ").push_bind(value);
            }
            if failed {
                // As text, so that the index is used.
                list.push(" AND status = 'failed'");
            }
            span!(list, filter, page);
            list.push(" ORDER BY created_us DESC, request_id DESC LIMIT ")
                .push_bind(most)
                .push(") AS newest WHERE 1 = 1");
            for (column, value) in filter.equal() {
                if let Some(value) = value
                    && index.is_none_or(|(indexed, _)| indexed != column)
                {
                    list.push(" AND ").push(column).push(" = ").push_bind(value);
                }
            }
            if let Some(status) = filter.status.as_deref().filter(|_| !failed) {
                list.push(" AND status = ").push_bind(status);
            }
            match filter.by_key {
                Some(true) => _ = list.push(" AND key_id IS NOT NULL"),
                Some(false) => _ = list.push(" AND key_id IS NULL"),
                None => {}
            }
            if let Some(model) = &filter.model {
                list.push(" AND (model_used = ").push_bind(model);
                list.push(" OR model_asked = ").push_bind(model).push(")");
            }
            // The order is that of the inside: asked for again, SQLite would sort all of it before it answers the first row.
            list.push(" LIMIT ").push_bind(page.limit);
            list.build_query_as().fetch_all(c).await
        })?)
    }

    /// Usage from a time to before another, per instance, key and model; of one instance or of all.
    pub async fn usage_totals(
        &self,
        from_us: i64,
        until_us: i64,
        instance_id: Option<&str>,
    ) -> Result<Vec<UsageTotalRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(USAGE_TOTALS)
            .bind(from_us)
            .bind(until_us)
            .bind(instance_id)
            .fetch_all(c)
            .await)?)
    }

    /// Deletes at most `limit` of the oldest calls from before a time, with what was said in them; how many. Repeat until
    /// it answers less than `limit`.
    pub async fn delete_requests_before(&self, before_us: i64, limit: i64) -> Result<u64, StoreError> {
        Ok(tx!(self, |t| {
            let mut deleted = 0;
            for sql in DELETE_OLD {
                deleted = sqlx::query(sql).bind(before_us).bind(limit).execute(&mut *t).await?.rows_affected();
            }
            deleted
        }))
    }

    /// Deletes at most `limit` expired contents; how many.
    pub async fn delete_expired_contents(&self, now_us: i64, limit: i64) -> Result<u64, StoreError> {
        Ok(db_write!(self, |c| sqlx::query(DELETE_CONTENTS)
            .bind(now_us)
            .bind(limit)
            .execute(c)
            .await
            .map(|r| r.rows_affected()))?)
    }

    /// Deletes at most `limit` of the oldest usage rows from before a time; how many.
    pub async fn delete_usage_before(&self, before_us: i64, limit: i64) -> Result<u64, StoreError> {
        Ok(db_write!(self, |c| sqlx::query(DELETE_USAGE)
            .bind(before_us)
            .bind(limit)
            .execute(c)
            .await
            .map(|r| r.rows_affected()))?)
    }
}
