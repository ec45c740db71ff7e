//! Events: taken from callers, shown by thing, counted, as a feed of sentences, and as a stream.

use axum::{
    extract::{Path, Query, rejection::PathRejection},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::{
    call::{Call, answer},
    problem::ConfigProblem,
};
use crate::{
    clock::rfc3339,
    http::{
        event_stream::{self, shown},
        table::Table,
    },
    services::{
        config::ConfigError,
        events::{EventsError, Posted, Wanted},
        identity::IdentityError,
    },
    store::events::{FeedFilter, FeedRow},
};

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 1_000;
const MAX_OFFSET: i64 = 1_000_000;
/// Most lines that are marked as read at once.
const MAX_IDS: usize = 1_000;

type Entity = Result<Path<(String, String)>, PathRejection>;

pub fn routes(table: Table) -> Table {
    table
        .post("/events", post)
        .get("/events/stats", stats)
        .get("/events/stream", follow)
        .get("/events/{type}/{id}", of)
        .get("/activity", feed)
        .post("/activity/read", read)
}

impl From<EventsError> for ConfigProblem {
    fn from(error: EventsError) -> Self {
        match error {
            EventsError::Denied(denied) => ConfigError::Denied(denied).into(),
            EventsError::Invalid { field, message } => ConfigError::field(field, message).into(),
            EventsError::Busy => IdentityError::Busy.into(),
            EventsError::Store(error) => ConfigError::Store(error).into(),
        }
    }
}

/// The query, by name; empty values count as absent.
struct Parameters(Map<String, Value>);

impl Parameters {
    fn of(call: &Call) -> Result<Self, ConfigProblem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&call.uri)
            .map_err(|_| ConfigError::field("query", "The query cannot be read"))?;
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(Self(given.map(|(name, value)| (name, value.into())).collect()))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn required(&self, name: &str) -> Result<String, ConfigProblem> {
        self.text(name).ok_or_else(|| required(name))
    }

    fn number(&self, name: &str, absent: i64, least: i64, most: i64) -> Result<i64, ConfigProblem> {
        let Some(text) = self.text(name) else { return Ok(absent) };
        let wrong = || ConfigError::field(name, format!("{name} must be a number from {least} to {most}"));
        Ok(text.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(wrong)?)
    }

    fn page(&self) -> Result<(i64, i64), ConfigProblem> {
        Ok((self.number("limit", DEFAULT_PAGE, 1, MAX_PAGE)?, self.number("offset", 0, 0, MAX_OFFSET)?))
    }
}

fn required(name: &str) -> ConfigProblem {
    ConfigError::field(name, format!("{name} is required")).into()
}

async fn post(call: Call) -> Response {
    answer(call, async move |mut call| {
        let body = call.object().await?;
        let text = |name: &str| match body.get(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
            // Ids may be numbers elsewhere.
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            None | Some(Value::Null | Value::String(_)) => Ok(None),
            Some(_) => Err(ConfigProblem::from(ConfigError::field(name, format!("{name} must be a text")))),
        };
        let needed = |name: &str| text(name)?.ok_or_else(|| required(name));
        let posted = Posted {
            tenant_id: needed("tenant_id")?,
            action: needed("action")?,
            eventable_type: needed("eventable_type")?,
            eventable_id: needed("eventable_id")?,
            user_id: text("user_id")?,
            particulars: body.get("particulars").filter(|value| !value.is_null()).cloned().unwrap_or_else(|| json!({})),
        };
        let event = call.state.events.post(&call.author, posted).await?;
        Ok(call.data(shown(event)))
    })
    .await
}

async fn stats(call: Call) -> Response {
    answer(call, async move |call| {
        let events = &call.state.events;
        events.may_read(&call.author.caller)?;
        let given = Parameters::of(&call)?;
        let tenant_id = given.required("tenant_id")?;
        let since_us = match given.text("since") {
            None => 0,
            Some(since) => time(&since).ok_or_else(|| {
                ConfigError::field("since", "since must be a time like 2026-01-31T12:00:00Z, or a day like 2026-01-31")
            })?,
        };
        let counts = events.stats(&call.author.caller, &tenant_id, since_us).await?;
        let total: i64 = counts.values().sum();
        Ok(call.data(json!({ "total_events": total, "by_action": counts })))
    })
    .await
}

async fn of(entity: Entity, call: Call) -> Response {
    answer(call, async move |call| {
        let events = &call.state.events;
        events.may_read(&call.author.caller)?;
        let (limit, offset) = Parameters::of(&call)?.page()?;
        // An id that is no text names nothing.
        let rows = match &entity {
            Ok(Path((kind, id))) => events.of(&call.author.caller, (kind, id), limit, offset).await?,
            Err(_) => Vec::new(),
        };
        Ok(call.data(rows.into_iter().map(shown).collect()))
    })
    .await
}

async fn feed(call: Call) -> Response {
    answer(call, async move |call| {
        let events = &call.state.events;
        events.may_read(&call.author.caller)?;
        let given = Parameters::of(&call)?;
        let (limit, offset) = given.page()?;
        let filter = FeedFilter {
            org_id: String::new(),
            tenant_id: given.required("tenant_id")?,
            feed_type: given.text("feed_type"),
            user_id: given.text("user_id"),
            unread_only: given.text("unread_only").is_some_and(|value| value == "true" || value == "1"),
        };
        let rows = events.feed(&call.author.caller, filter, limit, offset).await?;
        Ok(call.data(rows.into_iter().map(line).collect()))
    })
    .await
}

async fn read(call: Call) -> Response {
    answer(call, async move |mut call| {
        let body = call.object().await?;
        let tenant_id = body.get("tenant_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let tenant_id = tenant_id.ok_or_else(|| required("tenant_id"))?;
        let no_list = || ConfigError::field("feed_item_ids", "feed_item_ids array is required");
        let ids = body.get("feed_item_ids").and_then(Value::as_array).ok_or_else(no_list)?;
        if ids.len() > MAX_IDS {
            return Err(ConfigError::field("feed_item_ids", format!("feed_item_ids has at most {MAX_IDS} ids")).into());
        }
        let ids: Option<Vec<String>> = ids.iter().map(|id| id.as_str().map(str::to_owned)).collect();
        let ids = ids.ok_or_else(|| ConfigError::field("feed_item_ids", "feed_item_ids must be texts"))?;
        let marked = call.state.events.read(&call.author.caller, tenant_id, &ids).await?;
        Ok(call.data(json!({ "marked_count": marked })))
    })
    .await
}

async fn follow(call: Call) -> Response {
    answer(call, async move |call| {
        let events = &call.state.events;
        events.may_read(&call.author.caller)?;
        let given = Parameters::of(&call)?;
        let instance = given.text("instance_id");
        let wanted = Wanted {
            tenant_id: given.text("tenant_id").or(instance),
            actions: given
                .text("action")
                .map(|actions| actions.split(',').map(|action| action.trim().to_owned()).collect())
                .unwrap_or_default(),
            eventable_type: given.text("eventable_type"),
            eventable_id: given.text("eventable_id"),
        };
        let seen = call.header("last-event-id").map(str::to_owned).or_else(|| given.text("after"));
        let wrong = || ConfigError::field("Last-Event-ID", "Last-Event-ID must be the id of an event of this stream");
        let after = seen.map(|seen| seen.parse::<i64>().ok().filter(|seq| *seq >= 0).ok_or_else(wrong)).transpose()?;
        let (found, place) = events.follow(&call.author.caller, wanted, after).await?;
        Ok(event_stream::respond(found, place, call.state.settings.gateway.keep_alive))
    })
    .await
}

fn line(row: FeedRow) -> Value {
    json!({
        "id": row.id,
        "tenant_id": row.tenant_id,
        "user_id": row.user_id,
        "event_id": row.event_id,
        "feed_type": row.feed_type,
        "title": row.title,
        "description": row.description,
        "icon": row.icon,
        "link": row.link,
        "metadata": row.metadata,
        "is_read": row.is_read,
        "created_at": rfc3339(row.created_us),
    })
}

/// A moment or a day, as RFC 3339 writes them.
fn time(text: &str) -> Option<i64> {
    let moment = || text.parse::<jiff::Timestamp>().ok();
    let day = || Some(text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    moment().or_else(day).map(|at| at.as_microsecond())
}
