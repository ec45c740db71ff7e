//! What the server wrote down of a call.

use server::store::requests::{RequestContentRow, RequestLogRow, UsageLogRow};

use super::{TestApp, database::raw, eventually};

/// Everything kept of a call.
#[derive(Debug)]
pub struct Record {
    pub log: RequestLogRow,
    pub usage: Option<UsageLogRow>,
    pub contents: Option<RequestContentRow>,
}

impl Record {
    /// `(outcome, status)` of each try.
    pub fn tries(&self) -> Vec<(&str, Option<u64>)> {
        let items = self.log.attempts["items"].as_array().expect("attempts are a list");
        items.iter().map(|item| (item["outcome"].as_str().expect("an outcome"), item["status"].as_u64())).collect()
    }

    /// `(source, class)` of the error.
    pub fn error(&self) -> (&str, &str) {
        (self.log.error_source.as_deref().unwrap_or("none"), self.log.error_class.as_deref().unwrap_or("none"))
    }

    /// `(status, http_status)`.
    pub fn outcome(&self) -> (&str, i64) {
        (&self.log.status, self.log.http_status)
    }

    pub fn request_body(&self) -> &str {
        self.contents.as_ref().and_then(|c| c.request_body.as_ref()).map_or("", |body| body.reveal())
    }

    pub fn response_body(&self) -> &str {
        self.contents.as_ref().and_then(|c| c.response_body.as_ref()).map_or("", |body| body.reveal())
    }
}

impl TestApp {
    /// The record of a call, once it is written.
    pub async fn record(&self, request_id: &str) -> Record {
        let what = format!("the record of {request_id}");
        let log = eventually(&what, || async { self.db.request(request_id).await.unwrap() }).await;
        // Written in one transaction, so the rest is there, too.
        let contents = self.db.request_contents(request_id, self.now_us()).await.unwrap();
        let sql = "SELECT * FROM usage_logs WHERE request_id = $1";
        let usage = raw!(&self.raw, |pool| sqlx::query_as(sql).bind(request_id).fetch_optional(pool).await.unwrap());
        Record { log, usage, contents }
    }

    /// The newest record that fits, once there is one.
    pub async fn record_where(&self, what: &str, fits: impl Fn(&RequestLogRow) -> bool) -> Record {
        let id = eventually(what, || async {
            let filter = server::store::requests::RequestFilter::default();
            let rows = self.db.list_requests(&filter, &server::store::Page::first(100)).await.unwrap();
            rows.into_iter().find(|row| fits(row)).map(|row| row.request_id)
        })
        .await;
        self.record(&id).await
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        raw!(&self.raw, |pool| sqlx::query_scalar(sql).fetch_one(pool).await.unwrap())
    }
}
