//! Requests as lists, for whoever may look at their instance.

use super::{Router, RouterError};
use crate::{
    services::identity::{Caller, Deed, Place, may},
    store::{
        Page,
        jobs::{JobRow, RequestFilter, RequestRow, Sort},
    },
};

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Each with its job, while it is not over.
    pub rows: Vec<(RequestRow, Option<JobRow>)>,
    /// Where the next page goes on.
    pub next: Option<(i64, String)>,
}

impl Router {
    /// Requests of the filter's instance (the caller's, if it names none), newest first.
    pub async fn list(
        &self,
        caller: &Caller,
        deed: Deed,
        mut filter: RequestFilter,
        page: Page,
    ) -> Result<Listed, RouterError> {
        let instance_id = filter.instance_id.take().unwrap_or_else(|| caller.instance.id.clone());
        let org_id = self.organization(&instance_id)?;
        may(caller, deed, Place::Instance { org_id: &org_id, instance_id: &instance_id })?;
        filter.instance_id = Some(instance_id);
        let limit = usize::try_from(page.limit).unwrap_or(0);
        // One more than is shown tells whether there is a next page.
        let longer = Page { limit: page.limit + 1, ..page };
        let mut rows = self.0.db.list_work(&filter, Sort::NewestFirst, &longer).await?;
        let next = (rows.len() > limit).then(|| {
            rows.truncate(limit);
            rows.last().map(|last| (last.created_us, last.id.clone()))
        });
        let ids: Vec<&str> = rows.iter().filter(|row| row.completed_us.is_none()).map(|row| &*row.id).collect();
        let mut jobs = self.0.db.jobs_of(&ids).await?;
        let rows = rows.into_iter().map(|row| {
            let job = jobs.remove(&row.id);
            (row, job)
        });
        Ok(Listed { rows: rows.collect(), next: next.flatten() })
    }

    pub(super) fn organization(&self, instance_id: &str) -> Result<String, RouterError> {
        let snapshot = self.0.catalog.snapshot();
        snapshot.instances.get(instance_id).map(|instance| instance.org_id.clone()).ok_or(RouterError::NotFound)
    }
}
