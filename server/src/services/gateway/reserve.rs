//! Limits that hold: a call reserves its request, its estimated tokens and its place among the running ones before it goes
//! out, and settles them afterwards. Windows roll over 60 seconds at a resolution of one second.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::GatewayError;
use crate::services::catalog::{Instance, Model, Snapshot};

const WINDOW_S: i64 = 60;

/// One counted thing: an instance's use of a provider, or of one of its models.
type Scope = (String, String, Option<String>);

/// Counts calls and tokens of the last minute, per scope.
#[derive(Clone, Default)]
pub struct Limiter {
    windows: Arc<Mutex<HashMap<Scope, Window>>>,
}

#[derive(Default)]
struct Window {
    /// (second, calls, tokens), at most one entry per second of the window, oldest first.
    seconds: std::collections::VecDeque<(i64, u64, u64)>,
    running: u64,
}

struct Limit {
    scope: Scope,
    requests: Option<u64>,
    tokens: Option<u64>,
    running: Option<u64>,
}

/// A place that is held until it is dropped.
pub struct Reservation {
    limiter: Limiter,
    scopes: Vec<Scope>,
    second: i64,
    tokens: u64,
    /// What the tightest limit had and has left, for the headers: (limit, remaining, seconds until it is whole again).
    pub headroom: Option<(u64, u64, u64)>,
}

impl Limiter {
    /// Takes one call and `tokens` from every limit that applies, or from none.
    pub fn reserve(
        &self,
        snapshot: &Snapshot,
        instance: &Instance,
        model: &Model,
        tokens: u64,
        now_us: i64,
    ) -> Result<Reservation, GatewayError> {
        let limits = applicable(snapshot, instance, model);
        let second = now_us.div_euclid(1_000_000);
        let mut windows = self.windows.lock();
        let mut headroom: Option<(u64, u64, u64)> = None;
        for limit in &limits {
            let window = windows.entry(limit.scope.clone()).or_default();
            window.forget_before(second - WINDOW_S);
            let (calls, used) = window.totals();
            let wait =
                window.seconds.front().map_or(1, |(oldest, ..)| (oldest + WINDOW_S - second).max(1)).unsigned_abs();
            let reached = |most: Option<u64>, now: u64| most.filter(|most| now >= *most);
            let over = if let Some(most) = reached(limit.requests, calls) {
                Some((format!("{most} requests per minute"), wait))
            } else if let Some(most) = reached(limit.tokens, used) {
                Some((format!("{most} tokens per minute"), wait))
            } else {
                reached(limit.running, window.running).map(|most| (format!("{most} calls at a time"), 1))
            };
            if let Some((rule, wait)) = over {
                let what = limit.scope.2.as_deref().unwrap_or(&limit.scope.1);
                return Err(GatewayError::RateLimited {
                    message: format!("the limit of {rule} for {what} is used up; try again in {wait} s"),
                    retry_after: Duration::from_secs(wait),
                });
            }
            if let Some(most) = limit.requests {
                let left = most - calls - 1;
                if headroom.is_none_or(|(_, least, _)| left < least) {
                    // This call is the newest; when it leaves the window, the limit is whole.
                    headroom = Some((most, left, WINDOW_S.unsigned_abs()));
                }
            }
        }
        let scopes: Vec<Scope> = limits.into_iter().map(|limit| limit.scope).collect();
        for scope in &scopes {
            if let Some(window) = windows.get_mut(scope) {
                window.running += 1;
                window.add(second, 1, tokens);
            }
        }
        drop(windows);
        Ok(Reservation { limiter: self.clone(), scopes, second, tokens, headroom })
    }
}

impl Reservation {
    /// Puts the real number of tokens in the place of the estimate.
    pub fn settle(&mut self, tokens: u64) {
        let mut windows = self.limiter.windows.lock();
        for scope in &self.scopes {
            if let Some(entry) =
                windows.get_mut(scope).and_then(|w| w.seconds.iter_mut().find(|entry| entry.0 == self.second))
            {
                entry.2 = entry.2.saturating_sub(self.tokens) + tokens;
            }
        }
        self.tokens = tokens;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut windows = self.limiter.windows.lock();
        for scope in &self.scopes {
            if let Some(window) = windows.get_mut(scope) {
                window.running = window.running.saturating_sub(1);
            }
        }
    }
}

impl Window {
    fn forget_before(&mut self, second: i64) {
        while self.seconds.front().is_some_and(|(at, ..)| *at <= second) {
            self.seconds.pop_front();
        }
    }

    fn totals(&self) -> (u64, u64) {
        self.seconds.iter().fold((0, 0), |(calls, tokens), entry| (calls + entry.1, tokens + entry.2))
    }

    fn add(&mut self, second: i64, calls: u64, tokens: u64) {
        match self.seconds.back_mut() {
            Some(last) if last.0 >= second => {
                last.1 += calls;
                last.2 += tokens;
            }
            _ => self.seconds.push_back((second, calls, tokens)),
        }
    }
}

/// The limits of the provider, of the model, and those in the instance's own configuration.
fn applicable(snapshot: &Snapshot, instance: &Instance, model: &Model) -> Vec<Limit> {
    let provider: &str = &model.provider.id;
    let mut limits: Vec<Limit> = snapshot
        .limits
        .iter()
        .filter(|limit| limit.provider == provider && limit.model.as_deref().is_none_or(|name| name == model.id))
        .map(|limit| Limit {
            scope: (instance.id.clone(), provider.to_owned(), limit.model.clone()),
            requests: limit.requests_per_minute,
            tokens: limit.tokens_per_minute,
            running: limit.concurrent_requests,
        })
        .collect();
    let own = &instance.config["rate_limits"][provider];
    for (name, requests, tokens) in [
        (format!("{provider} in {}", instance.name), own["rpm"].as_u64(), own["tpm"].as_u64()),
        (format!("the model {}", model.id), model.requests_per_minute, model.tokens_per_minute),
    ] {
        if requests.is_some() || tokens.is_some() {
            limits.push(Limit { scope: (instance.id.clone(), name, None), requests, tokens, running: None });
        }
    }
    limits
}
