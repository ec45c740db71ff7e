//! Replicas that share one database.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::*;
use crate::store::{requests::UsageLogRow, testing::each_db};

/// Waits until something is so.
macro_rules! eventually {
    ($what:expr, $is:expr) => {
        let until = Instant::now() + Duration::from_secs(20);
        while !$is {
            assert!(Instant::now() < until, "did not happen in time: {}", $what);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
}

/// Several servers on one database, as far as limits are concerned.
struct Fleet {
    limiters: Vec<Limiter>,
    clocks: Vec<Clock>,
    tasks: Vec<Tasks>,
}

impl Fleet {
    fn start(db: &Db, replicas: usize) -> Self {
        let mut fleet = Self { limiters: Vec::new(), clocks: Vec::new(), tasks: Vec::new() };
        (0..replicas).for_each(|_| fleet.join(db, Clock::fixed(T0)));
        fleet
    }

    fn join(&mut self, db: &Db, clock: Clock) {
        let tasks = Tasks::new(clock.clone());
        self.limiters.push(Limiter::start(db.clone(), clock.clone(), &tasks));
        self.clocks.push(clock);
        self.tasks.push(tasks);
    }

    /// Calls at once, so many at each server; those that went out and those that were refused.
    async fn at_once(&self, index: &[Index], calls: &[usize], demand: Demand) -> (Vec<Reservation>, usize) {
        let mut waiting = Vec::new();
        for (at, calls) in calls.iter().enumerate() {
            waiting.extend((0..*calls).map(|_| self.call(at, index, demand)));
        }
        let (mut passed, mut refusals) = (Vec::new(), 0);
        for result in join_all(waiting).await {
            match result {
                Ok(reservation) => passed.push(reservation),
                Err(LimitError::Refused(_)) => refusals += 1,
                Err(error) => panic!("{error}"),
            }
        }
        (passed, refusals)
    }

    async fn call(&self, at: usize, index: &[Index], demand: Demand) -> Result<Reservation, LimitError> {
        self.limiters[at].reserve(&index[at], &ORIGIN, demand).await
    }

    async fn stop(self) {
        for tasks in self.tasks {
            assert!(tasks.finish(Duration::from_secs(5)).await.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_for_k_lets_exactly_k_out() {
    each_db(|db| async move {
        // SQLite has one server.
        let replicas = if matches!(db, Db::Postgres(_)) { 3 } else { 1 };
        for (cap, calls) in [(7, [20, 20, 20]), (100, [140, 5, 5]), (90, [0, 200, 1]), (1, [30, 30, 30])] {
            let calls = &calls[..replicas];
            let all: usize = calls.iter().sum();
            let most = all.min(cap);
            let cap = i64::try_from(cap).unwrap();
            let cases: [(&str, Demand, Change); 7] = [
                ("requests", demand(1, 1), Box::new(move |row| row.requests_per_minute = Some(cap))),
                ("burst", demand(1, 1), Box::new(move |row| row.burst_limit = Some(cap))),
                ("running", demand(1, 1), Box::new(move |row| row.concurrent_requests = Some(cap))),
                ("tokens", demand(10, 1), Box::new(move |row| row.tokens_per_minute = Some(10 * cap - 9))),
                ("tokens of a day", demand(10, 1), Box::new(move |row| row.tokens_per_day = Some(10 * cap))),
                ("day", demand(1, 70), Box::new(move |row| row.budget_day_micro_usd = Some(70 * cap + 69))),
                ("month", demand(1, 70), Box::new(move |row| row.budget_month_micro_usd = Some(70 * cap))),
            ];
            for (name, demand, change) in cases {
                let fleet = Fleet::start(&db, replicas);
                let index = index(|row| {
                    row.id = format!("{name} {cap}");
                    change(row);
                });
                let (passed, refused) = fleet.at_once(&index, calls, demand).await;
                assert_eq!((passed.len(), refused), (most, all - most), "{name}: {cap} of {calls:?}");
                drop(passed);
                fleet.stop().await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_replica_starves_while_room_is_left() {
    each_db(|db| async move {
        if !matches!(db, Db::Postgres(_)) {
            return;
        }
        let fleet = Fleet::start(&db, 3);
        let minute = index(|row| row.requests_per_minute = Some(100));
        // Each sets something aside for later calls of its own.
        let (first, _) = fleet.at_once(&minute, &[1, 1, 1], demand(0, 0)).await;
        assert_eq!(first.len(), 3);
        let mut set_aside = 0;
        for limiter in &fleet.limiters {
            set_aside += limiter.0.meters()[0].state.lock().spare[1];
        }
        assert!(set_aside > 10, "{set_aside}");
        // All that is left comes to the one that asks, also what the others have set aside.
        let (rest, refused) = fleet.at_once(&minute, &[0, 120, 0], demand(0, 0)).await;
        assert_eq!((rest.len(), refused), (97, 23));
        // And what nobody asks for goes back by itself.
        let other = index(|row| (row.id, row.requests_per_minute) = ("idle".into(), Some(100)));
        drop(fleet.at_once(&other, &[1, 0, 0], demand(0, 0)).await);
        let lone = fleet.limiters[0].0.meters().into_iter().find(|m| &*m.limit_id == "idle").unwrap();
        assert!(lone.state.lock().spare[1] > 0);
        eventually!("it is given back", lone.state.lock().spare[1] == 0);
        drop((first, rest));
        fleet.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_of_calls_that_end_are_everyones() {
    each_db(|db| async move {
        let replicas = if matches!(db, Db::Postgres(_)) { 3 } else { 1 };
        let fleet = Fleet::start(&db, replicas);
        let index = index(|row| (row.concurrent_requests, row.budget_day_micro_usd) = (Some(4), Some(1_000)));
        let last = replicas - 1;
        let (mut running, _) = fleet.at_once(&index, &[4, 0, 0][..replicas], demand(10, 200)).await;
        assert_eq!(running.len(), 4);
        let refusal = refused(fleet.call(last, &index, demand(10, 200)).await);
        assert_eq!((refusal.pool, refusal.wait_s), (Pool::Running, 1));
        // One ends and cost 50 less than it might have; nothing of it is written yet.
        let (_, held) = running.pop().unwrap().settle(demand(5, 150), true);
        let mut fifth;
        eventually!("its place is free", {
            fifth = fleet.call(last, &index, demand(10, 200)).await.ok();
            fifth.is_some()
        });
        drop(running);
        // 150 spent, 200 reserved: 650 are left, and for an instant only.
        eventually!("the money of the calls that were dropped is there", {
            fleet.call(last, &index, demand(1, 650)).await.is_ok()
        });
        let refusal = refused(fleet.call(last, &index, demand(1, 651)).await);
        assert_eq!(refusal.pool, Pool::DayMoney);
        drop((held, fifth));
        fleet.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_alone_tells_the_one_that_comes() {
    each_db(|db| async move {
        if !matches!(db, Db::Postgres(_)) {
            return;
        }
        let mut fleet = Fleet::start(&db, 1);
        let index = index(|row| (row.requests_per_minute, row.concurrent_requests) = (Some(10), Some(7)));
        let (first, _) = fleet.at_once(&index, &[4], demand(0, 0)).await;
        assert_eq!((first.len(), fleet.limiters[0].0.mode()), (4, Mode::Alone));
        fleet.join(&db, Clock::fixed(T0));
        fleet.join(&db, Clock::fixed(T0));
        let (second, _) = fleet.at_once(&index, &[0, 9, 9], demand(0, 0)).await;
        assert_eq!(second.len(), 3, "four of seven places are taken");
        assert!(fleet.limiters.iter().all(|limiter| limiter.0.mode() == Mode::Shared));
        drop(first);
        let mut third = Vec::new();
        eventually!("the three requests that are left", {
            third.extend(fleet.at_once(&index, &[1, 1, 1], demand(0, 0)).await.0);
            third.len() >= 3
        });
        assert_eq!(third.len(), 3);
        // All ten requests are used, and six of the seven places; which of the two a server names depends on what it holds.
        refused(fleet.call(2, &index, demand(0, 0)).await);
        drop((second, third));
        fleet.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_dead_held_is_free_again() {
    each_db(|db| async move {
        if !matches!(db, Db::Postgres(_)) {
            return;
        }
        let fleet = Fleet::start(&db, 2);
        let index = index(|row| {
            (row.requests_per_minute, row.concurrent_requests) = (Some(10), Some(3));
            row.budget_day_micro_usd = Some(300);
        });
        let (held, _) = fleet.at_once(&index, &[3, 0], demand(1, 100)).await;
        assert_eq!(held.len(), 3);
        let refusal = refused(fleet.call(1, &index, demand(1, 100)).await);
        assert!(matches!(refusal.pool, Pool::Running | Pool::DayMoney), "{refusal}");
        // For the second the first gives no sign of life any more.
        fleet.clocks[1].advance_us(5_000_000);
        let mut taken = Vec::new();
        eventually!("its places and its money are free", {
            taken.extend(fleet.call(1, &index, demand(1, 100)).await.ok());
            taken.len() == 3
        });
        drop(taken.drain(..));
        // The requests that it made were made.
        eventually!("seven of ten requests", {
            taken.extend(fleet.call(1, &index, demand(1, 1)).await.ok());
            drop(taken.drain(..));
            let refused = fleet.call(1, &index, demand(1, 1)).await;
            matches!(refused, Err(LimitError::Refused(refusal)) if refusal.pool == Pool::Requests)
        });
        // Once they have left the window, the second is alone.
        fleet.clocks[1].advance_us(70_000_000);
        eventually!("the second is alone", fleet.limiters[1].0.mode() == Mode::Alone);
        assert_eq!(fleet.at_once(&index, &[0, 12], demand(1, 1)).await.0.len(), 3);
        drop(held);
        fleet.stop().await;
    })
    .await;
}

fn usage(n: i64, cost_micro_usd: i64, time_us: i64) -> UsageLogRow {
    UsageLogRow {
        log_id: format!("log{n}"),
        instance_id: "ins".into(),
        time_us,
        provider: "openai".into(),
        model: "gpt-4o".into(),
        input_tokens: 6,
        output_tokens: 4,
        cached_tokens: 0,
        tokens_used: 10,
        cost_micro_usd,
        request_id: format!("log{n}"),
        key_id: Some("key".into()),
        user_id: None,
        project_id: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_begin_with_what_was_written_down() {
    each_db(|db| async move {
        let rows = [usage(1, 300, T0 - 60), usage(2, 200, T0 - DAY), usage(3, 5_000, T0 - 31 * DAY)];
        db.insert_usage(&rows).await.unwrap();
        db.insert_usage(&rows).await.unwrap();
        let fleet = Fleet::start(&db, 1);
        let limiter = &fleet.limiters[0];
        let of_key = |day, month| {
            index(|row| {
                row.id = format!("{day:?} {month:?}");
                (row.key_id, row.budget_day_micro_usd, row.budget_month_micro_usd) = (Some("key".into()), day, month);
            })
        };
        let day = of_key(Some(400), None);
        assert_eq!(refused(fleet.call(0, &day, demand(1, 101)).await).pool, Pool::DayMoney);
        let reservation = fleet.call(0, &day, demand(1, 100)).await.unwrap();
        let warning = reservation.standing.warning.clone();
        assert_eq!(warning, None, "75% are spent, and the rest is only reserved");
        let (standing, held) = reservation.settle(demand(1, 20), true);
        assert_eq!(standing.warning.map(|warning| (warning.period, warning.spent_micro_usd)), Some((Period::Day, 320)));
        let month = of_key(None, Some(600));
        assert_eq!(refused(fleet.call(0, &month, demand(1, 101)).await).pool, Pool::MonthMoney);
        drop(fleet.call(0, &month, demand(1, 100)).await.unwrap());
        // Another key has its own budget, and another day, too.
        let other = Origin { key_id: Some("other"), ..ORIGIN };
        assert!(limiter.reserve(&day[0], &other, demand(1, 9_999)).await.is_ok(), "the limit is not the other key's");
        fleet.clocks[0].advance_us(DAY);
        eventually!("the next day", fleet.call(0, &day, demand(1, 400)).await.is_ok());
        drop(held);
        assert!(fleet.call(0, &day, demand(1, 400)).await.is_ok(), "yesterday's call counts for yesterday");
        fleet.stop().await;
    })
    .await;
}
