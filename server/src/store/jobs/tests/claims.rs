use super::*;
use crate::store::testing::each_db;

#[tokio::test]
async fn what_is_taken_in_comes_out_as_it_went_in() {
    each_db(async |db: Db| {
        let new = submission("r1", "t", "p", 0, SECOND);
        assert_eq!(db.submit(std::slice::from_ref(&new), None).await.unwrap(), None);
        assert_eq!(db.work_request("r1").await.unwrap().unwrap(), new.request);
        let body = db.work_body("r1").await.unwrap().unwrap();
        assert_eq!(
            (body.query, body.input, body.metadata, body.result),
            (new.body.query, new.body.input, new.body.metadata, None)
        );
        assert_eq!(db.job("r1").await.unwrap().unwrap(), new.job);
        assert_eq!(db.waiting_queues().await.unwrap(), ["p"]);
    })
    .await;
}

#[tokio::test]
async fn the_same_idempotency_key_writes_nothing_twice() {
    each_db(async |db: Db| {
        let once = |hash: &str| Idempotency {
            scope: "key intake".to_owned(),
            key: "k".to_owned(),
            body_hash: hash.to_owned(),
            status: 202,
            answer: json!({ "n": 1 }),
            created_us: 7,
        };
        assert_eq!(db.submit(&[submission("r1", "t", "p", 0, 1)], Some(&once("a"))).await.unwrap(), None);
        let before = db.submit(&[submission("r2", "t", "p", 0, 2)], Some(&once("b"))).await.unwrap().unwrap();
        assert_eq!(before, once("a"));
        assert_eq!(db.work_request("r2").await.unwrap(), None);
        assert_eq!(db.forget_answers(8, 10).await.unwrap(), 1);
        assert_eq!(db.submit(&[submission("r2", "t", "p", 0, 2)], Some(&once("b"))).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_unique_key_is_for_one_live_job() {
    each_db(async |db: Db| {
        let keyed = |id: &str, tenant: &str| {
            let mut new = submission(id, tenant, "p", 0, 1);
            new.job.unique_key = Some("u".to_owned());
            new
        };
        db.submit(&[keyed("r1", "t")], None).await.unwrap();
        let taken = db.submit(&[keyed("r2", "t")], None).await.unwrap_err();
        assert!(taken.to_string().starts_with("jobs."), "{taken}");
        db.submit(&[keyed("r3", "other")], None).await.unwrap();
        let job = claim(&db, "w", "p", 2, 10, 10).await.into_iter().find(|job| job.id == "r1").unwrap();
        db.finish_jobs(&[over(&job, "completed", 3)]).await.unwrap();
        db.submit(&[keyed("r4", "t")], None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_claim_starts_each_job_once_and_marks_its_request() {
    each_db(async |db: Db| {
        let new: Vec<Submission> = (0..20).map(|n| submission(&format!("r{n:02}"), "t", "p", 0, n)).collect();
        db.submit(&new, None).await.unwrap();
        let first = claim(&db, "a", "p", 100, 12, 100).await;
        let second = claim(&db, "b", "p", 100, 12, 100).await;
        assert_eq!((first.len(), second.len()), (12, 8));
        assert!(claim(&db, "a", "p", 100, 12, 100).await.is_empty());
        let one = &first[0];
        assert_eq!(
            (one.state.as_str(), one.epoch, one.attempt, one.worker_id.as_deref()),
            ("running", 1, 1, Some("a"))
        );
        assert_eq!(one.lease_until_us, Some(100 + 15 * SECOND));
        let request = db.work_request(&one.id).await.unwrap().unwrap();
        assert_eq!((request.status.as_str(), request.started_us), ("processing", Some(100)));
    })
    .await;
}

#[tokio::test]
async fn priority_goes_first_and_grows_with_waiting() {
    each_db(async |db: Db| {
        // One minute of waiting is one point of priority.
        let now = 3_600 * SECOND;
        let low = submission("low", "t", "p", 0, now - 600 * SECOND);
        let high = submission("high", "t", "p", 9, now);
        let urgent = submission("urgent", "t", "p", 11, now);
        let fresh = submission("fresh", "t", "p", 0, now);
        db.submit(&[fresh, high, low, urgent], None).await.unwrap();
        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(claim(&db, "w", "p", now, 1, 100).await.remove(0).id);
        }
        assert_eq!(order, ["urgent", "low", "high", "fresh"]);
    })
    .await;
}

#[tokio::test]
async fn a_low_priority_starts_within_its_bound_under_permanent_load() {
    each_db(async |db: Db| {
        // Each second one job of priority 5 arrives, and one job is done: without ageing the low one would never start.
        db.submit(&[submission("low", "t", "p", 0, 0)], None).await.unwrap();
        let bound = 5 * 60;
        for second in 0..=bound + 1 {
            let now = second * SECOND;
            db.submit(&[submission(&format!("h{second:04}"), "t", "p", 5, now)], None).await.unwrap();
            let job = claim(&db, "w", "p", now, 1, 100).await.remove(0);
            if job.id == "low" {
                assert!(second >= bound - 1, "it went before its time: {second}");
                return;
            }
            db.finish_jobs(&[over(&job, "completed", now)]).await.unwrap();
        }
        panic!("it did not start within {bound} s");
    })
    .await;
}

#[tokio::test]
async fn tenants_take_turns() {
    each_db(async |db: Db| {
        let many: Vec<Submission> = (0..300).map(|n| submission(&format!("a{n:03}"), "big", "p", 50, n)).collect();
        db.submit(&many, None).await.unwrap();
        db.submit(&[submission("b", "small", "p", 0, 1_000), submission("c", "third", "p", 0, 2_000)], None)
            .await
            .unwrap();
        let first: Vec<String> = claim(&db, "w", "p", 3_000, 4, 100).await.into_iter().map(|job| job.tenant).collect();
        assert_eq!(first.iter().filter(|tenant| *tenant == "big").count(), 2);
        assert!(first.contains(&"small".to_owned()) && first.contains(&"third".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn room_is_counted_over_all_workers() {
    each_db(async |db: Db| {
        let many: Vec<Submission> = (0..40).map(|n| submission(&format!("r{n:03}"), "t", "p", 0, n)).collect();
        db.submit(&many, None).await.unwrap();
        let workers = ["a", "b", "c", "d"].map(|worker| {
            let db = db.clone();
            tokio::spawn(async move { claim(&db, worker, "p", 100, 10, 7).await.len() })
        });
        let mut taken = 0;
        for worker in workers {
            taken += worker.await.unwrap();
        }
        assert_eq!(taken, 7);
        assert!(claim(&db, "e", "p", 100, 10, 0).await.is_empty(), "a closed lane");
    })
    .await;
}

#[tokio::test]
async fn hundreds_of_lanes_are_all_reached() {
    each_db(async |db: Db| {
        let many: Vec<Submission> =
            (0..600).map(|n| submission(&format!("r{n:03}"), &format!("t{n:03}"), "p", 0, n)).collect();
        db.submit(&many, None).await.unwrap();
        let (room, started) = (|_: &Lane| 1, |_: &JobRow| None);
        let mut after = None;
        let mut taken = 0;
        for _ in 0..100 {
            let claim = Claim {
                queue: "p",
                worker_id: "w",
                now_us: 1_000,
                lease_until_us: 2_000,
                most: 10,
                room: &room,
                started: &started,
            };
            let (jobs, next) = db.claim_jobs(&claim, after.as_ref()).await.unwrap();
            taken += jobs.len();
            after = next;
        }
        assert_eq!(taken, 600);
    })
    .await;
}

#[tokio::test]
async fn scheduled_jobs_wait_for_their_time() {
    each_db(async |db: Db| {
        let mut new = submission("r", "t", "p", 0, 1);
        (new.job.state, new.job.run_at_us) = ("scheduled".to_owned(), 50);
        db.submit(&[new], None).await.unwrap();
        assert_eq!(db.next_due().await.unwrap(), Some(50));
        assert_eq!(db.wake_jobs(49, 10).await.unwrap(), 0);
        assert!(claim(&db, "w", "p", 49, 1, 1).await.is_empty());
        assert_eq!(db.wake_jobs(50, 10).await.unwrap(), 1);
        assert_eq!(claim(&db, "w", "p", 50, 1, 1).await.len(), 1);
        assert_eq!(db.next_due().await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn places_are_counted_up_to_a_bound() {
    each_db(async |db: Db| {
        let many: Vec<Submission> = (0..30).map(|n| submission(&format!("r{n:02}"), "t", "p", 0, n)).collect();
        db.submit(&many, None).await.unwrap();
        assert_eq!(db.jobs_before("p", 12, "r12", 100).await.unwrap(), 12);
        assert_eq!(db.jobs_before("p", 12, "r12", 5).await.unwrap(), 5);
        assert_eq!(db.jobs_before("q", 12, "r12", 5).await.unwrap(), 0);
        assert_eq!((db.tenant_jobs("t", 100).await.unwrap(), db.tenant_jobs("t", 7).await.unwrap()), (30, 7));
    })
    .await;
}

#[tokio::test]
async fn gates_close_what_they_name() {
    each_db(async |db: Db| {
        let gate = |id: &str, model: Option<&str>, until_us: Option<i64>| GateRow {
            id: id.to_owned(),
            queue: Some("p".to_owned()),
            tenant: Some("t".to_owned()),
            model: model.map(str::to_owned),
            kind: "limit".to_owned(),
            reason: "rate limit of p".to_owned(),
            until_us,
            actor_name: "router".to_owned(),
            created_us: 1,
        };
        db.close_gate(&gate("a", Some("m"), Some(50))).await.unwrap();
        // The same gate again moves its time and keeps its id.
        db.close_gate(&gate("b", Some("m"), Some(60))).await.unwrap();
        db.close_gate(&gate("c", None, None)).await.unwrap();
        let closed = db.gates(55).await.unwrap();
        assert_eq!(closed.iter().map(|gate| &*gate.id).collect::<Vec<_>>(), ["a", "c"]);
        let lane = |tenant: &str, model: &str| Lane { tenant: tenant.to_owned(), model: model.to_owned() };
        let closes = |gate: &GateRow| {
            [("p", lane("t", "m")), ("p", lane("t", "n")), ("p", lane("u", "m")), ("q", lane("t", "m"))]
                .map(|(queue, lane)| gate.closes(queue, &lane))
        };
        assert_eq!(closes(&closed[0]), [true, false, false, false]);
        assert_eq!(closes(&closed[1]), [true, true, false, false]);
        assert_eq!(db.forget_gates(60).await.unwrap(), 1);
        db.open_gate("c").await.unwrap();
        assert!(db.gates(0).await.unwrap().is_empty());
        assert!(db.open_gate("c").await.is_err());
    })
    .await;
}
