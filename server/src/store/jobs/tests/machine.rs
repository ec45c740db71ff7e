//! Random workers on the real store against a model of what each of them may do. A guard that is taken away has to be
//! noticed.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::store::testing;

/// What happens next; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Submit,
    Claim {
        worker: u8,
        most: u8,
    },
    /// Somebody who once had a job says how it ended; maybe long ago.
    Finish {
        claimed: u8,
        how: u8,
    },
    Beat {
        worker: u8,
    },
    /// Somebody looks for lost jobs,
    Look,
    /// and brings one back that was seen before; maybe too late.
    Bring {
        seen: u8,
    },
    Cancel {
        job: u8,
    },
    Redrive {
        job: u8,
    },
    Wait {
        seconds: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Submit),
        5 => (0..3_u8, 1..4_u8).prop_map(|(worker, most)| Step::Claim { worker, most }),
        6 => (any::<u8>(), 0..3_u8).prop_map(|(claimed, how)| Step::Finish { claimed, how }),
        2 => (0..3_u8).prop_map(|worker| Step::Beat { worker }),
        3 => Just(Step::Look),
        4 => any::<u8>().prop_map(|seen| Step::Bring { seen }),
        1 => any::<u8>().prop_map(|job| Step::Cancel { job }),
        1 => any::<u8>().prop_map(|job| Step::Redrive { job }),
        3 => (1..20_u8).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 1..60)
}

/// What must be true of a request, by what was answered.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    status: &'static str,
    epoch: i64,
    lease_until_us: i64,
    worker: u8,
}

/// Runs the steps; what went wrong, if anything did.
async fn run(db: &Db, steps: &[Step]) -> Result<(), String> {
    let mut now = 0_i64;
    let mut model: BTreeMap<String, Expected> = BTreeMap::new();
    let mut claimed: Vec<JobRow> = Vec::new();
    let mut seen: Vec<JobRow> = Vec::new();
    let mut epochs: HashSet<(String, i64)> = HashSet::new();
    for step in steps {
        match step {
            Step::Submit => {
                let id = format!("r{:03}", model.len());
                db.submit(&[submission(&id, "t", "p", 0, now)], None).await.map_err(|e| e.to_string())?;
                model.insert(id, Expected { status: "queued", epoch: 0, lease_until_us: 0, worker: 0 });
            }
            Step::Claim { worker, most } => {
                for job in claim(db, &worker.to_string(), "p", now, usize::from(*most), 1_000).await {
                    let expected = model.get_mut(&job.id).ok_or("an unknown job was claimed")?;
                    if expected.status != "queued" {
                        return Err(format!("{} was claimed while it was {}", job.id, expected.status));
                    }
                    if !epochs.insert((job.id.clone(), job.epoch)) || job.epoch <= expected.epoch {
                        return Err(format!("{} was claimed twice with epoch {}", job.id, job.epoch));
                    }
                    *expected = Expected {
                        status: "processing",
                        epoch: job.epoch,
                        lease_until_us: job.lease_until_us.unwrap_or(0),
                        worker: *worker,
                    };
                    claimed.push(job);
                }
            }
            Step::Finish { claimed: which, how } => {
                let Some(job) = claimed.get(usize::from(*which) % claimed.len().max(1)) else { continue };
                let mut ending = over(job, ["completed", "failed", "queued"][usize::from(*how)], now);
                if *how == 2 {
                    let mut next = job.clone();
                    next.state = "waiting".to_owned();
                    ending.then = Then::Goes(Box::new(next));
                    if let Some(request) = &mut ending.request {
                        request.completed_us = None;
                    }
                }
                let done = db.finish_jobs(&[ending]).await.map_err(|e| e.to_string())?.contains(&job.id);
                let expected = model.get_mut(&job.id).ok_or("an unknown job ended")?;
                let may = expected.status == "processing" && expected.epoch == job.epoch;
                if done != may {
                    return Err(format!("{} with epoch {} ended: {done}, but {expected:?}", job.id, job.epoch));
                }
                if done {
                    expected.status = ["completed", "failed", "queued"][usize::from(*how)];
                }
            }
            Step::Beat { worker } => {
                let until = now + 15 * SECOND;
                let kept = db.keep_leases(&worker.to_string(), until).await.map_err(|e| e.to_string())?;
                let kept: HashSet<(String, i64)> = kept.into_iter().map(|job| (job.id, job.epoch)).collect();
                for (id, expected) in &mut model {
                    let is_its = expected.status == "processing" && expected.worker == *worker;
                    if is_its != kept.contains(&(id.clone(), expected.epoch)) {
                        return Err(format!("{id} was kept by {worker}: {}, but {expected:?}", !is_its));
                    }
                    if is_its {
                        expected.lease_until_us = until;
                    }
                }
            }
            Step::Look => {
                let lost = db.lost_jobs(now, 100).await.map_err(|e| e.to_string())?;
                let due = model.values().filter(|e| e.status == "processing" && e.lease_until_us < now).count();
                if lost.len() != due {
                    return Err(format!("{} jobs are lost, but {due} should be", lost.len()));
                }
                seen.extend(lost);
            }
            Step::Bring { seen: which } => {
                let Some(job) = seen.get(usize::from(*which) % seen.len().max(1)) else { continue };
                let lease_until_us = job.lease_until_us.unwrap_or(0);
                let mut ending = over(job, "queued", now);
                ending.guard = Guard::Expired { lease_until_us };
                let mut next = job.clone();
                next.state = "waiting".to_owned();
                ending.then = Then::Goes(Box::new(next));
                if let Some(request) = &mut ending.request {
                    request.completed_us = None;
                }
                let done = db.finish_jobs(&[ending]).await.map_err(|e| e.to_string())?.contains(&job.id);
                let expected = model.get_mut(&job.id).ok_or("an unknown job was lost")?;
                let is_lost = expected.status == "processing"
                    && expected.epoch == job.epoch
                    && expected.lease_until_us == lease_until_us;
                if done != is_lost {
                    return Err(format!("{} was brought back: {done}, but {expected:?} at {now}", job.id));
                }
                if done {
                    expected.status = "queued";
                }
            }
            Step::Cancel { job } => {
                let Some(id) = model.keys().nth(usize::from(*job) % model.len().max(1)).cloned() else { continue };
                let none = |_: &str| None;
                let (gone, _) = db.cancel_requests(&[&id], now, false, &none).await.map_err(|e| e.to_string())?;
                let done = gone.contains(&id);
                let expected = model.get_mut(&id).ok_or("an unknown job was cancelled")?;
                if done != (expected.status == "queued") {
                    return Err(format!("{id} was cancelled: {done}, but {expected:?}"));
                }
                if done {
                    expected.status = "cancelled";
                }
            }
            Step::Redrive { job } => {
                let Some(id) = model.keys().nth(usize::from(*job) % model.len().max(1)).cloned() else { continue };
                let epoch = db.work_request(&id).await.map_err(|e| e.to_string())?.map_or(0, |request| request.epoch);
                let again = JobRow { epoch, ..submission(&id, "t", "p", 0, now).job };
                let event = event(&id, "request.queued", now);
                let done = db.redrive("p", &again, now, &event).await.map_err(|e| e.to_string())?;
                let expected = model.get_mut(&id).ok_or("an unknown job was taken up")?;
                if done != matches!(expected.status, "failed" | "cancelled") {
                    return Err(format!("{id} was taken up: {done}, but {expected:?}"));
                }
                if done {
                    expected.status = "queued";
                }
            }
            Step::Wait { seconds } => now += i64::from(*seconds) * SECOND,
        }
        for (id, expected) in &model {
            let request = db.work_request(id).await.map_err(|e| e.to_string())?.ok_or("a request is gone")?;
            if request.status != expected.status {
                return Err(format!("{id} is {}, but should be {}", request.status, expected.status));
            }
            let is_live = matches!(expected.status, "queued" | "processing");
            if db.job(id).await.map_err(|e| e.to_string())?.is_some() != is_live {
                return Err(format!("{id} is {} and its job says otherwise", expected.status));
            }
        }
    }
    Ok(())
}

async fn empty(db: &Db) {
    for table in ["jobs", "requests", "request_bodies", "job_attempts", "events", "queues"] {
        let sql = format!("DELETE FROM {table}");
        match db {
            Db::Sqlite(sqlite) => drop(sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&sqlite.write).await.unwrap()),
            Db::Postgres(pool) => drop(sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap()),
        }
    }
}

/// Random stories on one database; the first that went wrong.
fn stories(db: &Db, runtime: &tokio::runtime::Handle, count: u32) -> Option<String> {
    let config =
        ProptestConfig { cases: count, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let told = runner.run(&steps(), |steps| {
        let outcome = runtime.block_on(async {
            empty(db).await;
            run(db, &steps).await
        });
        outcome.map_err(TestCaseError::fail)
    });
    told.err().map(|error| error.to_string())
}

#[test]
fn random_workers_never_break_the_rules() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(testing::each_db(async |db: Db| {
        let handle = tokio::runtime::Handle::current();
        let cases = if db.kind() == crate::store::DbKind::Sqlite { 60 } else { 25 };
        let broken = tokio::task::spawn_blocking(move || stories(&db, &handle, cases)).await.unwrap();
        assert_eq!(broken, None);
    }));
}

/// Each of these takes one guard away.
#[test]
fn a_missing_guard_is_noticed() {
    use crate::store::jobs::finish::{MUTANT, Mutant};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for mutant in [Mutant::Epoch, Mutant::Lease, Mutant::State] {
        let broken = runtime.block_on(async {
            let (db, _folder) = testing::sqlite().await;
            let handle = tokio::runtime::Handle::current();
            let inner = db.clone();
            let story = tokio::task::spawn_blocking(move || {
                // Guards are looked at where this thread blocks on the store.
                MUTANT.set(Some(mutant));
                stories(&inner, &handle, 400)
            });
            let broken = story.await.unwrap();
            db.close().await;
            broken
        });
        assert!(broken.is_some(), "{mutant:?} went unnoticed");
    }
}
