//! Cancelling work, taking it up again, and deciding about work that waits for a person.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Router, RouterError, intake::job_of};
use crate::{
    services::identity::{Caller, Deed},
    store::{
        StoreError,
        jobs::{Cancelled, RequestRow},
    },
};

impl Router {
    /// Cancels a request. Running work is left alone, unless `is_forced`: then its worker is told, and the request is
    /// cancelled once it has stopped.
    pub async fn cancel(&self, caller: &Caller, id: &str, is_forced: bool) -> Result<Cancelled, RouterError> {
        let request = self.find(caller, id, Deed::Jobs).await?;
        let refused = || RouterError::Status { what: "cancel", status: request.status.clone() };
        match request.status.as_str() {
            "completed" => Err(refused()),
            // Twice is once.
            "cancelled" => Ok(Cancelled::Now),
            "failed" => {
                let event = self.0.event(&request, "request.cancelled", json!({ "while": "failed" }));
                let done = self.0.db.cancel_failed(id, self.0.now_us(), &event).await?;
                self.0.tell();
                if done { Ok(Cancelled::Now) } else { Err(refused()) }
            }
            _ => match self.0.cancel_rows(std::slice::from_ref(&request), is_forced).await? {
                (1.., _) => Ok(Cancelled::Now),
                (0, 1..) => Ok(Cancelled::Asked),
                (0, 0) => {
                    let now = self.0.db.work_request(id).await?.ok_or(RouterError::NotFound)?;
                    match now.status.as_str() {
                        "cancelled" => Ok(Cancelled::Now),
                        _ => Err(RouterError::Status { what: "cancel", status: now.status }),
                    }
                }
            },
        }
    }

    /// Takes a failed or cancelled request up again, on another model if one is named.
    pub async fn redrive(
        &self,
        caller: &Caller,
        id: &str,
        to: Option<(String, String)>,
    ) -> Result<RequestRow, RouterError> {
        let mut request = self.find(caller, id, Deed::Jobs).await?;
        let refused = |status: &str| RouterError::Status { what: "redrive", status: status.to_owned() };
        if !matches!(request.status.as_str(), "failed" | "cancelled") {
            return Err(refused(&request.status));
        }
        if let Some((provider, model)) = to {
            (request.provider, request.model) = (provider, model);
        }
        self.0.take_up(&mut request).await?.then_some(request).ok_or_else(|| refused("queued"))
    }

    /// A person has looked where work was held: it was accepted under this id, or it was not and is submitted anew.
    pub async fn decide(&self, caller: &Caller, id: &str, remote_id: Option<String>) -> Result<(), RouterError> {
        let request = self.find(caller, id, Deed::Jobs).await?;
        let refused = || RouterError::Status { what: "decide about", status: request.status.clone() };
        let mut job = self.0.db.job(id).await?.filter(|job| job.state == "held").ok_or_else(refused)?;
        job.run_at_us = self.0.now_us();
        match remote_id {
            Some(remote_id) => {
                job.state = "remote".to_owned();
                job.remote = json!({ "stage": "submitted" });
                job.remote_id = Some(remote_id);
            }
            None => {
                job.state = "waiting".to_owned();
                job.remote = json!({});
                job.remote_id = None;
            }
        }
        if !self.0.db.decide_held(&job).await? {
            return Err(refused());
        }
        self.0.wake.notify_one();
        Ok(())
    }

    /// A provider told something of a request's remote work: it is asked at once what is true. `false` when nobody waits.
    pub async fn told(&self, request_id: &str, body: Value) -> Result<bool, RouterError> {
        let Some(mut job) = self.0.db.job(request_id).await?.filter(|job| job.kind == "remote") else {
            return Ok(false);
        };
        job.remote["callback"] = body;
        let hinted = self.0.db.hint_remote(&job, self.0.now_us()).await?;
        self.0.wake.notify_one();
        Ok(hinted)
    }
}

impl super::Inner {
    /// Cancels what of these is not over; how many are cancelled, and how many workers were asked.
    pub(super) async fn cancel_rows(
        &self,
        requests: &[RequestRow],
        is_forced: bool,
    ) -> Result<(usize, usize), StoreError> {
        let by_id: HashMap<&str, &RequestRow> = requests.iter().map(|request| (&*request.id, request)).collect();
        let ids: Vec<&str> = requests.iter().map(|request| &*request.id).collect();
        let event = |id: &str| {
            let request = by_id.get(id)?;
            Some(self.event(request, "request.cancelled", json!({ "while": request.status })))
        };
        let (cancelled, asked) = self.db.cancel_requests(&ids, self.now_us(), is_forced, &event).await?;
        if !asked.is_empty() {
            self.stop_here(&asked);
            self.wake.notify_one();
        }
        self.tell();
        Ok((cancelled.len(), asked.len()))
    }

    /// Gives a request that is over a new job.
    pub(super) async fn take_up(&self, request: &mut RequestRow) -> Result<bool, StoreError> {
        let now_us = self.now_us();
        request.run_at_us = now_us;
        request.deadline_us = None;
        request.status = "queued".to_owned();
        let snapshot = self.catalog.snapshot();
        let queue = snapshot.provider(&request.provider).map_or(&*request.provider, |provider| &provider.id).to_owned();
        let job = job_of(request, queue, now_us);
        let event = self.event(request, "request.queued", json!({ "reason": "taken up again" }));
        let done = self.db.redrive(&request.provider, &job, now_us, &event).await?;
        self.wake.notify_one();
        self.tell();
        Ok(done)
    }

    /// Those of them that run in this very process stop without waiting for the next sign of life.
    fn stop_here(&self, ids: &[String]) {
        let running = self.running.lock();
        for job in ids.iter().filter_map(|id| running.get(id)) {
            job.why.lock().get_or_insert(super::Stopped::Cancelled);
            job.stop.cancel();
        }
    }
}
