use super::*;
use crate::store::{deliverables::DeliverableRow, outbox::OutboxRow, testing::each_db};

async fn one(db: &Db, id: &str) -> JobRow {
    db.submit(&[submission(id, "t", "p", 0, 1)], None).await.unwrap();
    claim(db, "w", "p", 10, 1, 10).await.remove(0)
}

#[tokio::test]
async fn an_end_writes_everything_that_belongs_to_it() {
    each_db(async |db: Db| {
        let job = one(&db, "r").await;
        let mut ending = over(&job, "completed", 20);
        ending.deliverable = Some(DeliverableRow {
            id: "d".to_owned(),
            request_id: "r".to_owned(),
            org_id: "org".to_owned(),
            instance_id: "t".to_owned(),
            content_type: "text".to_owned(),
            content: "hi".to_owned(),
            provider_response: None,
            quality_score: 0.7,
            quality_metadata: json!({ "issues": [] }),
            status: "delivered".to_owned(),
            final_output: Some(json!({ "content": "hi" })),
            post_processing_chain: None,
            post_processing_status: None,
            claimed_by: None,
            claimed_until_us: None,
            reviewed_by: None,
            reviewed_us: None,
            review_reason: None,
            delivered_us: Some(20),
            created_us: 20,
            updated_us: 20,
        });
        ending.outbox = vec![OutboxRow {
            id: "o".to_owned(),
            org_id: "org".to_owned(),
            instance_id: "t".to_owned(),
            request_id: "r".to_owned(),
            url: "https://example.org".to_owned(),
            body: "{\"a\": 1}".to_owned(),
            state: "pending".to_owned(),
            attempts: 0,
            epoch: 0,
            next_attempt_us: 20,
            lease_until_us: None,
            last_status: None,
            last_error: None,
            created_us: 20,
            completed_us: None,
        }];
        let mut follow = submission("f", "t", "q", 0, 20).job;
        follow.request_id = Some("r".to_owned());
        ending.jobs = vec![follow.clone()];
        assert!(db.finish_jobs(&[ending]).await.unwrap().contains("r"));
        assert_eq!(db.job("r").await.unwrap(), None);
        assert_eq!(db.job("f").await.unwrap(), Some(follow));
        let request = db.work_request("r").await.unwrap().unwrap();
        assert_eq!((request.status.as_str(), request.completed_us, request.epoch), ("completed", Some(20), 1));
        assert_eq!(db.work_body("r").await.unwrap().unwrap().result, Some(json!({ "content": "hi" })));
        assert_eq!(db.attempts("r").await.unwrap()[0].outcome, "completed");
    })
    .await;
}

#[tokio::test]
async fn who_lost_a_job_changes_nothing() {
    each_db(async |db: Db| {
        let first = one(&db, "r").await;
        // Its lease passes, and another worker gets it.
        let lost = db.lost_jobs(10 + 16 * SECOND, 10).await.unwrap();
        assert_eq!(lost, std::slice::from_ref(&first));
        let mut back = over(&first, "queued", 20);
        back.guard = Guard::Expired { lease_until_us: first.lease_until_us.unwrap() };
        let mut next = first.clone();
        next.state = "waiting".to_owned();
        back.then = Then::Goes(Box::new(next));
        back.attempt.as_mut().unwrap().outcome = "lost".to_owned();
        back.request.as_mut().unwrap().completed_us = None;
        assert!(db.finish_jobs(&[back.clone()]).await.unwrap().contains("r"));
        assert!(db.finish_jobs(&[back]).await.unwrap().is_empty(), "it is brought back once");
        let second = claim(&db, "x", "p", 30, 1, 10).await.remove(0);
        assert_eq!((second.epoch, second.attempt), (2, 2));

        assert!(db.finish_jobs(&[over(&first, "completed", 40)]).await.unwrap().is_empty());
        assert_eq!(status(&db, "r").await, "processing");
        assert!(db.keep_leases("w", 99 * SECOND).await.unwrap().is_empty());
        assert!(!db.note_remote(&first).await.unwrap());

        assert!(db.finish_jobs(&[over(&second, "failed", 50)]).await.unwrap().contains("r"));
        assert_eq!(status(&db, "r").await, "failed");
        assert!(db.finish_jobs(&[over(&second, "completed", 60)]).await.unwrap().is_empty(), "an end is final");
        assert_eq!(status(&db, "r").await, "failed");
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_in_time_keeps_a_job() {
    each_db(async |db: Db| {
        let job = one(&db, "r").await;
        let seen = db.lost_jobs(job.lease_until_us.unwrap() + 1, 10).await.unwrap().remove(0);
        // Between the look and the change the worker gives a sign of life.
        let kept = db.keep_leases("w", 90 * SECOND).await.unwrap();
        assert_eq!(kept, [Kept { id: "r".to_owned(), epoch: 1, cancel_us: None }]);
        let mut back = over(&seen, "failed", 20);
        back.guard = Guard::Expired { lease_until_us: seen.lease_until_us.unwrap() };
        assert!(db.finish_jobs(&[back]).await.unwrap().is_empty());
        assert_eq!(status(&db, "r").await, "processing");
    })
    .await;
}

#[tokio::test]
async fn cancelling_takes_out_what_waits_and_asks_who_runs() {
    each_db(async |db: Db| {
        let running = one(&db, "run").await;
        db.submit(&[submission("wait", "t", "p", 0, 2)], None).await.unwrap();
        let event = |id: &str| Some(event(id, "request.cancelled", 30));
        let (gone, asked) = db.cancel_requests(&["run", "wait", "none"], 30, false, &event).await.unwrap();
        assert_eq!((gone, asked.len()), (vec!["wait".to_owned()], 0));
        let (gone, asked) = db.cancel_requests(&["run", "wait"], 30, true, &event).await.unwrap();
        assert_eq!((gone.len(), asked), (0, vec!["run".to_owned()]));
        assert_eq!(db.keep_leases("w", 90 * SECOND).await.unwrap()[0].cancel_us, Some(30));
        let mut ending = over(&running, "cancelled", 40);
        ending.request.as_mut().unwrap().result = None;
        db.finish_jobs(&[ending]).await.unwrap();
        assert_eq!(
            (status(&db, "run").await, status(&db, "wait").await),
            ("cancelled".to_owned(), "cancelled".to_owned())
        );
    })
    .await;
}

#[tokio::test]
async fn taken_up_again_it_goes_on_with_a_new_epoch() {
    each_db(async |db: Db| {
        let first = one(&db, "r").await;
        db.finish_jobs(&[over(&first, "failed", 20)]).await.unwrap();
        let mut job = submission("r", "t", "p", 0, 30).job;
        job.epoch = first.epoch;
        assert!(db.redrive("p", &job, 30, &event("r", "request.queued", 30)).await.unwrap());
        assert!(!db.redrive("p", &job, 30, &event("r", "request.queued", 30)).await.unwrap(), "once");
        let second = claim(&db, "w", "p", 40, 1, 10).await.remove(0);
        assert_eq!(second.epoch, 2);
        assert!(db.finish_jobs(&[over(&first, "completed", 50)]).await.unwrap().is_empty());
        assert!(db.finish_jobs(&[over(&second, "completed", 50)]).await.unwrap().contains("r"));
    })
    .await;
}

#[tokio::test]
async fn remote_work_is_asked_for_when_it_is_due() {
    each_db(async |db: Db| {
        let job = one(&db, "r").await;
        let mut next = job.clone();
        (next.state, next.run_at_us, next.remote_id) = ("remote".to_owned(), 100, Some("x1".to_owned()));
        next.remote = json!({ "stage": "submitted" });
        let mut goes = over(&job, "processing", 20);
        (goes.then, goes.request) = (Then::Goes(Box::new(next)), None);
        db.finish_jobs(&[goes]).await.unwrap();
        assert!(db.claim_due("w", 99, 999, 10).await.unwrap().is_empty());
        let waiting = db.jobs_by_remote_id("x1").await.unwrap().remove(0);
        assert!(db.hint_remote(&waiting, 50).await.unwrap());
        let due = db.claim_due("w", 50, 999, 10).await.unwrap().remove(0);
        assert_eq!((due.epoch, due.attempt, due.state.as_str()), (2, 1, "running"));
        assert!(!db.hint_remote(&waiting, 50).await.unwrap());
        // The end of the same turn takes the place of its beginning.
        db.finish_jobs(&[Ending {
            then: Then::Goes(Box::new(due.clone())),
            request: None,
            ..over(&due, "submitted", 55)
        }])
        .await
        .unwrap();
        let mut end = over(&due, "failed", 56);
        end.guard = Guard::Live;
        end.then = Then::Goes(Box::new(JobRow { state: "remote".to_owned(), run_at_us: 500, ..due.clone() }));
        end.request = None;
        assert!(db.finish_jobs(&[end]).await.unwrap().contains("r"));
        let outcomes: Vec<String> = db.attempts("r").await.unwrap().into_iter().map(|one| one.outcome).collect();
        assert_eq!(outcomes, ["processing", "failed"]);
        // The room of the provider is taken while it works.
        db.submit(&[submission("s", "t", "p", 0, 2)], None).await.unwrap();
        assert!(claim(&db, "w", "p", 60, 1, 1).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn requests_are_listed_by_key_and_purged_when_they_are_over() {
    each_db(async |db: Db| {
        let many: Vec<Submission> =
            (0..7).map(|n| submission(&format!("r{n}"), if n % 2 == 0 { "t" } else { "u" }, "p", 0, n)).collect();
        db.submit(&many, None).await.unwrap();
        let filter = RequestFilter { instance_id: Some("t".to_owned()), ..RequestFilter::default() };
        let ids = |rows: Vec<RequestRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        let page = crate::store::Page::first(2);
        assert_eq!(ids(db.list_work(&filter, Sort::NewestFirst, &page).await.unwrap()), ["r6", "r4"]);
        let page = crate::store::Page::after(4, "r4", 9);
        assert_eq!(ids(db.list_work(&filter, Sort::NewestFirst, &page).await.unwrap()), ["r2", "r0"]);
        let page = crate::store::Page::after(2, "r2", 9);
        assert_eq!(ids(db.list_work(&filter, Sort::OldestFirst, &page).await.unwrap()), ["r4", "r6"]);

        let job = claim(&db, "w", "p", 10, 1, 10).await.remove(0);
        assert_eq!(db.purge_requests(&[&job.id]).await.unwrap(), 0, "it is not over");
        db.finish_jobs(&[over(&job, "completed", 20)]).await.unwrap();
        assert_eq!(db.delete_old_work(20, 10).await.unwrap(), 0);
        assert_eq!(db.delete_old_work(21, 10).await.unwrap(), 1);
        assert_eq!(db.work_request(&job.id).await.unwrap(), None);
        assert_eq!(db.work_body(&job.id).await.unwrap(), None);
    })
    .await;
}
