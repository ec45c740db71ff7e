//! The audit log: in pages, as a whole for other systems, and whether it is whole.

use std::borrow::Cow;

use app::types::{AuditQuery, AuditRecord, Page};
use axum::{
    body::{Body, Bytes},
    extract::Query,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::{Value, json};

use super::{
    call::{Call, answer},
    keys::refused,
    problem::ConfigProblem,
};
use crate::{
    clock::rfc3339,
    http::table::Table,
    services::{audit, config::ConfigError, identity::IdentityError},
};

/// Entries of an export that are read at once.
const PIECE: u32 = 1_000;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Lines,
    Csv,
}

pub fn routes(table: Table) -> Table {
    table.get("/audit", list).get("/audit/verify", verify)
}

async fn list(call: Call) -> Response {
    answer(call, async move |call| {
        let (mut query, format) = query(&call)?;
        let is_paged = query.limit > 0;
        query.limit = match (format, is_paged) {
            (_, true) => query.limit,
            (Format::Json, false) => audit::MAX_PAGE,
            (_, false) => PIECE,
        };
        let page = audit::list(&call.state.db, &call.author.caller, query.clone()).await.map_err(refused)?;
        if format != Format::Json {
            return Ok(export(call, query, page, format, is_paged));
        }
        let data: Vec<Value> = page.items.into_iter().map(shown).collect();
        let mut response = call.data(data.into());
        if let Some(next) = page.next {
            let others = call.uri.query().unwrap_or_default().split('&');
            let others: Vec<&str> = others.filter(|pair| !pair.is_empty() && !pair.starts_with("after=")).collect();
            let limit = if is_paged { String::new() } else { format!("&limit={}", audit::MAX_PAGE) };
            let link = format!("</config/audit?{}{limit}&after={next}>; rel=\"next\"", without_key(&others));
            if let Ok(value) = HeaderValue::from_str(&link) {
                response.headers_mut().insert(header::LINK, value);
            }
        }
        Ok(response)
    })
    .await
}

async fn verify(call: Call) -> Response {
    answer(call, async move |call| {
        let (query, _) = query(&call)?;
        let proof = audit::verify(&call.state.db, &call.author.caller, query.org_id.as_deref()).await;
        let proof = proof.map_err(refused)?;
        let broken = proof.broken.map(|(seq, reason)| json!({ "seq": seq, "reason": reason }));
        Ok(call.data(json!({ "entries": proof.entries, "head": proof.head, "broken": broken })))
    })
    .await
}

/// The log as a download, read piece by piece: however long it is, it is never in memory as a whole.
fn export(call: Call, query: AuditQuery, first: Page<AuditRecord>, format: Format, is_paged: bool) -> Response {
    let head = if format == Format::Csv { Bytes::from(format!("{}\r\n", COLUMNS.join(","))) } else { Bytes::new() };
    let start = (call, query, Some(first), head);
    let pieces = stream::try_unfold(start, move |(call, mut query, page, head)| async move {
        let page = match (page, query.after.is_some()) {
            (Some(page), _) => page,
            (None, true) => audit::list(&call.state.db, &call.author.caller, query.clone()).await?,
            (None, false) => return Ok(None),
        };
        let mut piece = head.to_vec();
        for record in page.items {
            piece.extend_from_slice(line(record, format).as_bytes());
        }
        query.after = page.next.filter(|_| !is_paged);
        Ok::<_, IdentityError>(Some((Bytes::from(piece), (call, query, None, Bytes::new()))))
    });
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit.csv\""),
        _ => ("application/x-ndjson", "attachment; filename=\"audit.jsonl\""),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    (headers, Body::from_stream(pieces)).into_response()
}

const COLUMNS: [&str; 16] = [
    "seq",
    "time",
    "actor_type",
    "actor_id",
    "actor_name",
    "action",
    "target_type",
    "target_id",
    "target_name",
    "instance_id",
    "outcome",
    "details",
    "ip",
    "user_agent",
    "request_id",
    "hash",
];

fn line(record: AuditRecord, format: Format) -> String {
    if format == Format::Lines {
        return format!("{}\n", shown(record));
    }
    let optional = |text: Option<String>| text.unwrap_or_default();
    let cells = [
        record.seq.to_string(),
        rfc3339(record.time_us),
        record.actor_type,
        record.actor_id,
        record.actor_name,
        record.action,
        record.target_type,
        record.target_id,
        record.target_name,
        optional(record.instance_id),
        record.outcome,
        record.details.to_string(),
        optional(record.ip),
        optional(record.user_agent),
        optional(record.request_id),
        record.hash,
    ];
    let cells: Vec<Cow<'_, str>> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell as RFC 4180 has it. What a spreadsheet would take for a formula gets an apostrophe: names are chosen by people.
fn cell(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !text.contains([',', '"', '\r', '\n']) {
        return text.into();
    }
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\"")).into()
}

fn shown(record: AuditRecord) -> Value {
    json!({
        "seq": record.seq,
        "time": rfc3339(record.time_us),
        "actor": { "type": record.actor_type, "id": record.actor_id, "name": record.actor_name },
        "action": record.action,
        "target": { "type": record.target_type, "id": record.target_id, "name": record.target_name },
        "instance_id": record.instance_id,
        "outcome": record.outcome,
        "details": record.details,
        "ip": record.ip,
        "user_agent": record.user_agent,
        "request_id": record.request_id,
        "hash": record.hash,
    })
}

fn query(call: &Call) -> Result<(AuditQuery, Format), ConfigProblem> {
    let wrong = |name: &str, message: &str| ConfigProblem::from(ConfigError::field(name, format!("{name} {message}")));
    let Query(pairs) =
        Query::<Vec<(String, String)>>::try_from_uri(&call.uri).map_err(|_| wrong("query", "cannot be read"))?;
    let time = |name: &str, value: &str| {
        let time = value.parse::<jiff::Timestamp>();
        time.map(|time| Some(time.as_microsecond()))
            .map_err(|_| wrong(name, "must be a time like 2030-01-31T12:00:00Z"))
    };
    let (mut query, mut format) = (AuditQuery::default(), Format::Json);
    for (name, value) in pairs {
        match name.as_str() {
            "org_id" => query.org_id = Some(value),
            _ if value.is_empty() => {}
            "actor_id" => query.actor_id = Some(value),
            "action" => query.action = Some(value),
            "target_type" => query.target_type = Some(value),
            "target_id" => query.target_id = Some(value),
            "since" => query.since_us = time("since", &value)?,
            "until" => query.until_us = time("until", &value)?,
            "after" => query.after = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=PIECE).contains(limit));
                query.limit = limit.ok_or_else(|| wrong("limit", "must be a number from 1 to 1000"))?;
            }
            "format" => {
                format = match value.as_str() {
                    "json" => Format::Json,
                    "jsonl" => Format::Lines,
                    "csv" => Format::Csv,
                    _ => return Err(wrong("format", "must be json, jsonl or csv")),
                }
            }
            _ => {}
        }
    }
    Ok((query, format))
}

/// A key in the address is not passed on.
fn without_key(pairs: &[&str]) -> String {
    let pairs: Vec<&str> = pairs.iter().copied().filter(|pair| !pair.starts_with("key=")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_text_and_nothing_else() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("@x"), "\"'@x\"");
    }
}
