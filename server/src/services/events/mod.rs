//! What happened: events are made here, written in the transaction of what they tell, read as lists, counts and a stream.

mod build;
mod live;

use std::{collections::BTreeMap, sync::Arc};

use app::types::Role;
use futures::{Stream, StreamExt, future, stream};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub use build::{Draft, build, storable};
pub use live::Live;

use super::{
    catalog::Catalog,
    config::Author,
    identity::{Caller, Deed, Denied, Place, may},
};
use crate::{
    clock::Clock,
    shutdown::Tasks,
    store::{
        Db, StoreError,
        events::{EventFilter, EventRow, FeedFilter, FeedRow},
    },
};

/// Streams at a time, of all callers.
const STREAMS: usize = 1_000;
/// Events of one request that are read at once; one with more began again and again.
const MOST_OF_A_LIFE: i64 = 1_000;
/// Longest action, type or id of a posted event, in bytes.
const LONGEST_NAME: usize = 200;
/// Most bytes of a posted event's particulars.
const MOST_PARTICULARS: usize = 65_536;

/// Why events are not shown or taken.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error("too many streams of events are open; close one of them")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An event of somebody else's.
#[derive(Debug, Clone, Default)]
pub struct Posted {
    pub tenant_id: String,
    pub action: String,
    pub eventable_type: String,
    pub eventable_id: String,
    pub user_id: Option<String>,
    pub particulars: Value,
}

/// Which events somebody wants to follow.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub tenant_id: Option<String>,
    pub actions: Vec<String>,
    pub eventable_type: Option<String>,
    pub eventable_id: Option<String>,
}

/// Takes, shows and counts events.
#[derive(Clone)]
pub struct Events {
    db: Db,
    catalog: Arc<Catalog>,
    clock: Clock,
    live: Live,
    streams: Arc<Semaphore>,
}

impl Events {
    /// Streams end when `stop` is cancelled.
    pub fn start(db: Db, catalog: Arc<Catalog>, clock: Clock, stop: CancellationToken, tasks: &Tasks) -> Self {
        let live = Live::start(db.clone(), clock.clone(), stop, tasks);
        Self { db, catalog, clock, live, streams: Arc::new(Semaphore::new(STREAMS)) }
    }

    /// Events as they become visible.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Writes an event of the caller's own making.
    pub async fn post(&self, author: &Author, posted: Posted) -> Result<EventRow, EventsError> {
        let org_id = self.organization(&author.caller, Deed::Jobs, &posted.tenant_id)?;
        let names = [
            ("tenant_id", &posted.tenant_id),
            ("action", &posted.action),
            ("eventable_type", &posted.eventable_type),
            ("eventable_id", &posted.eventable_id),
        ];
        for (field, name) in names {
            if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                let message = format!("{field} has at most {LONGEST_NAME} bytes, and no control characters");
                return Err(EventsError::Invalid { field, message });
            }
        }
        if !posted.particulars.is_object() {
            let message = "particulars must be an object".to_owned();
            return Err(EventsError::Invalid { field: "particulars", message });
        }
        if posted.particulars.to_string().len() > MOST_PARTICULARS {
            let message = format!("particulars have at most {MOST_PARTICULARS} bytes");
            return Err(EventsError::Invalid { field: "particulars", message });
        }
        let draft = Draft {
            action: &posted.action,
            org_id: &org_id,
            tenant_id: &posted.tenant_id,
            user_id: posted.user_id.as_deref(),
            eventable: (&posted.eventable_type, &posted.eventable_id),
            particulars: posted.particulars,
            ip_address: author.ip.clone(),
            user_agent: author.user_agent.clone(),
        };
        let new = build(&self.clock, draft);
        self.db.insert_events(std::slice::from_ref(&new)).await?;
        self.live.wake();
        Ok(new.event)
    }

    /// What happened to one thing, newest first.
    pub async fn of(
        &self,
        who: &Caller,
        eventable: (&str, &str),
        limit: i64,
        offset: i64,
    ) -> Result<Vec<EventRow>, EventsError> {
        let filter = self.reach(who)?;
        Ok(self.db.events_of(&filter, eventable, limit, offset).await?)
    }

    /// How many events of each action there were since a time.
    pub async fn stats(
        &self,
        who: &Caller,
        tenant_id: &str,
        since_us: i64,
    ) -> Result<BTreeMap<String, i64>, EventsError> {
        let org_id = self.organization(who, Deed::Read, tenant_id)?;
        Ok(self.db.count_events(&org_id, tenant_id, since_us).await?)
    }

    /// Lines of a tenant's feed, newest first. The organization of the filter is found here.
    pub async fn feed(
        &self,
        who: &Caller,
        filter: FeedFilter,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<FeedRow>, EventsError> {
        let org_id = self.organization(who, Deed::Read, &filter.tenant_id)?;
        Ok(self.db.feed(&FeedFilter { org_id, ..filter }, limit, offset).await?)
    }

    /// Marks lines of a tenant's feed as read; how many were not before.
    pub async fn read(&self, who: &Caller, tenant_id: &str, ids: &[String]) -> Result<u64, EventsError> {
        let org_id = self.organization(who, Deed::Jobs, tenant_id)?;
        Ok(self.db.read_feed(&org_id, tenant_id, ids).await?)
    }

    /// Events as they become visible, after the one with the number `after`, or from now on. The place is given back when
    /// the permit is dropped.
    pub async fn follow(
        &self,
        who: &Caller,
        wanted: Wanted,
        after: Option<i64>,
    ) -> Result<(impl Stream<Item = EventRow> + Send + use<>, OwnedSemaphorePermit), EventsError> {
        let mut filter = self.reach(who)?;
        if let Some(tenant_id) = wanted.tenant_id {
            filter.org_id = Some(self.organization(who, Deed::Read, &tenant_id)?);
            filter.tenant_id = Some(tenant_id);
        }
        filter.actions = wanted.actions;
        filter.eventable_type = wanted.eventable_type;
        filter.eventable_id = wanted.eventable_id;
        let place = self.streams.clone().try_acquire_owned().map_err(|_| EventsError::Busy)?;
        let after = match after {
            Some(after) => after,
            None => self.live.now().await?,
        };
        Ok((self.live.subscribe(filter, Some(after)), place))
    }

    /// Whether somebody may read at all.
    /// The whole life of one request of the caller's: what happened after the event with the number `after`, and what happens
    /// until it is over. The caller was let in already.
    pub async fn life_of(
        &self,
        request_id: &str,
        after: i64,
    ) -> Result<(impl Stream<Item = EventRow> + Send + use<>, OwnedSemaphorePermit), EventsError> {
        let place = self.streams.clone().try_acquire_owned().map_err(|_| EventsError::Busy)?;
        let now = self.live.now().await?;
        let filter = EventFilter {
            eventable_type: Some("request".to_owned()),
            eventable_id: Some(request_id.to_owned()),
            ..EventFilter::default()
        };
        let mut before = self.db.events_of(&EventFilter::default(), ("request", request_id), MOST_OF_A_LIFE, 0).await?;
        before.retain(|event| event.seq.is_some_and(|seq| seq > after && seq <= now));
        before.sort_by_key(|event| event.seq);
        let later = self.live.subscribe(filter, Some(now.max(after)));
        let mut is_over = false;
        let life = stream::iter(before).chain(later).take_while(move |event| {
            let goes_on = !is_over;
            is_over = matches!(event.action.as_str(), "request.completed" | "request.failed" | "request.cancelled");
            future::ready(goes_on)
        });
        Ok((life, place))
    }

    /// Whether the caller may read events at all.
    pub fn may_read(&self, who: &Caller) -> Result<(), EventsError> {
        Ok(may(who, Deed::Read, who.place())?)
    }

    /// The organization that a tenant is looked for in. A tenant that is an instance is its organization's, and only for those
    /// who may enter it; others are the caller's own names.
    fn organization(&self, who: &Caller, deed: Deed, tenant_id: &str) -> Result<String, EventsError> {
        may(who, deed, who.place())?;
        let snapshot = self.catalog.snapshot();
        let Some(instance) = snapshot.instances.get(tenant_id) else { return Ok(who.org_id.clone()) };
        may(who, deed, Place::Instance { org_id: &instance.org_id, instance_id: &instance.id })?;
        Ok(instance.org_id.clone())
    }

    /// Superadmins see everything, others what is their organization's, but for instances that are closed to them.
    fn reach(&self, who: &Caller) -> Result<EventFilter, EventsError> {
        may(who, Deed::Read, who.place())?;
        if who.role == Role::Superadmin {
            return Ok(EventFilter::default());
        }
        let snapshot = self.catalog.snapshot();
        let closed = snapshot.instances.values().filter(|instance| {
            instance.org_id == who.org_id
                && may(who, Deed::Read, Place::Instance { org_id: &instance.org_id, instance_id: &instance.id })
                    .is_err()
        });
        let closed = closed.map(|instance| instance.id.clone()).collect();
        Ok(EventFilter { org_id: Some(who.org_id.clone()), closed, ..EventFilter::default() })
    }
}
