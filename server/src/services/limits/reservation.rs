//! A place that is held for a call, until it is settled and its record is written.

use std::sync::Arc;

use super::{
    Inner, Limit, Meter, Mode, Standing,
    meter::{Demand, Moment},
};

/// What a call has taken. Dropped without being settled, it used nothing.
pub struct Reservation {
    limiter: Arc<Inner>,
    meters: Vec<(Arc<Limit>, Arc<Meter>)>,
    taken: Moment,
    estimate: Demand,
    /// What is left of the tightest limits, this call included.
    pub standing: Standing,
}

/// What a call has used and the database does not know yet. Dropped when its record is written.
pub struct Held {
    meters: Vec<Arc<Meter>>,
    taken: Moment,
    used: Demand,
}

impl Reservation {
    pub(super) fn new(
        limiter: Arc<Inner>,
        meters: Vec<(Arc<Limit>, Arc<Meter>)>,
        taken: Moment,
        estimate: Demand,
        standing: Standing,
    ) -> Self {
        Self { limiter, meters, taken, estimate, standing }
    }

    /// Puts what the call used in the place of what it was expected to. One that never reached a provider gives its
    /// request back, too.
    pub fn settle(mut self, used: Demand, reached: bool) -> (Standing, Held) {
        let held = self.end(used, reached);
        (std::mem::take(&mut self.standing), held)
    }

    fn end(&mut self, used: Demand, reached: bool) -> Held {
        let shared = self.limiter.mode() == Mode::Shared;
        let now = self.taken.to(self.limiter.clock.now_us());
        let (taken, estimate) = (self.taken, self.estimate);
        self.standing.warning = None;
        if let Some(tokens) = &mut self.standing.tokens {
            tokens.left = (tokens.left + estimate.tokens - used.tokens).clamp(0, tokens.limit);
        }
        let mut meters = Vec::with_capacity(self.meters.len());
        for (limit, meter) in self.meters.drain(..) {
            let mut state = meter.state.lock();
            state.counts.roll(now);
            let back = state.counts.settle(taken, estimate, used, reached);
            if shared {
                // What the others know is used here stays here until they ask for it.
                state.spare.iter_mut().zip(back).for_each(|(spare, back)| *spare = (*spare + back).max(0));
            }
            if limit.has_quota() {
                state.warn_once(&limit, &meter.target, now);
                if let Some(warning) = state.warning(&limit) {
                    self.standing.warning.get_or_insert(warning);
                }
            }
            drop(state);
            if limit.has_quota() {
                meters.push(meter);
            }
        }
        Held { meters, taken, used }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.meters.is_empty() {
            drop(self.end(Demand::default(), true));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for meter in self.meters.drain(..) {
            meter.state.lock().counts.commit(self.taken, self.used);
        }
    }
}
