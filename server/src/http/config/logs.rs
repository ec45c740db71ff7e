//! The platform's own log: `GET` and `DELETE /config/logs`, and `GET /config/logs/stream`, which shows lines as they are
//! written.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::Query,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    call::{Call, answer},
    problem::ConfigProblem,
};
use crate::{
    clock::rfc3339,
    http::table::Table,
    services::{
        config::ConfigError,
        logs::{LogQuery, LogsError, Tail},
    },
    store::{Page, logs::LogRow},
};

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 1_000;

pub fn routes(table: Table) -> Table {
    table.get("/logs", list).delete("/logs", delete).get("/logs/stream", follow)
}

/// What can be asked for.
#[derive(Debug, Default, Deserialize)]
struct LogParameters {
    level: Option<String>,
    component: Option<String>,
    instance_id: Option<String>,
    request_id: Option<String>,
    q: Option<String>,
    start: Option<String>,
    end: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

#[derive(Deserialize)]
struct DeleteParameters {
    older_than_days: Option<u32>,
}

impl From<LogsError> for ConfigProblem {
    fn from(error: LogsError) -> Self {
        match error {
            LogsError::Denied(denied) => ConfigError::Denied(denied).into(),
            LogsError::UnknownInstance(_) => ConfigError::NotFound("Instance".to_owned()).into(),
            LogsError::Invalid { field, message } => invalid(field, message),
            LogsError::Busy => Self::Busy(LogsError::Busy.to_string()),
            LogsError::Store(error) => ConfigError::Store(error).into(),
        }
    }
}

/// Lines, newest first.
async fn list(call: Call) -> Response {
    answer(call, async move |call| {
        let parameters: LogParameters = query(&call.uri)?;
        let limit = parameters.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(invalid("limit", format!("limit must be a number from 1 to {MAX_PAGE}")));
        }
        let after = match parameters.after.as_deref() {
            None => None,
            Some(cursor) => {
                let read = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
                Some(read.ok_or_else(|| invalid("after", "after must be the \"next\" of a page"))?)
            }
        };
        let page = Page { after, limit: i64::from(limit) };
        let found = call.state.logs.list(&call.author.caller, &parameters.query()?, &page).await?;
        let next = found.next.map(|(at, id)| format!("{at}.{id}"));
        let lines: Vec<Value> = found.rows.iter().map(line).collect();
        let mut response = Json(json!({ "logs": lines, "has_more": next.is_some(), "next": next })).into_response();
        if let Some(next) = next
            && let Ok(link) = HeaderValue::from_str(&next_link(&call.uri, &next))
        {
            response.headers_mut().insert(header::LINK, link);
        }
        Ok(response)
    })
    .await
}

/// Deletes old lines.
async fn delete(call: Call) -> Response {
    answer(call, async move |call| {
        let parameters: DeleteParameters = query(&call.uri)?;
        let days = parameters.older_than_days.filter(|days| *days > 0);
        let wrong = || invalid("older_than_days", "older_than_days must be a number of days, at least 1");
        let deleted = call.state.logs.delete(&call.author.caller, days.ok_or_else(wrong)?).await?;
        Ok(Json(json!({ "deleted": deleted })).into_response())
    })
    .await
}

/// Lines as they are written, as server-sent events.
async fn follow(call: Call) -> Response {
    answer(call, async move |call| {
        let parameters: LogParameters = query(&call.uri)?;
        let seen = call.header("last-event-id").map(str::to_owned);
        let tail = call.state.logs.tail(&call.author.caller, &parameters.query()?, seen).await?;
        let mut response = Body::from_stream(events(tail, call.state.settings.gateway.keep_alive)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    })
    .await
}

fn events(tail: Tail, keep_alive: Duration) -> impl futures::Stream<Item = Result<Bytes, Infallible>> {
    // A comment at once, so that who listens knows that it is listened to.
    let hello = stream::once(async { Ok(Bytes::from_static(b": listening\n\n")) });
    let lines = stream::unfold(Some(tail), move |tail| async move {
        let mut tail = tail?;
        match tokio::time::timeout(keep_alive, tail.next()).await {
            Err(_) => Some((Ok(Bytes::from_static(b": keep-alive\n\n")), Some(tail))),
            Ok(Some(Ok(rows))) => {
                let mut out = BytesMut::new();
                for row in &rows {
                    out.put_slice(format!("id: {}\nevent: log\ndata: {}\n\n", row.log_id, line(row)).as_bytes());
                }
                Some((Ok(out.freeze()), Some(tail)))
            }
            // The listener comes back by itself, and goes on from the last id.
            Ok(Some(Err(error))) => {
                tracing::warn!(%error, "a live view of the log cannot go on");
                None
            }
            Ok(None) => None,
        }
    });
    stream::StreamExt::chain(hello, lines)
}

impl LogParameters {
    fn query(self) -> Result<LogQuery, ConfigProblem> {
        Ok(LogQuery {
            start_us: time("start", self.start.as_deref())?,
            end_us: time("end", self.end.as_deref())?,
            level: self.level,
            component: self.component,
            instance_id: self.instance_id,
            request_id: self.request_id,
            q: self.q,
        })
    }
}

fn line(row: &LogRow) -> Value {
    json!({
        "log_id": row.log_id,
        "timestamp": rfc3339(row.time_us),
        "level": row.level,
        "message": row.message,
        "component": row.component,
        "request_id": row.request_id,
        "instance_id": row.instance_id,
        "user_id": row.user_id,
        "metadata": row.metadata,
    })
}

fn invalid(field: &str, message: impl Into<String>) -> ConfigProblem {
    ConfigError::field(field, message).into()
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ConfigProblem> {
    Query::try_from_uri(uri).map(|Query(found)| found).map_err(|error| invalid("query", error.body_text()))
}

/// A moment or a day, as RFC 3339 writes them.
fn time(field: &str, value: Option<&str>) -> Result<Option<i64>, ConfigProblem> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { return Ok(None) };
    let moment = value.parse::<jiff::Timestamp>().ok();
    let day = || value.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let found = moment.or_else(|| day().map(|day| day.timestamp()));
    let wrong =
        || invalid(field, format!("{field} must be a time like 2026-01-31T12:00:00Z, or a day like 2026-01-31"));
    found.map(|at| Some(at.as_microsecond())).ok_or_else(wrong)
}

/// The same address with another `after`.
fn next_link(uri: &Uri, next: &str) -> String {
    let kept: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("after=") && !pair.starts_with("key="))
        .collect();
    let rest = if kept.is_empty() { String::new() } else { format!("{}&", kept.join("&")) };
    format!("</config{}?{rest}after={next}>; rel=\"next\"", uri.path())
}
