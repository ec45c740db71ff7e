//! The counting against a simple model.

mod replicas;

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{meter::*, *};
use crate::store::{limits::LimitRow, testing::sqlite, usage::UsageScope};

const T0: i64 = 1_800_000_000_000_000;

fn limit(change: impl FnOnce(&mut LimitRow)) -> Limit {
    let mut row = LimitRow { id: "lim".into(), warn_percent: 80, is_active: true, ..LimitRow::default() };
    change(&mut row);
    Limit::from_row(row)
}

/// One for each server: an index leads to the counters of the limiter that used it first.
fn index(change: impl Fn(&mut LimitRow)) -> Vec<Index> {
    (0..3).map(|_| Index::new([limit(&change)])).collect()
}

type Change = Box<dyn Fn(&mut LimitRow) + Send + Sync>;

const ORIGIN: Origin<'static> = Origin {
    org_id: "org",
    instance_id: "ins",
    project_id: Some("prj"),
    key_id: Some("key"),
    provider: "openai",
    model: "gpt-4o",
};

fn demand(tokens: i64, micro_usd: i64) -> Demand {
    Demand { tokens, micro_usd }
}

fn refused(result: Result<Reservation, LimitError>) -> Refusal {
    match result {
        Err(LimitError::Refused(refusal)) => *refusal,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the call went out"),
    }
}

#[test]
fn a_limit_counts_what_matches_everything_it_names() {
    let limits = [
        ("everything", UsageScope::default()),
        ("org", UsageScope { org_id: Some("org".into()), ..UsageScope::default() }),
        ("other org", UsageScope { org_id: Some("else".into()), ..UsageScope::default() }),
        ("instance", UsageScope { instance_id: Some("ins".into()), ..UsageScope::default() }),
        ("project", UsageScope { project_id: Some("prj".into()), ..UsageScope::default() }),
        ("key", UsageScope { key_id: Some("key".into()), ..UsageScope::default() }),
        (
            "key and model",
            UsageScope { key_id: Some("key".into()), model: Some("gpt-4o".into()), ..UsageScope::default() },
        ),
        (
            "key and another model",
            UsageScope { key_id: Some("key".into()), model: Some("o3".into()), ..UsageScope::default() },
        ),
        ("provider", UsageScope { provider: Some("openai".into()), ..UsageScope::default() }),
        ("model", UsageScope { model: Some("gpt-4o".into()), ..UsageScope::default() }),
        (
            "model of another",
            UsageScope { provider: Some("x".into()), model: Some("gpt-4o".into()), ..UsageScope::default() },
        ),
    ];
    let index = Index::new(
        limits
            .clone()
            .map(|(id, scope)| Limit { scope, ..limit(|row| (row.id, row.burst_limit) = (id.into(), Some(1))) }),
    );
    let found = |origin: &Origin<'_>| {
        let mut ids: Vec<String> = index.of(origin).map(|limit| limit.id.to_string()).collect();
        ids.sort();
        ids
    };
    let all = ["everything", "instance", "key", "key and model", "model", "org", "project", "provider"];
    assert_eq!(found(&ORIGIN), all);
    let session = Origin { key_id: None, project_id: None, provider: "x", model: "y", ..ORIGIN };
    assert_eq!(found(&session), ["everything", "instance", "org"]);
    assert_eq!(index.all().count(), limits.len());
    assert_eq!(index.get("provider").unwrap().target("ins"), "ins", "counts for each instance by itself");
    assert_eq!(index.get("org").unwrap().target("ins"), "");
}

#[test]
fn days_and_months_are_those_of_utc() {
    // 2027-01-15T08:00:00Z.
    let now = Moment::at(T0);
    assert_eq!(now.until_reset(Pool::DayTokens), 16 * 3600);
    assert_eq!(now.until_reset(Pool::MonthMoney), 16 * 86_400 + 16 * 3600);
    assert_eq!(now.month, now.day - 14);
    let last = Moment::at(1_798_761_599_999_999);
    assert_eq!((last.until_reset(Pool::DayMoney), last.until_reset(Pool::MonthMoney)), (1, 1), "New Year's Eve");
    let first = last.to(1_798_761_600_000_000);
    assert_eq!((first.day, first.month), (last.day + 1, last.day + 1));
}

#[derive(Debug, Clone)]
enum Step {
    Take(i64, i64),
    Settle(usize, i64, i64, bool),
    Write(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..500i64, 0..90i64).prop_map(|(tokens, money)| Step::Take(tokens, money)),
        3 => (0..20usize, 0..500i64, 0..90i64, any::<bool>()).prop_map(|(at, t, m, r)| Step::Settle(at, t, m, r)),
        2 => (0..20usize).prop_map(Step::Write),
        2 => prop_oneof![0..3_000_000i64, 0..70_000_000i64, Just(DAY), Just(31 * DAY)].prop_map(Step::Wait),
    ]
}

const DAY: i64 = 86_400_000_000;

/// A call as the simple model keeps it: everything is added up anew each time.
#[derive(Debug, Clone, Copy)]
struct Known {
    taken: Moment,
    estimate: Demand,
    used: Option<(Demand, bool)>,
    written: bool,
}

impl Known {
    fn now(&self) -> Demand {
        self.used.map_or(self.estimate, |(used, _)| used)
    }
}

fn model(calls: &[Known], now: Moment) -> Amounts {
    let mut held = [0; POOLS];
    for call in calls {
        let counts = i64::from(call.used.is_none_or(|(_, reached)| reached));
        if call.taken.second == now.second {
            held[0] += counts;
        }
        if call.taken.second > now.second - 60 {
            held[1] += counts;
            held[2] += call.now().tokens;
        }
        held[3] += i64::from(call.used.is_none());
        if call.taken.day == now.day {
            held[4] += call.now().tokens;
            held[5] += call.now().micro_usd;
        }
        if call.taken.month == now.month {
            held[6] += call.now().micro_usd;
        }
    }
    held
}

proptest! {
    #[test]
    fn counts_are_those_of_the_simple_model(steps in proptest::collection::vec(step(), 1..120)) {
        let limit = limit(|row| {
            (row.requests_per_minute, row.tokens_per_minute, row.burst_limit) = (Some(9), Some(1_500), Some(4));
            (row.concurrent_requests, row.tokens_per_day) = (Some(5), Some(4_000));
            (row.budget_day_micro_usd, row.budget_month_micro_usd) = (Some(400), Some(900));
        });
        let (mut counts, mut calls, mut now_us) = (Counts::default(), Vec::<Known>::new(), T0);
        for step in steps {
            let now = Moment::at(now_us);
            counts.roll(now);
            match step {
                Step::Take(tokens, micro_usd) => {
                    let estimate = demand(tokens, micro_usd);
                    let held = model(&calls, now);
                    let room = |pool: Pool| {
                        let (cap, held) = (limit.cap(pool).unwrap(), held[pool as usize]);
                        held < cap && (!pool.is_money() || held + micro_usd <= cap)
                    };
                    let dry = Dry::worst(&limit, now, &counts, counts.held(), &estimate.amounts());
                    prop_assert_eq!(dry.is_none(), Pool::ALL.into_iter().all(room));
                    match dry {
                        None => {
                            let second = counts.take(estimate);
                            prop_assert_eq!(second, now.second);
                            calls.push(Known { taken: now, estimate, used: None, written: false });
                        }
                        Some(dry) if matches!(dry.pool, Pool::Requests | Pool::Tokens) => {
                            // The time to wait is neither too short nor longer than it has to be.
                            let full_at = |second: i64| {
                                let held = model(&calls, Moment { second, ..now })[dry.pool as usize];
                                held >= dry.cap
                            };
                            prop_assert!(!full_at(now.second + dry.wait_s));
                            prop_assert!(dry.wait_s == 1 || full_at(now.second + dry.wait_s - 1));
                        }
                        Some(_) => {}
                    }
                }
                Step::Settle(at, tokens, money, reached) => {
                    let running: Vec<usize> = (0..calls.len()).filter(|at| calls[*at].used.is_none()).collect();
                    if let Some(at) = running.get(at) {
                        let used = demand(tokens, money);
                        let call = &mut calls[*at];
                        counts.settle(call.taken, call.estimate, used, reached);
                        call.used = Some((used, reached));
                    }
                }
                Step::Write(at) => {
                    let open: Vec<usize> =
                        (0..calls.len()).filter(|at| calls[*at].used.is_some() && !calls[*at].written).collect();
                    if let Some(at) = open.get(at) {
                        counts.commit(calls[*at].taken, calls[*at].used.unwrap().0);
                        calls[*at].written = true;
                    }
                }
                Step::Wait(us) => now_us += us,
            }
            let now = Moment::at(now_us);
            counts.roll(now);
            prop_assert_eq!(counts.held(), model(&calls, now));
            prop_assert!(counts.seconds.len() <= 60);
        }
    }

    /// However the room of one limit is divided, and whoever waits: what is granted fits, and all of it is granted.
    #[test]
    fn what_is_divided_fits(
        cap in 0..60i64, held in 0..70i64, waiting in 0..40usize, replicas in 1..9i64, stale in any::<bool>()
    ) {
        let limit = limit(|row| row.requests_per_minute = Some(cap));
        let mut all = [0; POOLS];
        all[Pool::Requests as usize] = held;
        let demands = vec![demand(0, 0).amounts(); waiting];
        let made = share::allot(&limit, all, &demands, |_| stale, Some(replicas));
        let granted = made.granted[Pool::Requests as usize];
        let room = (cap - held).max(0);
        prop_assert!(granted <= room);
        prop_assert_eq!(made.refused.len() as i64, (waiting as i64 - room).max(0));
        prop_assert!(granted >= (waiting as i64).min(room));
        prop_assert_eq!(made.is_open, stale && !made.refused.is_empty());
    }
}

#[tokio::test]
async fn idle_counters_are_forgotten() {
    let (db, _folder) = sqlite().await;
    let clock = Clock::fixed(T0);
    let tasks = Tasks::new(clock.clone());
    let limiter = Limiter::start(db, clock.clone(), &tasks);
    let index = &index(|row| row.requests_per_minute = Some(5))[0];
    for n in 0..100 {
        let instance = format!("ins{n}");
        let origin = Origin { instance_id: &instance, ..ORIGIN };
        drop(limiter.reserve(index, &origin, demand(1, 1)).await.unwrap());
    }
    let running = limiter.reserve(index, &ORIGIN, demand(1, 1)).await.unwrap();
    assert_eq!(limiter.0.meters().len(), 101);
    let age = || {
        for meter in limiter.0.meters() {
            meter.state.lock().touched.0 = Instant::now() - Duration::from_secs(121);
        }
    };
    age();
    limiter.0.forget();
    assert_eq!(limiter.0.meters().len(), 101, "their calls are still in the window");
    clock.advance_us(61_000_000);
    age();
    limiter.0.forget();
    assert_eq!(limiter.0.meters().len(), 1, "one runs");
    drop(running);
    age();
    limiter.0.forget();
    assert_eq!(limiter.0.meters().len(), 0);
    tasks.finish(Duration::from_secs(5)).await;
}

/// Not a test of time, which a busy machine would fail: it prints what ten limits cost a call. Run it with
/// `cargo test --release -p server ten_limits -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints numbers"]
async fn ten_limits_cost_a_call_little() {
    let (db, _folder) = sqlite().await;
    let tasks = Tasks::new(Clock::system());
    let limiter = Limiter::start(db, Clock::system(), &tasks);
    let scopes = [
        UsageScope::default(),
        UsageScope { org_id: Some("org".into()), ..UsageScope::default() },
        UsageScope { instance_id: Some("ins".into()), ..UsageScope::default() },
        UsageScope { project_id: Some("prj".into()), ..UsageScope::default() },
        UsageScope { key_id: Some("key".into()), ..UsageScope::default() },
        UsageScope { key_id: Some("key".into()), model: Some("gpt-4o".into()), ..UsageScope::default() },
        UsageScope { instance_id: Some("ins".into()), provider: Some("openai".into()), ..UsageScope::default() },
        UsageScope { provider: Some("openai".into()), ..UsageScope::default() },
        UsageScope { model: Some("gpt-4o".into()), ..UsageScope::default() },
        UsageScope { org_id: Some("org".into()), model: Some("gpt-4o".into()), ..UsageScope::default() },
    ];
    let mut id = 0;
    let index = Index::new(scopes.map(|scope| {
        id += 1;
        let limit = limit(|row| {
            row.id = format!("0199f0a0-0000-7000-8000-00000000000{id}");
            (row.requests_per_minute, row.tokens_per_minute) = (Some(1 << 40), Some(1 << 40));
            (row.concurrent_requests, row.burst_limit) = (Some(1 << 40), Some(1 << 40));
            (row.budget_day_micro_usd, row.budget_month_micro_usd) = (Some(1 << 40), Some(1 << 40));
        });
        Limit { scope, ..limit }
    }));
    let calls = 200_000u32;
    for round in 0..4 {
        let began = Instant::now();
        for _ in 0..calls {
            let reservation = limiter.reserve(&index, &ORIGIN, demand(1_000, 10)).await.unwrap();
            drop(reservation.settle(demand(500, 5), true));
        }
        eprintln!("round {round}: {:?} for reserving, settling and writing down", began.elapsed() / calls);
    }
    tasks.finish(Duration::from_secs(5)).await;
}
