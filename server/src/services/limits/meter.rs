//! What one limit has counted for one target, and the rule by which a call passes. Plain arithmetic: who calls it holds the
//! lock and tells the time.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::store::usage::{DAY_US, UsageSum};

pub const WINDOW_S: i64 = 60;
pub const POOLS: usize = 7;

/// What a limit can limit, in the order of an [`Amounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Requests within one second.
    Burst,
    /// Requests of the last minute.
    Requests,
    /// Tokens of the last minute.
    Tokens,
    /// Calls at a time.
    Running,
    DayTokens,
    DayMoney,
    MonthMoney,
}

/// One number for each pool.
pub type Amounts = [i64; POOLS];
/// What a limit allows; `None` does not limit.
pub type Caps = [Option<i64>; POOLS];
/// Tokens of the day, money of the day, money of the month.
pub type Quota = [i64; 3];

impl Pool {
    pub const ALL: [Self; POOLS] =
        [Self::Burst, Self::Requests, Self::Tokens, Self::Running, Self::DayTokens, Self::DayMoney, Self::MonthMoney];

    pub fn is_money(self) -> bool {
        matches!(self, Self::DayMoney | Self::MonthMoney)
    }

    /// Counted by the day or month, and in the database.
    pub fn is_quota(self) -> bool {
        matches!(self, Self::DayTokens | Self::DayMoney | Self::MonthMoney)
    }

    /// The field of a limit that sets it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "burst_limit",
            Self::Requests => "requests_per_minute",
            Self::Tokens => "tokens_per_minute",
            Self::Running => "concurrent_requests",
            Self::DayTokens => "tokens_per_day",
            Self::DayMoney => "budget_day_micro_usd",
            Self::MonthMoney => "budget_month_micro_usd",
        }
    }

    /// Whether a call that takes `demand` goes out while `held` of `cap` are held. Rates and tokens let a call go as long as
    /// anything is left, because what it takes is an estimate; money has to suffice for all of it. In doubt about what
    /// others hold (`exact` is false), nothing may be overdrawn.
    pub fn passes(self, cap: i64, held: i64, demand: i64, exact: bool) -> bool {
        held < cap && (held.saturating_add(demand) <= cap || (exact && !self.is_money()))
    }
}

/// A point in time, as limits see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    pub second: i64,
    /// Days since 1970, UTC.
    pub day: i64,
    /// The first day of the month.
    pub month: i64,
}

impl Moment {
    pub fn at(now_us: i64) -> Self {
        let day = now_us.div_euclid(DAY_US);
        Self { second: now_us.div_euclid(1_000_000), day, month: first_of_month(day) }
    }

    /// Another time; the calendar is asked only for another day.
    pub fn to(self, now_us: i64) -> Self {
        let second = now_us.div_euclid(1_000_000);
        if second.div_euclid(86_400) == self.day && self.month != 0 {
            Self { second, ..self }
        } else {
            Self::at(now_us)
        }
    }

    /// Seconds until the pool begins anew.
    pub fn until_reset(self, pool: Pool) -> i64 {
        let day = if pool == Pool::MonthMoney { next_month(self.day) } else { self.day + 1 };
        day * 86_400 - self.second
    }
}

fn date(day: i64) -> jiff::civil::Date {
    use jiff::ToSpan;
    jiff::civil::date(1970, 1, 1).saturating_add(day.clamp(-700_000, 2_900_000).days())
}

fn days(date: jiff::civil::Date) -> i64 {
    let since = date.duration_since(jiff::civil::date(1970, 1, 1));
    since.as_secs().div_euclid(86_400)
}

fn first_of_month(day: i64) -> i64 {
    days(date(day).first_of_month())
}

fn next_month(day: i64) -> i64 {
    days(date(day).last_of_month()) + 1
}

/// What a call takes, or has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    pub tokens: i64,
    pub micro_usd: i64,
}

impl Demand {
    pub fn amounts(self) -> Amounts {
        [1, 1, self.tokens, 1, self.tokens, self.micro_usd, self.micro_usd]
    }

    fn quota(self) -> Quota {
        [self.tokens, self.micro_usd, self.micro_usd]
    }
}

/// One second of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second(pub i64, pub i64, pub i64);

/// The counts of a limit in this process.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// (second, requests, tokens), oldest first, at most one for each second of the window.
    pub seconds: VecDeque<Second>,
    requests: i64,
    tokens: i64,
    pub running: i64,
    now: Moment,
    /// What the database has of this day and month.
    pub written: Quota,
    /// What it does not have yet: estimates of running calls, and records on their way.
    pub open: Quota,
    /// The part of `open` that is estimates.
    pub estimated: Quota,
}

impl Counts {
    /// Forgets what has passed. Call it first.
    pub fn roll(&mut self, now: Moment) {
        while let Some(Second(at, requests, tokens)) = self.seconds.front().copied() {
            if at > now.second - WINDOW_S {
                break;
            }
            self.requests -= requests;
            self.tokens -= tokens;
            self.seconds.pop_front();
        }
        if now.day != self.now.day {
            let whole = if now.month == self.now.month { 2 } else { 3 };
            for quota in [&mut self.written, &mut self.open, &mut self.estimated] {
                quota[..whole].fill(0);
            }
        }
        self.now = now;
    }

    /// What is held of each pool.
    pub fn held(&self) -> Amounts {
        let burst = self.seconds.back().filter(|last| last.0 >= self.now.second).map_or(0, |last| last.1);
        let quota = |at: usize| self.written[at] + self.open[at];
        [burst, self.requests, self.tokens, self.running, quota(0), quota(1), quota(2)]
    }

    /// What was surely used of the day's tokens, the day's and the month's money.
    pub fn spent(&self) -> Quota {
        std::array::from_fn(|at| self.written[at] + self.open[at] - self.estimated[at])
    }

    /// Takes a call; answers the second it counts in.
    pub fn take(&mut self, demand: Demand) -> i64 {
        self.running += 1;
        self.requests += 1;
        self.tokens += demand.tokens;
        for (at, amount) in demand.quota().into_iter().enumerate() {
            self.open[at] += amount;
            self.estimated[at] += amount;
        }
        match self.seconds.back_mut() {
            Some(last) if last.0 >= self.now.second => {
                last.1 += 1;
                last.2 += demand.tokens;
                last.0
            }
            _ => {
                self.seconds.push_back(Second(self.now.second, 1, demand.tokens));
                self.now.second
            }
        }
    }

    /// Puts what a call used in the place of what it took, and answers what that gives back of each pool. `taken` has the
    /// second that [`Counts::take`] answered; a call that never reached a provider gives its request back, too.
    pub fn settle(&mut self, taken: Moment, estimate: Demand, used: Demand, reached: bool) -> Amounts {
        let mut back = [0, 0, 0, 1, 0, 0, 0];
        self.running -= 1;
        if let Some(second) = self.seconds.iter_mut().rev().find(|entry| entry.0 == taken.second) {
            let (requests, tokens) = (i64::from(!reached), estimate.tokens - used.tokens);
            second.1 -= requests;
            self.requests -= requests;
            second.2 -= tokens;
            self.tokens -= tokens;
            (back[Pool::Requests as usize], back[Pool::Tokens as usize]) = (requests, tokens);
        }
        for (at, (estimate, used)) in estimate.quota().into_iter().zip(used.quota()).enumerate() {
            if self.is_current(at, taken) {
                self.estimated[at] -= estimate;
                self.open[at] += used - estimate;
                back[Pool::DayTokens as usize + at] = estimate - used;
            }
        }
        back
    }

    /// The record of a call is in the database.
    pub fn commit(&mut self, taken: Moment, used: Demand) {
        for (at, used) in used.quota().into_iter().enumerate() {
            if self.is_current(at, taken) {
                self.open[at] -= used;
                self.written[at] += used;
            }
        }
    }

    /// What the database says, and what became of `written` since it was asked.
    pub fn load(&mut self, sum: UsageSum, before: Quota) {
        for (at, sum) in [sum.day_tokens, sum.day_micro_usd, sum.month_micro_usd].into_iter().enumerate() {
            self.written[at] = sum + (self.written[at] - before[at]).max(0);
        }
    }

    fn is_current(&self, quota: usize, taken: Moment) -> bool {
        if quota == 2 { taken.month == self.now.month } else { taken.day == self.now.day }
    }

    /// Seconds until so much of the window has left that `held` is below `cap`; what others have is of the same age, at best.
    pub fn wait(&self, pool: Pool, cap: i64, held: i64) -> i64 {
        let mut over = held - cap;
        for Second(at, requests, tokens) in &self.seconds {
            over -= if pool == Pool::Tokens { *tokens } else { *requests };
            if over < 0 {
                return (at + WINDOW_S - self.now.second).max(1);
            }
        }
        if self.seconds.is_empty() { 1 } else { WINDOW_S }
    }

    /// Seconds until the oldest call leaves the window.
    pub fn until_next(&self) -> i64 {
        self.seconds.front().map_or(WINDOW_S, |oldest| (oldest.0 + WINDOW_S - self.now.second).max(1))
    }

    pub fn is_idle(&self) -> bool {
        self.seconds.is_empty() && self.running == 0 && self.open == Quota::default()
    }
}
