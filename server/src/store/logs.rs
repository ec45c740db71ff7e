//! The platform's own log: written in batches, read newest first or followed, deleted by age.

use serde_json::Value;
use sqlx::QueryBuilder;

use super::{Db, Found, LOOK_AT, Page, StoreError};

/// A row of `logs`. Nothing secret is in it.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub struct LogRow {
    /// A UUIDv7 of the moment it was written.
    pub log_id: String,
    /// The moment it tells of.
    pub time_us: i64,
    /// `DEBUG`, `INFO`, `WARN` or `ERROR`.
    pub level: String,
    pub message: String,
    /// The part of the product that speaks.
    pub component: String,
    pub request_id: Option<String>,
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub user_id: Option<String>,
    /// An object.
    pub metadata: Value,
}

/// Which lines; empty fields do not filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogFilter {
    /// One of these.
    pub levels: Vec<String>,
    pub component: Option<String>,
    pub org_id: Option<String>,
    pub instance_id: Option<String>,
    pub request_id: Option<String>,
    /// Part of the message, whatever its case.
    pub text: Option<String>,
    /// Lines of this time or later.
    pub from_us: Option<i64>,
    /// Lines from before this time.
    pub until_us: Option<i64>,
}

macro_rules! columns {
    () => {
        "log_id, time_us, level, message, component, request_id, org_id, instance_id, user_id, metadata"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO logs (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
);
const LIST: &str = concat!("SELECT ", columns!(), " FROM logs WHERE 1 = 1");
const PLACES: &str = "SELECT time_us, log_id FROM logs WHERE 1 = 1";
const NEWEST: &str = "SELECT log_id FROM logs ORDER BY log_id DESC LIMIT 1";
const DELETE: &str = "DELETE FROM logs WHERE log_id IN
    (SELECT log_id FROM logs WHERE time_us < $1 ORDER BY time_us, log_id LIMIT $2)";

/// Adds the conditions that an index knows.
macro_rules! filter {
    ($query:expr, $filter:expr, $level:expr) => {
        let equal = [
            (" AND level = ", $level),
            (" AND component = ", $filter.component.as_deref()),
            (" AND org_id = ", $filter.org_id.as_deref()),
            (" AND instance_id = ", $filter.instance_id.as_deref()),
            (" AND request_id = ", $filter.request_id.as_deref()),
        ];
        for (sql, value) in equal {
            if let Some(value) = value {
                $query.push(sql).push_bind(value);
            }
        }
        if let Some(from_us) = $filter.from_us {
            $query.push(" AND time_us >= ").push_bind(from_us);
        }
        if let Some(until_us) = $filter.until_us {
            $query.push(" AND time_us < ").push_bind(until_us);
        }
    };
}

impl LogFilter {
    /// How many of the conditions pick lines out; one of them is what an index is for.
    fn conditions(&self) -> usize {
        let named = [&self.component, &self.org_id, &self.instance_id].into_iter().flatten().count();
        named + usize::from(!self.levels.is_empty()) + 2 * usize::from(self.text.is_some())
    }

    /// `%part%`, with what LIKE would read as a pattern taken literally.
    fn pattern(&self) -> Option<String> {
        let text = self.text.as_ref()?.to_lowercase();
        Some(format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")))
    }
}

impl Db {
    /// Writes lines in one transaction; a line that is there already is left as it is.
    pub async fn insert_logs(&self, rows: &[&LogRow]) -> Result<(), StoreError> {
        tx!(self, |t| {
            for row in rows {
                bind!(sqlx::query(INSERT), row;
                      log_id, time_us, level, message, component, request_id, org_id, instance_id, user_id, metadata)
                .execute(&mut *t)
                .await?;
            }
        });
        Ok(())
    }

    /// Lines, newest first.
    pub async fn list_logs(&self, filter: &LogFilter, page: &Page) -> Result<Found<LogRow>, StoreError> {
        // A request has few lines.
        let narrow = filter.request_id.is_some() || filter.conditions() < 2;
        let least = if narrow { None } else { self.log_place(filter, page).await? };
        let levels: Vec<Option<&str>> = match filter.levels.as_slice() {
            [] => vec![None],
            levels => levels.iter().map(|level| Some(level.as_str())).collect(),
        };
        let mut rows = Vec::new();
        // Each level has its own order in the index.
        for level in levels {
            rows.extend(self.list_level(filter, level, least.as_ref(), page).await?);
        }
        rows.sort_by(|a, b| (b.time_us, &b.log_id).cmp(&(a.time_us, &a.log_id)));
        let limit = usize::try_from(page.limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(|last| (last.time_us, last.log_id.clone())) } else { least };
        Ok(Found { rows, next })
    }

    /// The last line that a page may look at, if there is one that far back.
    async fn log_place(&self, filter: &LogFilter, page: &Page) -> Result<Option<(i64, String)>, StoreError> {
        // By what most lines have in common; the rest is what is looked for.
        let common = LogFilter {
            org_id: filter.org_id.clone(),
            instance_id: filter.instance_id.clone(),
            from_us: filter.from_us,
            until_us: filter.until_us,
            ..LogFilter::default()
        };
        Ok(db!(self, |c| {
            let mut place = QueryBuilder::new(PLACES);
            filter!(place, common, None);
            if let Some((time, id)) = &page.after {
                place.push(" AND (time_us, log_id) < (").push_bind(time);
                place.push(", ").push_bind(id).push(")");
            }
            place.push(" ORDER BY time_us DESC, log_id DESC LIMIT 1 OFFSET ").push_bind(LOOK_AT);
            place.build_query_as().fetch_optional(c).await
        })?)
    }

    async fn list_level(
        &self,
        filter: &LogFilter,
        level: Option<&str>,
        least: Option<&(i64, String)>,
        page: &Page,
    ) -> Result<Vec<LogRow>, StoreError> {
        Ok(db!(self, |c| {
            let mut list = QueryBuilder::new(LIST);
            filter!(list, filter, level);
            if let Some(pattern) = filter.pattern() {
                list.push(" AND lower(message) LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
            }
            if let Some((time, id)) = least {
                list.push(" AND (time_us, log_id) >= (").push_bind(time);
                list.push(", ").push_bind(id).push(")");
            }
            if let Some((time, id)) = &page.after {
                list.push(" AND (time_us, log_id) < (").push_bind(time);
                list.push(", ").push_bind(id).push(")");
            }
            // One more than is shown tells whether there is a next page.
            list.push(" ORDER BY time_us DESC, log_id DESC LIMIT ").push_bind(page.limit + 1);
            list.build_query_as().fetch_all(c).await
        })?)
    }

    /// Lines that were written after the one with this id and not after `until`, in the order of writing.
    pub async fn follow_logs(
        &self,
        filter: &LogFilter,
        after: &str,
        until: &str,
        limit: i64,
    ) -> Result<Vec<LogRow>, StoreError> {
        Ok(db!(self, |c| {
            let mut list = QueryBuilder::new(LIST);
            list.push(" AND log_id > ").push_bind(after).push(" AND log_id <= ").push_bind(until);
            filter!(list, filter, None);
            if let Some(pattern) = filter.pattern() {
                list.push(" AND lower(message) LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
            }
            if !filter.levels.is_empty() {
                let mut levels = list.push(" AND level IN (").separated(", ");
                for level in &filter.levels {
                    levels.push_bind(level);
                }
                list.push(")");
            }
            list.push(" ORDER BY log_id LIMIT ").push_bind(limit);
            list.build_query_as().fetch_all(c).await
        })?)
    }

    /// The line that was written last.
    pub async fn newest_log(&self) -> Result<Option<String>, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(NEWEST).fetch_optional(c).await)?)
    }

    /// Deletes at most `limit` of the oldest lines from before a time; how many.
    pub async fn delete_logs_before(&self, before_us: i64, limit: i64) -> Result<u64, StoreError> {
        Ok(db_write!(self, |c| sqlx::query(DELETE)
            .bind(before_us)
            .bind(limit)
            .execute(c)
            .await
            .map(|r| r.rows_affected()))?)
    }
}
