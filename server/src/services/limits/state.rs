//! How far limits are used, for people: by all replicas together, without taking anything.

use app::types::{CapState, LimitState};

use super::{
    Counts, Index, Limit, Limiter,
    meter::{Moment, POOLS, Pool, WINDOW_S},
    replicas::is_alive,
    share::Share,
};
use crate::store::StoreError;

impl Limiter {
    /// The state of a limit; of one that counts for each instance by itself, in these instances. Empty when there is no such
    /// limit, or it is not active.
    pub async fn state(
        &self,
        index: &Index,
        limit_id: &str,
        instances: &[String],
    ) -> Result<Vec<LimitState>, StoreError> {
        let Some(limit) = index.get(limit_id) else { return Ok(Vec::new()) };
        let _settled = self.0.settled().await?;
        let (replicas, shares) = self.0.db.shares_of_limit(limit_id).await?;
        let now_us = self.0.clock.now_us();
        let now = Moment::at(now_us);
        let own = String::new();
        let targets = if limit.is_for_each_instance() { instances } else { std::slice::from_ref(&own) };
        let mut states = Vec::with_capacity(targets.len());
        for target in targets {
            let mut counts = self.0.counts(limit_id, target);
            counts.roll(now);
            let before = counts.written;
            counts.load(self.0.db.usage_sum(&limit.scope_at(target), now.month, now.day).await?, before);
            let mut held = counts.held();
            let mut newest = counts.seconds.back().map(|second| second.0);
            for row in shares.iter().filter(|row| row.target == *target && row.replica_id != self.0.replica_id) {
                let alive = replicas.iter().any(|other| other.replica_id == row.replica_id && is_alive(other, now_us));
                let share: Share = serde_json::from_value(row.body.clone()).unwrap_or_default();
                // What is set aside is neither used nor reserved for a call.
                let share = Share { spare: [0; POOLS], ..share };
                let theirs = share.held(now, alive);
                (0..POOLS).for_each(|at| held[at] += theirs[at]);
                if alive {
                    let estimated = share.current(share.estimated, now);
                    (0..3).for_each(|at| counts.estimated[at] += estimated[at]);
                }
                newest = newest.max(share.seconds.last().map(|second| second.0));
            }
            states.push(state(limit, target, &counts, held, newest, now));
        }
        Ok(states)
    }
}

impl super::Inner {
    /// What was counted here.
    fn counts(&self, limit_id: &str, target: &str) -> Counts {
        let gate = self.gate.lock();
        let meter = gate.meters.get(limit_id).and_then(|targets| targets.lock().get(target).cloned());
        meter.map_or_else(Counts::default, |meter| meter.state.lock().counts.clone())
    }
}

fn state(
    limit: &Limit,
    target: &str,
    counts: &Counts,
    held: super::Amounts,
    newest: Option<i64>,
    now: Moment,
) -> LimitState {
    let reserved = |pool: Pool| match pool {
        Pool::DayTokens | Pool::DayMoney | Pool::MonthMoney => {
            counts.estimated[pool as usize - Pool::DayTokens as usize]
        }
        _ => 0,
    };
    let used = |pool: Pool| held[pool as usize] - reserved(pool);
    let whole = newest.map(|newest| newest + WINDOW_S).filter(|whole| *whole > now.second).unwrap_or(now.second);
    let cap = |pool: Pool| {
        let resets = match pool {
            Pool::Burst => Some(now.second + 1),
            Pool::Requests | Pool::Tokens => Some(whole),
            Pool::Running => None,
            Pool::DayTokens | Pool::DayMoney | Pool::MonthMoney => Some(now.second + now.until_reset(pool)),
        };
        limit.cap(pool).map(|cap| CapState {
            name: pool.as_str().to_owned(),
            limit: cap,
            used: used(pool),
            reserved: reserved(pool),
            left: (cap - held[pool as usize]).max(0),
            resets_us: resets.map(|second| second * 1_000_000),
        })
    };
    let warns = |pool: Pool| {
        let share = |budget: i64| i128::from(budget) * i128::from(limit.warn_percent);
        limit.cap(pool).is_some_and(|budget| i128::from(used(pool)) * 100 >= share(budget))
    };
    LimitState {
        limit_id: limit.id.to_string(),
        instance_id: Some(target.to_owned()).filter(|target| !target.is_empty()),
        caps: Pool::ALL.into_iter().filter_map(cap).collect(),
        tokens_today: used(Pool::DayTokens),
        spent_today_micro_usd: used(Pool::DayMoney),
        spent_month_micro_usd: used(Pool::MonthMoney),
        warned: warns(Pool::DayMoney) || warns(Pool::MonthMoney),
    }
}
