//! Limits and budgets that hold. A call takes what it may need of every limit that applies, or of none; afterwards what it
//! used takes the place of the estimate. A server that is alone with its database counts in memory; replicas share what is
//! left through the database (see `docs/decisions/0009-limits-across-replicas.md`).

mod answer;
mod index;
mod meter;
mod replicas;
mod reservation;
mod share;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub use answer::{Period, Refusal, Room, Standing, Warning};
pub use index::{Index, Limit, Origin};
pub use meter::{Amounts, Demand, Pool};
pub use reservation::{Held, Reservation};

use self::meter::{Counts, Moment};
use crate::{
    clock::Clock,
    shutdown::Tasks,
    store::{Db, StoreError},
};

/// How often a call tries again when others were quicker to take what it had obtained.
const ROUNDS: usize = 50;
/// A counter that nobody used for so long, and that holds nothing, is forgotten.
const IDLE: Duration = Duration::from_secs(120);

/// Why a call may not go out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LimitError {
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// What is left cannot be known: the database does not answer.
    #[error("the limits cannot be checked because the database does not answer")]
    Unavailable(#[from] StoreError),
    /// Every time something was left, other calls were quicker.
    #[error("too many calls compete for what is left of the limits")]
    Crowded,
}

/// Counts what limits limit. Cloning shares the counters.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    gate: Mutex<Gate>,
    mode: AtomicU8,
    /// Until when others surely believe that this replica lives.
    valid_until_us: AtomicI64,
    replica_id: String,
    joining: tokio::sync::Mutex<()>,
}

/// Whoever holds it may look at several counters and take from all of them.
#[derive(Default)]
struct Gate {
    now: Moment,
    meters: HashMap<Arc<str>, Arc<Meters>>,
}

/// The counters of a limit by target.
pub type Meters = Mutex<HashMap<Box<str>, Arc<Meter>>>;

/// The counter of a limit for one target.
#[derive(Debug)]
pub struct Meter {
    limit_id: Arc<str>,
    target: Box<str>,
    state: Mutex<State>,
    /// Held while the database is asked for more: one asks for all who wait.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    /// `counts.written` is what the database had.
    loaded: bool,
    touched: Touched,
    /// The day and the month for which a warning was logged.
    warned: [i64; 2],
    /// What this replica may take without asking.
    spare: Amounts,
    /// What the others held when they were last asked.
    others: Amounts,
    dry: Option<Dry>,
    /// Others are short: take only what is needed.
    shy_until: Option<Instant>,
    tickets: u64,
    answered: u64,
    /// Of those that were answered last.
    refused: Vec<u64>,
    waiting: VecDeque<(u64, Amounts)>,
}

/// When a counter was last used.
#[derive(Debug)]
struct Touched(Instant);

impl Default for Touched {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Touched {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Nothing is left for a call anywhere, as of a moment ago.
#[derive(Debug, Clone, Copy)]
struct Dry {
    pool: Pool,
    cap: i64,
    /// Of everyone.
    held: i64,
    wait_s: i64,
    /// Only calls that still run are in the way.
    is_passing: bool,
    second: i64,
    at: Instant,
}

/// How this process counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    /// The others are not known yet.
    Joining,
    /// There are no others.
    Alone,
    /// What may be taken is obtained from the database.
    Shared,
}

/// Why a call does not pass at once.
enum Obstacle {
    Refused(Box<Refusal>),
    /// These have to be asked for more, or to be read from the database first.
    Short(Vec<(Arc<Limit>, Arc<Meter>)>),
    /// The others have to be found first.
    Apart,
}

impl Limiter {
    /// On SQLite there are no others. On PostgreSQL a task keeps in touch with them.
    pub fn start(db: Db, clock: Clock, tasks: &Tasks) -> Self {
        let alone = matches!(db, Db::Sqlite(_));
        let inner = Arc::new(Inner {
            db,
            gate: Mutex::default(),
            mode: AtomicU8::new(if alone { Mode::Alone } else { Mode::Joining } as u8),
            valid_until_us: AtomicI64::new(if alone { i64::MAX } else { 0 }),
            replica_id: clock.new_id().to_string(),
            joining: tokio::sync::Mutex::default(),
            clock,
        });
        tasks.keep("limits", {
            let (inner, stop) = (inner.clone(), tasks.token());
            move || inner.clone().keep(stop.clone())
        });
        Self(inner)
    }

    /// The id of this process, fresh with each start.
    pub fn replica_id(&self) -> &str {
        &self.0.replica_id
    }

    /// Takes `demand` from every limit that applies, or nothing from any. Asks the database only where replicas share, and
    /// the first time that a counter of days or months is used.
    pub async fn reserve(&self, index: &Index, origin: &Origin<'_>, demand: Demand) -> Result<Reservation, LimitError> {
        match self.0.attempt(index, origin, demand, &[]) {
            Ok(reservation) => Ok(reservation),
            Err(Obstacle::Refused(refusal)) => Err(LimitError::Refused(refusal)),
            Err(obstacle) => Box::pin(self.0.persist(index, origin, demand, obstacle)).await,
        }
    }
}

impl Inner {
    fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Acquire) {
            1 => Mode::Alone,
            2 => Mode::Shared,
            _ => Mode::Joining,
        }
    }

    /// Clears the ways until the call passes or is refused.
    async fn persist(
        self: &Arc<Self>,
        index: &Index,
        origin: &Origin<'_>,
        demand: Demand,
        mut obstacle: Obstacle,
    ) -> Result<Reservation, LimitError> {
        let mut answered: Vec<Arc<Meter>> = Vec::new();
        for _ in 0..ROUNDS {
            match obstacle {
                Obstacle::Refused(refusal) => return Err(LimitError::Refused(refusal)),
                Obstacle::Apart => self.come_together().await?,
                Obstacle::Short(meters) => {
                    for (limit, meter) in meters {
                        if self.mode() == Mode::Alone {
                            self.load(&limit, &meter).await?;
                        } else if self.obtain(&limit, &meter, demand.amounts()).await? {
                            answered.push(meter);
                        }
                    }
                }
            }
            obstacle = match self.attempt(index, origin, demand, &answered) {
                Ok(reservation) => return Ok(reservation),
                Err(obstacle) => obstacle,
            };
        }
        Err(LimitError::Crowded)
    }

    /// Takes from all or from none. Meters in `answered` were asked for this very call: what they lack, nobody has.
    fn attempt(
        self: &Arc<Self>,
        index: &Index,
        origin: &Origin<'_>,
        demand: Demand,
        answered: &[Arc<Meter>],
    ) -> Result<Reservation, Obstacle> {
        let now_us = self.clock.now_us();
        let mut gate = self.gate.lock();
        let shared = match self.mode() {
            Mode::Joining => return Err(Obstacle::Apart),
            _ if now_us > self.valid_until_us.load(Ordering::Acquire) => return Err(Obstacle::Apart),
            mode => mode == Mode::Shared,
        };
        let now = gate.at(now_us);
        let amounts = demand.amounts();
        let mut standing = Standing::default();
        let mut taken = Vec::with_capacity(8);
        let mut short = Vec::new();
        let mut worst: Option<Refusal> = None;
        for limit in index.of(origin) {
            let meter = gate.meter(limit, origin.instance_id);
            let mut state = meter.state.lock();
            state.counts.roll(now);
            state.touched.0 = Instant::now();
            let is_answered = answered.iter().any(|asked| Arc::ptr_eq(asked, &meter));
            let verdict = state.judge(limit, &amounts, now, shared, is_answered);
            standing.see(limit, &state);
            drop(state);
            match verdict {
                Verdict::Passes => {}
                Verdict::Short => short.push((limit.clone(), meter.clone())),
                Verdict::Refused(dry) => {
                    // The longest wait is the one that helps.
                    if worst.as_ref().is_none_or(|worst| worst.wait_s < dry.wait_s) {
                        worst = Some(Refusal::new(limit, dry, demand, now));
                    }
                }
            }
            taken.push((limit.clone(), meter));
        }
        if let Some(mut refusal) = worst {
            refusal.standing = standing;
            return Err(Obstacle::Refused(Box::new(refusal)));
        }
        if !short.is_empty() {
            return Err(Obstacle::Short(short));
        }
        let mut second = now.second;
        for (_, meter) in &taken {
            let mut state = meter.state.lock();
            second = state.counts.take(demand);
            if shared {
                state.spare.iter_mut().zip(amounts).for_each(|(spare, amount)| *spare = (*spare - amount).max(0));
            }
        }
        drop(gate);
        standing.take(demand);
        Ok(Reservation::new(self.clone(), taken, Moment { second, ..now }, demand, standing))
    }

    /// Reads what the database has of a counter that is used for the first time.
    async fn load(&self, limit: &Limit, meter: &Meter) -> Result<(), StoreError> {
        let _flight = meter.flight.lock().await;
        let now = Moment::at(self.clock.now_us());
        let before = {
            let mut state = meter.state.lock();
            if state.loaded {
                return Ok(());
            }
            state.counts.roll(now);
            state.counts.written
        };
        let sum = self.db.usage_sum(&limit.scope_at(&meter.target), now.month, now.day).await?;
        let mut state = meter.state.lock();
        state.counts.load(sum, before);
        state.loaded = true;
        Ok(())
    }

    /// Forgets counters that hold nothing and that nobody used for a while; answers them.
    fn forget(&self) -> Vec<Arc<Meter>> {
        let mut forgotten = Vec::new();
        let mut gate = self.gate.lock();
        let now = gate.at(self.clock.now_us());
        gate.meters.retain(|_, meters| {
            let mut targets = meters.lock();
            targets.retain(|_, meter| {
                let mut state = meter.state.lock();
                state.counts.roll(now);
                let is_idle = state.counts.is_idle() && state.touched.elapsed() > IDLE;
                drop(state);
                let goes = is_idle && Arc::strong_count(meter) == 1;
                if goes {
                    forgotten.push(meter.clone());
                }
                !goes
            });
            // A snapshot that knows it would go on with it, beside a new one.
            !targets.is_empty() || Arc::strong_count(meters) > 1
        });
        forgotten
    }

    /// Every counter there is, in the order in which they are locked.
    fn meters(&self) -> Vec<Arc<Meter>> {
        let gate = self.gate.lock();
        let mut all: Vec<_> =
            gate.meters.values().flat_map(|m| m.lock().values().cloned().collect::<Vec<_>>()).collect();
        drop(gate);
        all.sort_by(|a, b| (&a.limit_id, &a.target).cmp(&(&b.limit_id, &b.target)));
        all
    }
}

impl Gate {
    fn at(&mut self, now_us: i64) -> Moment {
        self.now = self.now.to(now_us);
        self.now
    }

    fn meter(&mut self, limit: &Limit, instance_id: &str) -> Arc<Meter> {
        let meters = limit.meters.get_or_init(|| self.meters.entry(limit.id.clone()).or_default().clone());
        let target = limit.target(instance_id);
        let mut meters = meters.lock();
        if let Some(meter) = meters.get(target) {
            return meter.clone();
        }
        let meter = Arc::new(Meter {
            limit_id: limit.id.clone(),
            target: target.into(),
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        });
        meters.insert(target.into(), meter.clone());
        meter
    }
}

/// What one counter says to a call.
enum Verdict {
    Passes,
    Short,
    Refused(Dry),
}

impl State {
    fn judge(&self, limit: &Limit, amounts: &Amounts, now: Moment, shared: bool, is_answered: bool) -> Verdict {
        if shared {
            let lacks =
                |pool: &Pool| limit.cap(*pool).is_some() && self.spare[*pool as usize] < amounts[*pool as usize];
            let Some(pool) = Pool::ALL.into_iter().find(lacks) else { return Verdict::Passes };
            return match self.dry.filter(|dry| limit.cap(dry.pool) == Some(dry.cap)) {
                Some(dry) if is_answered || dry.holds(now, amounts) => Verdict::Refused(dry),
                _ if is_answered => Verdict::Refused(Dry::new(limit, pool, now, &self.counts, self.held(), amounts)),
                _ => Verdict::Short,
            };
        }
        if limit.has_quota() && !self.loaded {
            return Verdict::Short;
        }
        Dry::worst(limit, now, &self.counts, self.counts.held(), amounts).map_or(Verdict::Passes, Verdict::Refused)
    }

    /// What everyone holds, as far as is known here.
    fn held(&self) -> Amounts {
        let own = self.counts.held();
        std::array::from_fn(|at| own[at] + self.others[at])
    }
}

impl Dry {
    /// The pool that is in the way longest, if any is. `counts` tell when its calls leave the window.
    fn worst(limit: &Limit, now: Moment, counts: &Counts, held: Amounts, amounts: &Amounts) -> Option<Self> {
        let full = Pool::ALL.into_iter().filter(|pool| {
            let at = *pool as usize;
            limit.cap(*pool).is_some_and(|cap| !pool.passes(cap, held[at], amounts[at], true))
        });
        full.map(|pool| Self::new(limit, pool, now, counts, held, amounts)).max_by_key(|dry| dry.wait_s)
    }

    fn new(limit: &Limit, pool: Pool, now: Moment, counts: &Counts, held: Amounts, amounts: &Amounts) -> Self {
        let (cap, at) = (limit.cap(pool).unwrap_or(0), pool as usize);
        let estimated = if pool.is_quota() { counts.estimated[at - Pool::DayTokens as usize] } else { 0 };
        let is_passing = pool.is_quota() && pool.passes(cap, held[at] - estimated, amounts[at], true);
        let wait_s = match pool {
            Pool::Burst => limit.cooldown_s.max(1),
            Pool::Requests | Pool::Tokens => counts.wait(pool, cap, held[at]).max(limit.cooldown_s),
            // Free as soon as a call ends.
            Pool::Running => 1,
            Pool::DayTokens | Pool::DayMoney | Pool::MonthMoney if is_passing => 1,
            Pool::DayTokens | Pool::DayMoney | Pool::MonthMoney => now.until_reset(pool),
        };
        Self { pool, cap, held: held[at], wait_s, is_passing, second: now.second, at: Instant::now() }
    }

    /// Whether it may be believed without asking again. Calls of a minute leave the window at a full second; anything else
    /// may change at any time, but is not asked for more often than this.
    fn holds(&self, now: Moment, amounts: &Amounts) -> bool {
        const BELIEVED: Duration = Duration::from_millis(20);
        let lasts = matches!(self.pool, Pool::Burst | Pool::Requests) && self.second == now.second;
        let fits = self.pool.passes(self.cap, self.held, amounts[self.pool as usize], true);
        !fits && (lasts || self.at.elapsed() < BELIEVED)
    }
}

#[cfg(test)]
mod tests;
