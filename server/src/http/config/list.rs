//! Lists: everything the caller may see, or page by page.

use app::types::config::{FieldKind, Thing, ThingFilter};
use axum::{
    extract::Query,
    http::{HeaderValue, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    call::{Call, answer},
    problem::ConfigProblem,
};
use crate::services::config::{ConfigError, MOST};

/// Most rows of a page.
const MAX_PAGE: u32 = 1_000;

pub async fn list(thing: &'static Thing, call: Call) -> Response {
    answer(call, async move |mut call| {
        let (filter, unknown) = filter(thing, &call)?;
        if !unknown.is_empty() {
            call.warn(format!("unknown parameters were ignored: {}", unknown.join(", ")));
        }
        let page = call.state.config.list(&call.author.caller, thing.kind, &filter).await?;
        if page.next.is_some() && filter.limit == 0 {
            call.warn(format!("only the first {MOST} are here; ask for pages with limit"));
        }
        let rows: Vec<Value> = page.rows.into_iter().map(|row| row.body.into()).collect();
        let data = if thing.kind == "model-config" {
            let total = match (&page.next, &filter.after) {
                (None, None) => u64::try_from(rows.len()).unwrap_or(u64::MAX),
                _ => call.state.config.count(&call.author.caller, thing.kind, &filter).await?,
            };
            json!({ "configs": rows, "models": rows, "total": total })
        } else {
            rows.into()
        };
        let mut response = call.data(data);
        if let Some(next) = page.next.filter(|_| filter.limit > 0) {
            let link = format!("<{}>; rel=\"next\"", next_page(&call, thing, &next));
            if let Ok(value) = HeaderValue::from_str(&link) {
                response.headers_mut().insert(header::LINK, value);
            }
        }
        Ok(response)
    })
    .await
}

/// The address of the page after the one that ends at `next`.
fn next_page(call: &Call, thing: &Thing, next: &str) -> String {
    let query = call.uri.query().unwrap_or_default();
    let others: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after=")).collect();
    format!("/config/{}?{}&after={next}", thing.kind, others.join("&"))
}

/// What the query asks for, and parameters that mean nothing.
fn filter(thing: &Thing, call: &Call) -> Result<(ThingFilter, Vec<String>), ConfigProblem> {
    let wrong = |name: &str, message: &str| ConfigProblem::from(ConfigError::field(name, message));
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&call.uri)
        .map_err(|_| wrong("query", "The query cannot be read"))?;
    let mut filter = ThingFilter::default();
    let mut unknown = Vec::new();
    for (name, value) in pairs {
        if value.is_empty() {
            continue;
        }
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
                filter.limit =
                    limit.ok_or_else(|| wrong("limit", &format!("limit must be a number from 1 to {MAX_PAGE}")))?;
            }
            "after" => filter.after = Some(value),
            "search" | "q" => filter.search = value,
            "sort" => {
                filter.descending = value.starts_with('-');
                filter.sort = value.trim_start_matches('-').to_owned();
            }
            "deleted" => filter.deleted = value == "true" || value == "1",
            "type" if thing.kind == "model-config" => filter.equal.push(("capabilities".to_owned(), value)),
            name if name == thing.id || thing.field(name).is_some_and(|field| field.kind != FieldKind::Time) => {
                let value = if value == "null" { String::new() } else { value };
                filter.equal.push((name.to_owned(), value));
            }
            "key" => {}
            _ => unknown.push(name),
        }
    }
    Ok((filter, unknown))
}
