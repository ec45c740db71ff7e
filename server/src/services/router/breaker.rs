//! A circuit breaker per provider: it opens after failures in a row of time, and lets single calls try after a while.

use std::collections::HashMap;

/// So many failures,
const FAILURES: usize = 5;
/// within this time,
const WINDOW_US: i64 = 120_000_000;
/// close a provider for so long;
const OPEN_US: i64 = 60_000_000;
/// then so many successes open it again.
const SUCCESSES: u32 = 2;

/// The breakers of this process, by provider.
#[derive(Debug, Default)]
pub struct Breakers(HashMap<String, Breaker>);

#[derive(Debug, Default)]
struct Breaker {
    failures: Vec<i64>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until_us: i64,
    },
    HalfOpen {
        successes: u32,
    },
}

/// Whether calls may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    Open,
    /// One at a time, to see whether the provider is back.
    Probe,
    Closed {
        until_us: i64,
    },
}

impl Breakers {
    pub fn passage(&mut self, provider: &str, now_us: i64) -> Passage {
        let Some(breaker) = self.0.get_mut(provider) else { return Passage::Open };
        match breaker.state {
            State::Closed => Passage::Open,
            State::HalfOpen { .. } => Passage::Probe,
            State::Open { until_us } if until_us <= now_us => {
                breaker.state = State::HalfOpen { successes: 0 };
                Passage::Probe
            }
            State::Open { until_us } => Passage::Closed { until_us },
        }
    }

    pub fn succeeded(&mut self, provider: &str) {
        let Some(breaker) = self.0.get_mut(provider) else { return };
        match &mut breaker.state {
            State::HalfOpen { successes } => {
                *successes += 1;
                if *successes >= SUCCESSES {
                    self.0.remove(provider);
                }
            }
            State::Closed => breaker.failures.clear(),
            State::Open { .. } => {}
        }
    }

    /// A failure that is the provider's: until when it is left alone, if this one was too much.
    pub fn failed(&mut self, provider: &str, now_us: i64) -> Option<i64> {
        let breaker = self.0.entry(provider.to_owned()).or_default();
        breaker.failures.retain(|at| *at > now_us - WINDOW_US);
        breaker.failures.push(now_us);
        let opens = match breaker.state {
            State::HalfOpen { .. } => true,
            State::Closed => breaker.failures.len() >= FAILURES,
            State::Open { .. } => false,
        };
        opens.then(|| {
            let until_us = now_us + OPEN_US;
            breaker.failures.clear();
            breaker.state = State::Open { until_us };
            until_us
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn five_failures_close_a_provider_for_a_minute() {
        let mut breakers = Breakers::default();
        for n in 0..4 {
            assert_eq!(breakers.failed("p", n * SECOND), None);
            assert_eq!(breakers.passage("p", n * SECOND), Passage::Open);
        }
        assert_eq!(breakers.failed("p", 4 * SECOND), Some(64 * SECOND));
        assert_eq!(breakers.passage("p", 63 * SECOND), Passage::Closed { until_us: 64 * SECOND });
        assert_eq!(breakers.passage("other", 63 * SECOND), Passage::Open);
        assert_eq!(breakers.passage("p", 64 * SECOND), Passage::Probe);
    }

    #[test]
    fn two_successes_open_it_again_and_one_failure_does_not() {
        let mut breakers = Breakers::default();
        let open = (0..5).filter_map(|n| breakers.failed("p", n)).next().unwrap();
        assert_eq!(breakers.passage("p", open), Passage::Probe);
        breakers.succeeded("p");
        assert_eq!(breakers.failed("p", open), Some(open + OPEN_US));
        assert_eq!(breakers.passage("p", open + OPEN_US), Passage::Probe);
        breakers.succeeded("p");
        assert_eq!(breakers.passage("p", open + OPEN_US), Passage::Probe);
        breakers.succeeded("p");
        assert_eq!(breakers.passage("p", open + OPEN_US), Passage::Open);
    }

    #[test]
    fn old_failures_do_not_count() {
        let mut breakers = Breakers::default();
        for n in 0..20 {
            assert_eq!(breakers.failed("p", n * WINDOW_US / 4 + n), None);
        }
        // A success in between starts the count anew.
        let mut breakers = Breakers::default();
        for n in 0..20 {
            assert_eq!(breakers.failed("p", n), None);
            if n % 4 == 3 {
                breakers.succeeded("p");
            }
        }
    }
}
