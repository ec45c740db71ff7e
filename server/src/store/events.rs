//! Events, in the transaction of what they tell, and the activity feed that is made of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;

use super::{
    Db, StoreError,
    rows::{cell, insert_rows, over_rows, write_rows},
    sql::Sql,
};

/// Events are counted by the hour.
const HOUR_US: i64 = 3_600_000_000;

/// A row of `events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct EventRow {
    pub id: String,
    /// The place in the order of all events; none until it has one (see [`events!`]).
    pub seq: Option<i64>,
    pub org_id: String,
    /// The instance, for the platform's own events; opaque for posted ones.
    pub tenant_id: String,
    pub user_id: Option<String>,
    /// `request.created`, …
    pub action: String,
    pub eventable_type: String,
    pub eventable_id: String,
    /// An object.
    pub particulars: Value,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub created_us: i64,
}

/// A row of `activity_feed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct FeedRow {
    pub id: String,
    pub org_id: String,
    pub tenant_id: String,
    pub user_id: Option<String>,
    pub event_id: String,
    /// `user` or `global`.
    pub feed_type: String,
    pub title: String,
    pub description: String,
    pub icon: String,
    pub link: Option<String>,
    /// `{"action", "eventable_type"}`.
    pub metadata: Value,
    pub is_read: bool,
    pub created_us: i64,
}

/// An event and its line in the feed, if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    pub event: EventRow,
    pub feed: Option<FeedRow>,
}

/// Which events somebody may see, and wants to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub org_id: Option<String>,
    /// Tenants whose events are left out.
    pub closed: Vec<String>,
    pub tenant_id: Option<String>,
    /// One of these; any when empty.
    pub actions: Vec<String>,
    pub eventable_type: Option<String>,
    pub eventable_id: Option<String>,
}

impl EventFilter {
    /// The same as the conditions of [`Db::events_after`].
    pub fn takes(&self, event: &EventRow) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&self.org_id, &event.org_id)
            && !self.closed.contains(&event.tenant_id)
            && is(&self.tenant_id, &event.tenant_id)
            && (self.actions.is_empty() || self.actions.contains(&event.action))
            && is(&self.eventable_type, &event.eventable_type)
            && is(&self.eventable_id, &event.eventable_id)
    }
}

/// Which lines of the feed; empty fields do not narrow.
#[derive(Debug, Clone, Default)]
pub struct FeedFilter {
    pub org_id: String,
    pub tenant_id: String,
    pub feed_type: Option<String>,
    /// This person's lines, and those that are nobody's.
    pub user_id: Option<String>,
    pub unread_only: bool,
}

/// A row of `event_counts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::store) struct CountRow {
    org_id: String,
    tenant_id: String,
    hour_us: i64,
    action: String,
    first_seq: i64,
    last_seq: i64,
    count: i64,
}

/// An event that was given its number.
#[derive(sqlx::FromRow)]
struct Numbered {
    seq: i64,
    org_id: String,
    tenant_id: String,
    action: String,
    created_us: i64,
}

/// Writes events and their lines of the feed inside a transaction. SQLite's one writer numbers and counts them at once; on
/// Postgres [`super::Db::sequence_events`] does, once they are visible.
macro_rules! events {
    ($db:expr, $t:expr, $events:expr) => {{
        let mut events: Vec<&$crate::store::events::NewEvent> = $events;
        events.sort_by_key(|new| new.event.created_us);
        let mut rows: Vec<$crate::store::events::EventRow> = events.iter().map(|new| new.event.clone()).collect();
        let feed: Vec<&$crate::store::events::FeedRow> = events.iter().filter_map(|new| new.feed.as_ref()).collect();
        if !rows.is_empty() {
            if let $crate::store::Db::Sqlite(_) = $db {
                let count = i64::try_from(rows.len()).unwrap_or(0);
                let last: i64 =
                    sqlx::query_scalar($crate::store::events::NUMBERS).bind(count).fetch_one(&mut *$t).await?;
                rows.iter_mut().zip(last - count + 1..).for_each(|(row, seq)| row.seq = Some(seq));
            }
            $crate::store::rows::write_rows!($db, $t, $crate::store::events::INSERT_EVENTS, rows);
            if let $crate::store::Db::Sqlite(_) = $db {
                let counts = $crate::store::events::counted(&rows);
                $crate::store::rows::write_rows!($db, $t, $crate::store::events::COUNT_EVENTS, counts);
            }
            $crate::store::rows::write_rows!($db, $t, $crate::store::events::INSERT_FEED, feed);
        }
    }};
}
pub(in crate::store) use events;

pub(in crate::store) const NUMBERS: &str =
    "UPDATE event_sequence SET last = last + $1 WHERE name = 'events' RETURNING last";

pub(in crate::store) const INSERT_EVENTS: Sql = insert_rows!("events";
    text id, int seq, text org_id, text tenant_id, text user_id, text action, text eventable_type, text eventable_id,
    json particulars, text ip_address, text user_agent, int created_us);

pub(in crate::store) const INSERT_FEED: Sql = insert_rows!("activity_feed";
    text id, text org_id, text tenant_id, text user_id, text event_id, text feed_type, text title, text description,
    text icon, text link, json metadata, bool is_read, int created_us);

pub(in crate::store) const COUNT_EVENTS: Sql = over_rows!(
    concat!(
        "INSERT INTO event_counts (org_id, tenant_id, hour_us, action, first_seq, last_seq, count) SELECT ",
        cell!(text org_id),
        ", ",
        cell!(text tenant_id),
        ", ",
        cell!(int hour_us),
        ", ",
        cell!(text action),
        ", ",
        cell!(int first_seq),
        ", ",
        cell!(int last_seq),
        ", ",
        cell!(int count),
        " FROM"
    ),
    "WHERE TRUE ON CONFLICT (org_id, tenant_id, hour_us, action)
     DO UPDATE SET last_seq = excluded.last_seq, count = event_counts.count + excluded.count"
);

/// The counts of events that have their numbers.
pub(in crate::store) fn counted(rows: &[EventRow]) -> Vec<CountRow> {
    let numbered = rows.iter().filter_map(|row| {
        Some((row.seq?, row.org_id.as_str(), row.tenant_id.as_str(), row.action.as_str(), row.created_us))
    });
    count(numbered)
}

fn count<'a>(events: impl Iterator<Item = (i64, &'a str, &'a str, &'a str, i64)>) -> Vec<CountRow> {
    let mut counts = BTreeMap::new();
    for (seq, org_id, tenant_id, action, created_us) in events {
        let hour_us = created_us.div_euclid(HOUR_US) * HOUR_US;
        let (first, last, count) = counts.entry((org_id, tenant_id, hour_us, action)).or_insert((seq, seq, 0_i64));
        (*first, *last, *count) = ((*first).min(seq), (*last).max(seq), *count + 1);
    }
    let rows =
        counts.into_iter().map(|((org_id, tenant_id, hour_us, action), (first_seq, last_seq, count))| CountRow {
            org_id: org_id.to_owned(),
            tenant_id: tenant_id.to_owned(),
            hour_us,
            action: action.to_owned(),
            first_seq,
            last_seq,
            count,
        });
    rows.collect()
}

// Only Postgres: whoever holds the row of event_sequence sees everything that was numbered before, and numbers what is
// visible and has no number.
const HOLD_SEQUENCE: &str = "SELECT last FROM event_sequence WHERE name = 'events' FOR UPDATE";
const NUMBER: &str = "WITH numbered AS (
        SELECT id, $1 + ROW_NUMBER() OVER (ORDER BY created_us, id) AS number FROM
            (SELECT id, created_us FROM events WHERE seq IS NULL ORDER BY created_us, id LIMIT $2) AS waiting)
    UPDATE events SET seq = numbered.number FROM numbered WHERE events.id = numbered.id
    RETURNING events.seq, events.org_id, events.tenant_id, events.action, events.created_us";
const IS_WAITING: &str = "SELECT EXISTS (SELECT 1 FROM events WHERE seq IS NULL)";
const NEWEST: &str = "SELECT last FROM event_sequence WHERE name = 'events'";

macro_rules! columns {
    () => {
        "id, seq, org_id, tenant_id, user_id, action, eventable_type, eventable_id, particulars, ip_address, user_agent,
         created_us"
    };
}

/// The same statement with the function that makes rows of a list of texts.
macro_rules! with_each {
    ($before:expr, $after:expr) => {
        Sql {
            sqlite: concat!($before, "json_each", $after),
            postgres: concat!($before, "jsonb_array_elements_text", $after),
        }
    };
}

macro_rules! after {
    ($each:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM events WHERE seq > $1 AND seq <= $2 AND ($3 IS NULL OR org_id = $3)
             AND tenant_id NOT IN (SELECT value FROM ",
            $each,
            "($4)) AND ($5 IS NULL OR tenant_id = $5) AND ($6 IS NULL OR action IN (SELECT value FROM ",
            $each,
            "($6))) AND ($7 IS NULL OR eventable_type = $7) AND ($8 IS NULL OR eventable_id = $8)
             ORDER BY seq LIMIT $9"
        )
    };
}
const AFTER: Sql = Sql { sqlite: after!("json_each"), postgres: after!("jsonb_array_elements_text") };
const OF_ENTITY: Sql = with_each!(
    concat!(
        "SELECT ",
        columns!(),
        " FROM events WHERE eventable_type = $1 AND eventable_id = $2 AND ($3 IS NULL OR org_id = $3)
         AND tenant_id NOT IN (SELECT value FROM "
    ),
    "($4)) ORDER BY created_us DESC, id DESC LIMIT $5 OFFSET $6"
);

const COUNTS: &str = "SELECT action, CAST(SUM(count) AS BIGINT) FROM event_counts
    WHERE org_id = $1 AND tenant_id = $2 AND hour_us >= $3 GROUP BY action";
const WITHIN: &str = "SELECT MIN(first_seq), MAX(last_seq) FROM event_counts
    WHERE org_id = $1 AND tenant_id = $2 AND hour_us = $3";
const COUNT_WITHIN: &str = "SELECT action, COUNT(*) FROM events
    WHERE org_id = $1 AND tenant_id = $2 AND seq BETWEEN $3 AND $4 AND created_us >= $5 AND created_us < $6
    GROUP BY action";
const COUNT_UNNUMBERED: &str = "SELECT action, COUNT(*) FROM events
    WHERE seq IS NULL AND org_id = $1 AND tenant_id = $2 AND created_us >= $3 GROUP BY action";

macro_rules! feed {
    ($unread:literal) => {
        concat!(
            "SELECT id, org_id, tenant_id, user_id, event_id, feed_type, title, description, icon, link, metadata,
                 is_read, created_us
             FROM activity_feed WHERE org_id = $1 AND tenant_id = $2 AND ($3 IS NULL OR feed_type = $3)
                 AND ($4 IS NULL OR user_id = $4 OR user_id IS NULL)",
            $unread,
            " ORDER BY created_us DESC, id DESC LIMIT $5 OFFSET $6"
        )
    };
}
const FEED: &str = feed!("");
const UNREAD: &str = feed!(" AND NOT is_read");
const READ: Sql = with_each!(
    "UPDATE activity_feed SET is_read = TRUE
     WHERE org_id = $1 AND tenant_id = $2 AND NOT is_read AND id IN (SELECT value FROM ",
    "($3))"
);

impl Db {
    /// Writes events that tell of nothing else in the database.
    pub async fn insert_events(&self, events: &[NewEvent]) -> Result<(), StoreError> {
        tx!(self, |t| {
            events!(self, t, events.iter().collect());
        });
        Ok(())
    }

    /// Numbers and counts what is visible and has no number yet, at most `most` events; how many. Numbers become visible in
    /// their order. On SQLite there is nothing to do.
    pub async fn sequence_events(&self, most: i64) -> Result<usize, StoreError> {
        let Db::Postgres(pool) = self else { return Ok(0) };
        // Looking costs less than locking.
        if !sqlx::query_scalar::<_, bool>(IS_WAITING).fetch_one(pool).await? {
            return Ok(0);
        }
        let mut t = pool.begin().await?;
        let last: i64 = sqlx::query_scalar(HOLD_SEQUENCE).fetch_one(&mut *t).await?;
        let rows: Vec<Numbered> = sqlx::query_as(NUMBER).bind(last).bind(most).fetch_all(&mut *t).await?;
        if !rows.is_empty() {
            let many = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            sqlx::query_scalar::<_, i64>(NUMBERS).bind(many).fetch_one(&mut *t).await?;
            let numbered =
                rows.iter().map(|row| (row.seq, &*row.org_id, &*row.tenant_id, &*row.action, row.created_us));
            let counts = count(numbered);
            write_rows!(self, t, COUNT_EVENTS, counts);
        }
        t.commit().await?;
        Ok(rows.len())
    }

    /// The number of the newest event that has one.
    pub async fn newest_seq(&self) -> Result<i64, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(NEWEST).fetch_one(c).await)?)
    }

    /// Events with numbers above `after` and up to `until`, in their order.
    pub async fn events_after(
        &self,
        filter: &EventFilter,
        after: i64,
        until: i64,
        limit: i64,
    ) -> Result<Vec<EventRow>, StoreError> {
        let actions = (!filter.actions.is_empty()).then_some(Json(&filter.actions));
        let rows = db!(self, |c| {
            let query = sqlx::query_as(AFTER.of(self)).bind(after).bind(until).bind(&filter.org_id);
            let query = query.bind(Json(&filter.closed)).bind(&filter.tenant_id).bind(actions);
            query.bind(&filter.eventable_type).bind(&filter.eventable_id).bind(limit).fetch_all(c).await
        });
        Ok(rows?)
    }

    /// What happened to one thing, newest first. Of the filter, the organization and the closed tenants count.
    pub async fn events_of(
        &self,
        filter: &EventFilter,
        eventable: (&str, &str),
        limit: i64,
        offset: i64,
    ) -> Result<Vec<EventRow>, StoreError> {
        let rows = db!(self, |c| {
            let query = sqlx::query_as(OF_ENTITY.of(self)).bind(eventable.0).bind(eventable.1).bind(&filter.org_id);
            query.bind(Json(&filter.closed)).bind(limit).bind(offset).fetch_all(c).await
        });
        Ok(rows?)
    }

    /// How many events of each action a tenant had since a time.
    pub async fn count_events(
        &self,
        org_id: &str,
        tenant_id: &str,
        since_us: i64,
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let hour_us = since_us.div_euclid(HOUR_US).saturating_mul(HOUR_US);
        // A time before all hours is the beginning of one.
        let next_us = if hour_us == since_us { hour_us } else { hour_us.saturating_add(HOUR_US) };
        let pieces = snapshot!(self, |t| {
            let query = sqlx::query_as(COUNTS).bind(org_id).bind(tenant_id).bind(next_us);
            let mut pieces: Vec<(String, i64)> = query.fetch_all(&mut *t).await?;
            let within: (Option<i64>, Option<i64>) =
                sqlx::query_as(WITHIN).bind(org_id).bind(tenant_id).bind(hour_us).fetch_one(&mut *t).await?;
            if let (Some(first), Some(last)) = within
                && next_us > hour_us
            {
                let query = sqlx::query_as(COUNT_WITHIN).bind(org_id).bind(tenant_id).bind(first).bind(last);
                let more: Vec<(String, i64)> = query.bind(since_us).bind(next_us).fetch_all(&mut *t).await?;
                pieces.extend(more);
            }
            let query = sqlx::query_as(COUNT_UNNUMBERED).bind(org_id).bind(tenant_id).bind(since_us);
            let more: Vec<(String, i64)> = query.fetch_all(&mut *t).await?;
            pieces.extend(more);
            pieces
        });
        let mut counts = BTreeMap::new();
        for (action, count) in pieces {
            *counts.entry(action).or_insert(0) += count;
        }
        Ok(counts)
    }

    /// Lines of a tenant's feed, newest first.
    pub async fn feed(&self, filter: &FeedFilter, limit: i64, offset: i64) -> Result<Vec<FeedRow>, StoreError> {
        let rows = db!(self, |c| {
            let query = sqlx::query_as(if filter.unread_only { UNREAD } else { FEED });
            let query = query.bind(&filter.org_id).bind(&filter.tenant_id).bind(&filter.feed_type);
            query.bind(&filter.user_id).bind(limit).bind(offset).fetch_all(c).await
        });
        Ok(rows?)
    }

    /// Marks lines as read; how many were not before.
    pub async fn read_feed(&self, org_id: &str, tenant_id: &str, ids: &[String]) -> Result<u64, StoreError> {
        let done = db_write!(self, |c| {
            let query = sqlx::query(READ.of(self)).bind(org_id).bind(tenant_id).bind(Json(ids));
            query.execute(c).await.map(|done| done.rows_affected())
        });
        Ok(done?)
    }
}
