//! How many jobs of a lane may run: what limits allow, unless a gate or the provider's breaker is closed.

use std::sync::Arc;

use super::{breaker::Passage, kinds::Kinds};
use crate::{
    services::{
        catalog::Snapshot,
        limits::{Origin, Pool},
    },
    store::jobs::{GateRow, Lane},
};

/// Where no limit says more or less, as the original's router had it.
const USUAL: usize = 5;

/// What one round of claims has to keep.
pub struct Gates {
    closed: Vec<GateRow>,
    snapshot: Arc<Snapshot>,
}

impl Gates {
    pub fn new(closed: Vec<GateRow>, snapshot: Arc<Snapshot>) -> Self {
        Self { closed, snapshot }
    }

    pub fn room(&self, queue: &str, lane: &Lane, passage: Passage, kinds: &Kinds) -> usize {
        if self.closed.iter().any(|gate| gate.closes(queue, lane)) {
            return 0;
        }
        if kinds.get(queue).is_some_and(|kind| kind.is_internal()) {
            return usize::MAX;
        }
        match passage {
            Passage::Open => self.concurrency(queue, lane),
            Passage::Probe => 1,
            Passage::Closed { .. } => 0,
        }
    }

    /// The least of what limits allow to run at once.
    fn concurrency(&self, queue: &str, lane: &Lane) -> usize {
        let Some(instance) = self.snapshot.instances.get(&lane.tenant) else { return USUAL };
        let origin = Origin {
            org_id: &instance.org_id,
            instance_id: &lane.tenant,
            project_id: None,
            key_id: None,
            provider: queue,
            model: &lane.model,
        };
        let caps = self.snapshot.limits.of(&origin).filter_map(|limit| limit.cap(Pool::Running));
        caps.min().map_or(USUAL, |cap| usize::try_from(cap).unwrap_or(0))
    }
}
