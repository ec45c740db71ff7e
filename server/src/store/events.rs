//! Events, in the transaction of what they tell, and the activity feed that is made of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{rows::insert_rows, sql::Sql};

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

/// Writes events and their lines of the feed inside a transaction. SQLite's one writer numbers them at once; on Postgres
/// [`super::Db::sequence_events`] does, once they are visible.
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
