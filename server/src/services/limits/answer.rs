//! What a caller learns of the limits: what is left, what was refused, and that a budget comes to its end.

use std::{sync::Arc, time::Duration};

use super::{
    Dry, Limit, State,
    meter::{Demand, Moment, Pool, WINDOW_S},
};

/// The tightest limits of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub requests: Option<Room>,
    pub tokens: Option<Room>,
    pub warning: Option<Warning>,
}

/// What is left of a limit per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub limit: i64,
    pub left: i64,
    /// Seconds until the oldest call leaves the window.
    pub next_s: i64,
}

impl Room {
    /// Seconds until all of it is there again, when nothing more is taken.
    pub fn whole_s(&self) -> i64 {
        if self.left >= self.limit { 0 } else { WINDOW_S }
    }
}

/// A budget is spent beyond the share at which its owner wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub limit_id: Arc<str>,
    pub period: Period,
    pub spent_micro_usd: i64,
    pub budget_micro_usd: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Day,
    Month,
}

impl Period {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// A call that a limit does not let out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub limit_id: Arc<str>,
    pub pool: Pool,
    pub cap: i64,
    pub wait_s: i64,
    /// Only calls that still run are in the way; it is worth trying again soon.
    pub is_passing: bool,
    pub message: String,
    pub standing: Standing,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Standing {
    /// Looks at one more limit.
    pub(super) fn see(&mut self, limit: &Limit, state: &State) {
        let held = state.held();
        for (pool, tightest) in [(Pool::Requests, &mut self.requests), (Pool::Tokens, &mut self.tokens)] {
            let Some(cap) = limit.cap(pool) else { continue };
            let left = (cap - held[pool as usize]).max(0);
            if tightest.is_none_or(|tightest| left < tightest.left) {
                *tightest = Some(Room { limit: cap, left, next_s: state.counts.until_next() });
            }
        }
        if let Some(warning) = state.warning(limit)
            && self.warning.as_ref().is_none_or(|other| warning.share() > other.share())
        {
            self.warning = Some(warning);
        }
    }

    /// The call went out.
    pub(super) fn take(&mut self, demand: Demand) {
        for (room, amount) in [(&mut self.requests, 1), (&mut self.tokens, demand.tokens)] {
            if let Some(room) = room {
                room.left = (room.left - amount).max(0);
            }
        }
    }
}

impl Warning {
    fn share(&self) -> i128 {
        i128::from(self.spent_micro_usd) * 10_000 / i128::from(self.budget_micro_usd.max(1))
    }
}

impl State {
    /// Whether a budget is spent beyond its share, the fullest first.
    pub(super) fn warning(&self, limit: &Limit) -> Option<Warning> {
        let spent = self.counts.spent();
        let periods = [(Pool::DayMoney, Period::Day, spent[1]), (Pool::MonthMoney, Period::Month, spent[2])];
        let due = periods.into_iter().filter_map(|(pool, period, spent_micro_usd)| {
            let budget_micro_usd = limit.cap(pool)?;
            let warning = Warning { limit_id: limit.id.clone(), period, spent_micro_usd, budget_micro_usd };
            let is_due =
                i128::from(spent_micro_usd) * 100 >= i128::from(budget_micro_usd) * i128::from(limit.warn_percent);
            is_due.then_some(warning)
        });
        due.max_by_key(Warning::share)
    }

    /// Tells the log, once for each period.
    pub(super) fn warn_once(&mut self, limit: &Limit, target: &str, now: Moment) {
        let Some(warning) = self.warning(limit) else { return };
        let (told, current) = match warning.period {
            Period::Day => (&mut self.warned[0], now.day),
            Period::Month => (&mut self.warned[1], now.month),
        };
        if *told == current {
            return;
        }
        *told = current;
        tracing::warn!(
            limit_id = &*limit.id,
            instance_id = target,
            period = warning.period.as_str(),
            spent_micro_usd = warning.spent_micro_usd,
            budget_micro_usd = warning.budget_micro_usd,
            "{}% of a budget is spent",
            limit.warn_percent
        );
    }
}

impl Refusal {
    pub(super) fn new(limit: &Limit, dry: Dry, demand: Demand, now: Moment) -> Self {
        let Dry { pool, cap, held, wait_s, is_passing, .. } = dry;
        let subject = limit.subject();
        let rule = match pool {
            Pool::Burst => format!("{cap} requests per second"),
            Pool::Requests => format!("{cap} requests per minute"),
            Pool::Tokens => format!("{cap} tokens per minute"),
            Pool::Running => format!("{cap} calls at a time"),
            Pool::DayTokens => format!("{cap} tokens per day"),
            Pool::DayMoney => format!("{} USD per day", dollars(cap)),
            Pool::MonthMoney => format!("{} USD per month", dollars(cap)),
        };
        let message = if !pool.is_quota() {
            format!("the limit of {rule} for {subject} is used up; try again in {wait_s} s")
        } else if is_passing {
            format!("what is left of the limit of {rule} for {subject} is reserved by running calls; try again soon")
        } else {
            let anew = crate::clock::rfc3339((now.second + now.until_reset(pool)) * 1_000_000);
            if pool.is_money() && held < cap {
                format!(
                    "this call may cost {} USD, and {} USD are left of the limit of {rule} for {subject}, which begins \
                     anew at {anew}",
                    dollars(demand.micro_usd),
                    dollars(cap - held)
                )
            } else {
                format!("the limit of {rule} for {subject} is used up; it begins anew at {anew}")
            }
        };
        Self { limit_id: limit.id.clone(), pool, cap, wait_s, is_passing, message, standing: Standing::default() }
    }

    /// A quota of a day or a month is used up: trying again does not help before it begins anew.
    pub fn is_quota(&self) -> bool {
        self.pool.is_quota() && !self.is_passing
    }

    /// Money is spent.
    pub fn is_budget(&self) -> bool {
        self.pool.is_money() && !self.is_passing
    }

    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(self.wait_s.max(1).unsigned_abs())
    }
}

/// Millionths of a dollar with as many decimals as are needed, at least two.
fn dollars(micro_usd: i64) -> String {
    let text = format!("{}.{:06}", micro_usd / 1_000_000, micro_usd.rem_euclid(1_000_000));
    let keep = text.len() - 4;
    let cut = text[keep..].trim_end_matches('0').len();
    text[..keep + cut].to_owned()
}
