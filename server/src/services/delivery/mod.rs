//! What becomes of results: they are assessed, approved, rejected or shown to a person, and told to who asked for them.

mod addresses;
mod assess;
mod callbacks;
mod conclude;
mod error;
mod profile;
mod results;
mod review;
mod sender;
mod signature;
mod webhook;

use std::sync::Arc;

use tokio::sync::Notify;

pub use addresses::{Addresses, Range};
pub use assess::{Assessment, assess};
pub use callbacks::CallbackSecret;
pub use conclude::{Conclusion, Output, Report, Verdict, conclude};
pub use error::DeliveryError;
pub use profile::{OnReject, Profile, Profiles, schema_of};
pub use results::{Delivered, Told};
pub use review::{Again, Decided, Edit};
pub use sender::Sender;
pub use webhook::{Message, read_webhook};

use super::{
    catalog::Catalog,
    events::Live,
    identity::{Caller, Deed, Denied, Place, may},
    vault::Vault,
};
use crate::{
    clock::Clock,
    store::{Db, jobs::RequestRow},
};

/// Takes results from outside, and the decisions of reviewers.
#[derive(Clone)]
pub struct Delivery {
    db: Db,
    catalog: Arc<Catalog>,
    clock: Clock,
    vault: Vault,
    live: Live,
    /// Told when calls to callers or jobs were written.
    told: Arc<Notify>,
}

impl Delivery {
    pub fn new(db: Db, catalog: Arc<Catalog>, clock: Clock, vault: Vault, live: Live, told: Arc<Notify>) -> Self {
        Self { db, catalog, clock, vault, live, told }
    }

    /// What is expected of a request's result.
    fn profile(&self, request: &RequestRow) -> Profile {
        self.catalog.snapshot().profiles.of(request)
    }

    fn tell(&self) {
        self.told.notify_one();
        self.live.wake();
    }
}

/// Whether somebody may do this with what belongs to an instance; of what is elsewhere they learn nothing.
fn allowed(who: &Caller, deed: Deed, org_id: &str, instance_id: &str, what: &'static str) -> Result<(), DeliveryError> {
    match may(who, deed, Place::Instance { org_id, instance_id }) {
        Ok(()) => Ok(()),
        Err(Denied::Elsewhere) => Err(DeliveryError::NotFound(what)),
        Err(denied) => Err(denied.into()),
    }
}
