//! Operations on all requests that a filter matches: begun at once, carried out in batches, watched while they go on.

use serde_json::json;

use super::{Inner, Router, RouterError};
use crate::{
    services::identity::{Caller, Deed, Place, may},
    store::{
        Page, StoreError,
        jobs::{BulkRow, RequestFilter, RequestRow, Sort},
    },
};

/// Requests in one step.
const BATCH: i64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkKind {
    Cancel,
    Redrive,
    Purge,
}

impl BulkKind {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "cancel" => Self::Cancel,
            "redrive" => Self::Redrive,
            "purge" => Self::Purge,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Redrive => "redrive",
            Self::Purge => "purge",
        }
    }
}

/// An operation as somebody asks for it.
#[derive(Debug, Clone)]
pub struct BulkDraft {
    pub kind: BulkKind,
    pub filter: RequestFilter,
}

impl Router {
    /// Begins an operation on the requests of one instance that are there now.
    pub async fn begin_bulk(
        &self,
        caller: &Caller,
        actor_name: &str,
        draft: BulkDraft,
    ) -> Result<BulkRow, RouterError> {
        let mut filter = draft.filter;
        let instance_id = filter.instance_id.take().unwrap_or_else(|| caller.instance.id.clone());
        let org_id = self.organization(&instance_id)?;
        let deed = if draft.kind == BulkKind::Purge { Deed::Administer } else { Deed::Jobs };
        may(caller, deed, Place::Instance { org_id: &org_id, instance_id: &instance_id })?;
        filter.instance_id = Some(instance_id.clone());
        let now_us = self.0.now_us();
        // What comes later is not meant.
        filter.until_us = Some(filter.until_us.map_or(now_us + 1, |until_us| until_us.min(now_us + 1)));
        let row = BulkRow {
            id: self.0.clock.new_id().to_string(),
            org_id,
            instance_id,
            kind: draft.kind.as_str().to_owned(),
            filter: json!(filter),
            state: "running".to_owned(),
            cursor: None,
            done: 0,
            skipped: 0,
            actor_name: actor_name.to_owned(),
            created_us: now_us,
            updated_us: now_us,
            completed_us: None,
        };
        self.0.db.insert_bulk(&row).await?;
        self.0.bulk.notify_one();
        Ok(row)
    }

    /// How far an operation is.
    pub async fn bulk(&self, caller: &Caller, id: &str) -> Result<BulkRow, RouterError> {
        let row = self.0.db.bulk(id).await?.ok_or(RouterError::NotFound)?;
        let place = Place::Instance { org_id: &row.org_id, instance_id: &row.instance_id };
        may(caller, Deed::Read, place).map_err(|_| RouterError::NotFound)?;
        Ok(row)
    }

    /// Stops an operation where it is.
    pub async fn stop_bulk(&self, caller: &Caller, id: &str) -> Result<(), RouterError> {
        let row = self.bulk(caller, id).await?;
        may(caller, Deed::Jobs, Place::Instance { org_id: &row.org_id, instance_id: &row.instance_id })?;
        Ok(self.0.db.stop_bulk(id, self.0.now_us()).await?)
    }

    /// The latest operations of an instance.
    pub async fn list_bulk(&self, caller: &Caller, page: &Page) -> Result<Vec<BulkRow>, RouterError> {
        may(caller, Deed::Read, caller.place())?;
        Ok(self.0.db.list_bulk(&caller.instance.id, page).await?)
    }
}

impl Inner {
    /// One batch of each open operation; whether any of them goes on.
    pub(super) async fn advance_bulk(&self) -> Result<bool, StoreError> {
        let mut goes_on = false;
        for row in self.db.open_bulk().await? {
            goes_on |= self.step(row).await?;
        }
        Ok(goes_on)
    }

    async fn step(&self, mut row: BulkRow) -> Result<bool, StoreError> {
        let filter: RequestFilter = serde_json::from_value(row.filter.clone()).unwrap_or_default();
        let before = row.cursor.clone();
        let after = before.as_deref().and_then(|cursor| {
            let (time, id) = cursor.split_once(':')?;
            Some((time.parse().ok()?, id.to_owned()))
        });
        let page = Page { after, limit: BATCH };
        let requests = self.db.list_work(&filter, Sort::OldestFirst, &page).await?;
        let looked_at = i64::try_from(requests.len()).unwrap_or(0);
        let done = match BulkKind::parse(&row.kind) {
            Some(BulkKind::Cancel) => self.cancel_some(&requests).await?,
            Some(BulkKind::Redrive) => self.redrive_some(requests.clone()).await?,
            Some(BulkKind::Purge) => {
                let ids: Vec<&str> = requests.iter().map(|request| &*request.id).collect();
                i64::try_from(self.db.purge_requests(&ids).await?).unwrap_or(0)
            }
            None => 0,
        };
        row.updated_us = self.now_us();
        row.cursor = requests.last().map(|last| format!("{}:{}", last.created_us, last.id)).or(row.cursor);
        (row.done, row.skipped) = (done, looked_at - done);
        let is_over = looked_at < BATCH;
        if is_over {
            row.state = "completed".to_owned();
            row.completed_us = Some(row.updated_us);
        }
        self.db.advance_bulk(&row, before.as_deref()).await?;
        self.tell();
        self.wake.notify_one();
        Ok(!is_over)
    }

    async fn cancel_some(&self, requests: &[RequestRow]) -> Result<i64, StoreError> {
        let live: Vec<RequestRow> = requests.iter().filter(|request| request.completed_us.is_none()).cloned().collect();
        let (cancelled, asked) = self.cancel_rows(&live, true).await?;
        Ok(i64::try_from(cancelled + asked).unwrap_or(0))
    }

    async fn redrive_some(&self, requests: Vec<RequestRow>) -> Result<i64, StoreError> {
        let mut done = 0;
        for mut request in requests {
            if request.status == "failed" && self.take_up(&mut request).await? {
                done += 1;
            }
        }
        Ok(done)
    }
}
