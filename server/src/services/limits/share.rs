//! How replicas share a limit. Each tells what it has used and what it has set aside; who needs more adds up what all have
//! told, under a lock, and tells anew. What is set aside shrinks with what is left, down to single calls; when nothing is
//! left, those who may still have something are asked to give it back before a call is refused.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Dry, Inner, Limit, Meter,
    meter::{Amounts, Counts, Moment, POOLS, Pool, Quota, Second, WINDOW_S},
    replicas::{self, is_alive},
};
use crate::store::{
    StoreError,
    shares::{Asking, Ledger},
};

/// How long a call waits for replicas that live but do not answer; long enough for what they give back unasked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often they are asked meanwhile: what was said may have been missed.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long a replica that was asked to give back takes no more than it needs.
const SHY: Duration = Duration::from_secs(1);
/// A replica sets aside this part of what is left, divided by the number of replicas.
const PART: i64 = 4;

/// What a replica tells of its counter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Share {
    pub seconds: Vec<Second>,
    pub running: i64,
    pub open: Quota,
    pub estimated: Quota,
    pub day: i64,
    pub month: i64,
    /// Set aside, not used yet.
    pub spare: Amounts,
}

/// What an exchange brought.
struct Outcome {
    /// The last ticket it spoke for.
    covers: u64,
    /// Tickets for which there is nothing.
    refused: Vec<u64>,
    /// Somebody may have set aside what is missing here.
    is_open: bool,
    turn: i64,
}

impl Share {
    pub fn of(counts: &Counts, now: Moment, spare: Amounts) -> Self {
        Self {
            seconds: counts.seconds.iter().copied().collect(),
            running: counts.running,
            open: counts.open,
            estimated: counts.estimated,
            day: now.day,
            month: now.month,
            spare,
        }
    }

    /// What it holds now. Of a dead replica only what went out counts on, until it leaves the window.
    pub fn held(&self, now: Moment, alive: bool) -> Amounts {
        let mut held: Amounts = if alive { self.spare } else { [0; POOLS] };
        for Second(at, requests, tokens) in &self.seconds {
            if *at > now.second - WINDOW_S {
                held[Pool::Requests as usize] += requests;
                held[Pool::Tokens as usize] += tokens;
            }
            if *at >= now.second {
                held[Pool::Burst as usize] += requests;
            }
        }
        if alive {
            held[Pool::Running as usize] += self.running;
            let open = self.current(self.open, now);
            (0..3).for_each(|at| held[Pool::DayTokens as usize + at] += open[at]);
        }
        held
    }

    /// Of a quota, what belongs to this day and month.
    pub fn current(&self, quota: Quota, now: Moment) -> Quota {
        let (day, month) = (self.day == now.day, self.month == now.month);
        [if day { quota[0] } else { 0 }, if day { quota[1] } else { 0 }, if month { quota[2] } else { 0 }]
    }

    /// Whether its replica may hold less by now than it told.
    fn may_give(&self, pool: Pool) -> bool {
        let at = pool as usize;
        let runs = self.running > 0;
        self.spare[at] > 0
            || match pool {
                Pool::Burst | Pool::Requests => false,
                Pool::Tokens | Pool::Running => runs,
                Pool::DayTokens | Pool::DayMoney | Pool::MonthMoney => self.open[at - Pool::DayTokens as usize] != 0,
            }
    }
}

/// What an adding up comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Allotment {
    pub granted: Amounts,
    /// Calls for which there is nothing, by their place among those that wait.
    pub refused: Vec<usize>,
    /// Of these, some may go when others give back.
    pub is_open: bool,
}

/// Divides what is left among the calls that wait, in their order, and sets something aside for later ones when there is
/// enough for `replicas`. `held` is what everyone holds; of a pool that is `stale`, others may hold less.
pub fn allot(
    limit: &Limit,
    mut held: Amounts,
    waiting: &[Amounts],
    stale: impl Fn(Pool) -> bool,
    replicas: Option<i64>,
) -> Allotment {
    let mut allotment = Allotment::default();
    let stale = Pool::ALL.map(stale);
    for (place, demand) in waiting.iter().enumerate() {
        let is_full = |pool: &Pool| {
            let at = *pool as usize;
            limit.cap(*pool).is_some_and(|cap| !pool.passes(cap, held[at], demand[at], !stale[at]))
        };
        let mut full = Pool::ALL.into_iter().filter(is_full).peekable();
        if full.peek().is_some() {
            allotment.refused.push(place);
            allotment.is_open |= full.all(|pool| stale[pool as usize]);
            continue;
        }
        drop(full);
        for at in 0..POOLS {
            held[at] += demand[at];
            allotment.granted[at] += demand[at];
        }
    }
    if let Some(replicas) = replicas.filter(|_| allotment.refused.is_empty()) {
        for pool in Pool::ALL {
            let (at, Some(cap)) = (pool as usize, limit.cap(pool)) else { continue };
            allotment.granted[at] += (cap - held[at]).max(0) / (PART * replicas.max(1));
        }
    }
    allotment
}

/// A call that waits for more; gone when it is dropped.
struct Waiting<'a> {
    meter: &'a Meter,
    ticket: u64,
}

impl<'a> Waiting<'a> {
    fn new(meter: &'a Meter, amounts: Amounts) -> Self {
        let mut state = meter.state.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        state.waiting.push_back((ticket, amounts));
        Self { meter, ticket }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.meter.state.lock().waiting.retain(|(ticket, _)| *ticket != self.ticket);
    }
}

impl Inner {
    /// Asks the others for what a call lacks. True: whatever lacks now, nobody has.
    pub(super) async fn obtain(&self, limit: &Limit, meter: &Meter, amounts: Amounts) -> Result<bool, StoreError> {
        let waiting = Waiting::new(meter, amounts);
        let _flight = meter.flight.lock().await;
        {
            let state = meter.state.lock();
            if state.answered >= waiting.ticket {
                // Who was before in the queue asked for this call, too. Where others were quicker to take what that
                // brought, it asks again.
                return Ok(state.refused.contains(&waiting.ticket));
            }
        }
        let began = Instant::now();
        let (mut asked_at, mut asked_turn) = (None::<Instant>, None);
        let mut pause = Duration::from_millis(2);
        loop {
            let outcome = self.exchange(limit, meter, asked_turn).await?;
            if !outcome.is_open || began.elapsed() > PATIENCE {
                let mut state = meter.state.lock();
                state.answered = outcome.covers;
                let is_refused = outcome.refused.contains(&waiting.ticket);
                state.refused = outcome.refused;
                return Ok(is_refused);
            }
            if asked_at.is_none_or(|at| at.elapsed() > ASK_AGAIN) {
                asked_at = Some(Instant::now());
                asked_turn.get_or_insert(outcome.turn);
                self.db.tell_replicas(&replicas::recall(&self.replica_id, &meter.limit_id, &meter.target)).await?;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Adds up what everyone told and takes what the waiting calls need. The flight of the meter is held.
    async fn exchange(&self, limit: &Limit, meter: &Meter, asked: Option<i64>) -> Result<Outcome, StoreError> {
        let _settled = if limit.has_quota() { Some(self.settled().await?) } else { None };
        let now_us = self.clock.now_us();
        let now = Moment::at(now_us);
        let (own, waiting, covers, is_shy) = {
            let mut state = meter.state.lock();
            state.counts.roll(now);
            // What was set aside is part of what is divided now; if this fails, it is lost until the next time.
            state.spare = [0; POOLS];
            state.told = (state.counts.running, state.counts.open);
            let waiting: Vec<(u64, Amounts)> = state.waiting.iter().copied().collect();
            let is_shy = state.shy_until.is_some_and(|until| Instant::now() < until);
            (state.counts.clone(), waiting, state.tickets, is_shy)
        };
        let before = own.written;
        let asking = Asking { limit_id: &meter.limit_id, target: &meter.target, replica_id: &self.replica_id, now_us };
        let scope = limit.scope_at(&meter.target);
        let usage = limit.has_quota().then_some((&scope, now.month, now.day));
        let (outcome, granted, others, dry, sum) = self
            .db
            .exchange_shares(&asking, usage, |ledger| {
                let mut counts = own;
                if let Some(sum) = ledger.sum {
                    counts.load(sum, before);
                }
                let view = View::new(&ledger, now, now_us);
                let own = counts.held();
                let held = std::array::from_fn(|at| own[at] + view.others[at]);
                let demands: Vec<Amounts> = waiting.iter().map(|(_, amounts)| *amounts).collect();
                let ahead = (!is_shy && asked.is_none()).then_some(view.alive + 1);
                let allotment = allot(limit, held, &demands, |pool| view.is_stale(pool, asked), ahead);
                let share = Share::of(&counts, now, allotment.granted);
                view.merge_into(&mut counts, now);
                let first = allotment.refused.first().map(|place| demands[*place]);
                let dry = first.and_then(|demand| Dry::worst(limit, now, &counts, held, &demand));
                let outcome = Outcome {
                    covers,
                    refused: allotment.refused.iter().map(|place| waiting[*place].0).collect(),
                    is_open: allotment.is_open,
                    turn: ledger.turn,
                };
                let body = serde_json::to_value(share).unwrap_or_default();
                (body, (outcome, allotment.granted, view.others, dry, ledger.sum))
            })
            .await?;
        let mut state = meter.state.lock();
        state.spare.iter_mut().zip(granted).for_each(|(spare, granted)| *spare += granted);
        state.others = others;
        state.dry = dry.filter(|_| !outcome.is_open);
        if let Some(sum) = sum {
            state.counts.load(sum, before);
            state.loaded = true;
        }
        Ok(outcome)
    }

    /// Tells what is used here and gives back what is set aside.
    pub(super) async fn give_back(&self, meter: &Arc<Meter>, because_asked: bool) -> Result<(), StoreError> {
        let _flight = meter.flight.lock().await;
        meter.recalled.store(false, Ordering::Release);
        let _settled = self.settled().await?;
        let now_us = self.clock.now_us();
        let now = Moment::at(now_us);
        let share = {
            let mut state = meter.state.lock();
            state.counts.roll(now);
            // What was obtained for calls that are about to take it stays.
            let mut needed: Amounts = [0; POOLS];
            for (_, amounts) in &state.waiting {
                (0..POOLS).for_each(|at| needed[at] += amounts[at]);
            }
            state.spare.iter_mut().zip(needed).for_each(|(spare, needed)| *spare = (*spare).min(needed));
            if because_asked {
                state.shy_until = Some(Instant::now() + SHY);
            }
            state.told = (state.counts.running, state.counts.open);
            Share::of(&state.counts, now, state.spare)
        };
        let asking = Asking { limit_id: &meter.limit_id, target: &meter.target, replica_id: &self.replica_id, now_us };
        let body = serde_json::to_value(share).unwrap_or_default();
        self.db.exchange_shares(&asking, None, |_| (body, ())).await
    }
}

/// The other replicas of a ledger.
struct View {
    others: Amounts,
    alive: i64,
    /// Of those that live: what they told and when; `None` told nothing although it should have.
    told: Vec<Option<(i64, Share)>>,
    shares: Vec<(Share, bool)>,
}

impl View {
    fn new(ledger: &Ledger, now: Moment, now_us: i64) -> Self {
        let mut others: Amounts = [0; POOLS];
        let mut told = Vec::new();
        let mut shares = Vec::new();
        for row in &ledger.shares {
            let alive = ledger.others.iter().any(|other| other.replica_id == row.replica_id && is_alive(other, now_us));
            let share: Share = serde_json::from_value(row.body.clone()).unwrap_or_default();
            let held = share.held(now, alive);
            (0..POOLS).for_each(|at| others[at] += held[at]);
            if alive {
                told.push(Some((row.turn, share.clone())));
            }
            shares.push((share, alive));
        }
        let living = ledger.others.iter().filter(|other| is_alive(other, now_us));
        // One that believes to be alone uses what it does not tell.
        told.extend(living.clone().filter(|other| !other.shared).map(|_| None));
        Self { others, alive: living.count().try_into().unwrap_or(i64::MAX), told, shares }
    }

    /// Whether somebody may hold less of a pool than it told, and has not told anew since it was asked.
    fn is_stale(&self, pool: Pool, asked: Option<i64>) -> bool {
        self.told.iter().any(|told| match told {
            None => true,
            Some((turn, share)) => share.may_give(pool) && asked.is_none_or(|asked| *turn <= asked),
        })
    }

    /// The windows and estimates of everyone in one, to see when there will be room.
    fn merge_into(&self, counts: &mut Counts, now: Moment) {
        let mut all: Vec<Second> = counts.seconds.iter().copied().collect();
        for (share, alive) in &self.shares {
            all.extend(share.seconds.iter().filter(|second| second.0 > now.second - WINDOW_S));
            if *alive {
                let estimated = share.current(share.estimated, now);
                (0..3).for_each(|at| counts.estimated[at] += estimated[at]);
            }
        }
        all.sort_by_key(|second| second.0);
        counts.seconds = all.into();
    }
}
