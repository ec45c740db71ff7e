//! The platform's own log, and the sums of the request log.

use super::{requests::record, *};
use crate::store::{
    LOOK_AT,
    logs::{LogFilter, LogRow},
    requests::{RequestFilter, RequestLogRow, RequestRecord},
};

fn line(n: i64, level: &str, component: &str) -> LogRow {
    LogRow {
        log_id: format!("l{n:06}"),
        time_us: T0 + n / 2,
        level: level.into(),
        message: format!("line {n} is 100% \\ done_"),
        component: component.into(),
        request_id: (n % 10 == 0).then(|| format!("r{}", n / 100)),
        org_id: (n % 2 == 0).then(|| "o1".into()),
        instance_id: (n % 4 == 0).then(|| "i1".into()),
        user_id: None,
        metadata: json!({"n": n}),
    }
}

async fn write(db: &Db, rows: &[LogRow]) {
    db.insert_logs(&rows.iter().collect::<Vec<_>>()).await.unwrap();
}

/// Every line of a filter, page by page.
async fn all(db: &Db, filter: &LogFilter, limit: i64) -> Vec<String> {
    let (mut ids, mut page) = (Vec::new(), Page::first(limit));
    loop {
        let found = db.list_logs(filter, &page).await.unwrap();
        assert!(found.rows.len() as i64 <= limit);
        ids.extend(found.rows.into_iter().map(|row| row.log_id));
        let Some((time, id)) = found.next else { return ids };
        page = Page::after(time, &id, limit);
    }
}

#[tokio::test]
async fn log_lines_are_listed_by_page_and_filter() {
    each_db(|db| async move {
        let level = |n: i64| ["INFO", "WARN", "ERROR", "DEBUG"][(n % 4) as usize];
        let rows: Vec<LogRow> = (0..400).map(|n| line(n, level(n), ["gateway", "http"][(n % 2) as usize])).collect();
        write(&db, &rows).await;
        write(&db, &rows[..3]).await;
        let newest = db.list_logs(&LogFilter::default(), &Page::first(1)).await.unwrap();
        assert_eq!(newest.rows, rows[399..]);
        let expected = |keep: &dyn Fn(&LogRow) -> bool| -> Vec<String> {
            rows.iter().rev().filter(|row| keep(row)).map(|row| row.log_id.clone()).collect()
        };
        let none = LogFilter::default();
        assert_eq!(all(&db, &none, 7).await, expected(&|_| true));
        let levels = LogFilter { levels: vec!["WARN".into(), "ERROR".into()], ..none.clone() };
        assert_eq!(all(&db, &levels, 9).await, expected(&|row| matches!(row.level.as_str(), "WARN" | "ERROR")));
        let both = LogFilter { component: Some("http".into()), org_id: Some("o1".into()), ..none.clone() };
        assert!(all(&db, &both, 9).await.is_empty());
        let instance = LogFilter { instance_id: Some("i1".into()), levels: vec!["INFO".into()], ..none.clone() };
        assert_eq!(all(&db, &instance, 9).await, expected(&|row| row.instance_id.is_some()));
        let request = LogFilter { request_id: Some("r1".into()), ..none.clone() };
        assert_eq!(all(&db, &request, 9).await, expected(&|row| row.request_id.as_deref() == Some("r1")));
        let time = LogFilter { from_us: Some(T0 + 10), until_us: Some(T0 + 12), ..none.clone() };
        assert_eq!(all(&db, &time, 9).await, ["l000023", "l000022", "l000021", "l000020"]);
        for (text, found) in [("LINE 39 IS", 1), ("100% \\ done_", 400), ("100%done", 0), ("100_", 0), ("e 1", 111)] {
            let filter = LogFilter { text: Some(text.into()), ..none.clone() };
            assert_eq!(all(&db, &filter, 50).await.len(), found, "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_search_looks_at_so_many_lines_and_goes_on() {
    each_db(|db| async move {
        let rows: Vec<LogRow> = (0..LOOK_AT + 500).map(|n| line(n, "INFO", "http")).collect();
        for piece in rows.chunks(1_000) {
            write(&db, piece).await;
        }
        let filter = LogFilter { text: Some("line 7 is".into()), ..LogFilter::default() };
        let first = db.list_logs(&filter, &Page::first(10)).await.unwrap();
        assert!(first.rows.is_empty(), "it is further back");
        let (time, id) = first.next.unwrap();
        let second = db.list_logs(&filter, &Page::after(time, &id, 10)).await.unwrap();
        assert_eq!((second.rows[0].log_id.as_str(), second.next), ("l000007", None));
    })
    .await;
}

#[tokio::test]
async fn log_lines_are_followed_and_deleted_by_age() {
    each_db(|db| async move {
        assert_eq!(db.newest_log().await.unwrap(), None);
        let rows: Vec<LogRow> = (0..50).map(|n| line(n, ["INFO", "WARN"][(n % 2) as usize], "http")).collect();
        write(&db, &rows).await;
        assert_eq!(db.newest_log().await.unwrap().as_deref(), Some("l000049"));
        let next = db.follow_logs(&LogFilter::default(), "l000040", "l000045", 100).await.unwrap();
        assert_eq!(next, rows[41..=45]);
        let warnings = LogFilter { levels: vec!["WARN".into()], text: Some("LINE".into()), ..LogFilter::default() };
        let next = db.follow_logs(&warnings, "l000040", "z", 2).await.unwrap();
        assert_eq!(next, [rows[41].clone(), rows[43].clone()]);
        assert_eq!(db.delete_logs_before(T0 + 10, 15).await.unwrap(), 15);
        assert_eq!(db.delete_logs_before(T0 + 10, 15).await.unwrap(), 5);
        assert_eq!(db.delete_logs_before(T0 + 10, 15).await.unwrap(), 0);
        assert_eq!(all(&db, &LogFilter::default(), 50).await.len(), 30);
    })
    .await;
}

const HOUR_US: i64 = 3_600_000_000;

fn call(id: &str, time_us: i64, change: impl FnOnce(&mut RequestLogRow)) -> RequestRecord {
    let mut call = record(0);
    call.log = RequestLogRow { request_id: id.into(), created_us: time_us, ..call.log };
    change(&mut call.log);
    (call.usage, call.contents) = (None, None);
    call
}

#[tokio::test]
async fn totals_are_the_sums_of_the_calls() {
    each_db(|db| async move {
        // The end of a day, so that minutes, hours and days all play a part.
        let midnight = T0 - T0.rem_euclid(24 * HOUR_US);
        let now = midnight + 30 * HOUR_US + 17 * 60_000_000;
        let calls: Vec<RequestRecord> = (0..300)
            .map(|n| {
                call(&format!("c{n:03}"), now - n * 11 * 60_000_000, |log| {
                    log.status = ["completed", "failed", "cancelled"][(n % 3) as usize].into();
                    log.error_class = (n % 6 == 1).then(|| "rate_limit".into());
                    log.latency_us = 1_000 * n;
                    log.model_used = (n % 3 != 1).then(|| format!("m{}", n % 4));
                    log.instance_id = Some(if n % 5 == 0 { "i2" } else { "i1" }.into());
                })
            })
            .collect();
        db.insert_requests(&calls[..200]).await.unwrap();
        // What is written again counts once.
        assert_eq!(db.insert_requests(&calls[150..]).await.unwrap(), 100);
        let twice = call("twice", now, |_| {});
        assert_eq!(db.insert_requests(&[twice.clone(), twice]).await.unwrap(), 1);
        for hours in [0, 1, 5, 24, 31, 54, 90] {
            let from = now - hours * HOUR_US;
            // To the minute.
            let from = from - from.rem_euclid(60_000_000);
            let own = calls.iter().map(|call| &call.log);
            let own: Vec<_> =
                own.filter(|log| log.created_us >= from && log.instance_id.as_deref() == Some("i1")).collect();
            let latencies: Vec<i64> =
                own.iter().filter(|log| log.status == "completed").map(|log| log.latency_us).collect();
            let (latency, completed) = (latencies.iter().sum::<i64>() + 912_000, latencies.len() as i64 + 1);
            let totals = db.request_totals("i1", from + 1).await.unwrap();
            assert_eq!(totals.requests, own.len() as i64 + 1, "{hours} h");
            assert_eq!(totals.failed, own.iter().filter(|log| log.status == "failed").count() as i64);
            assert_eq!((totals.input_tokens, totals.cost_micro_usd), (totals.requests * 10, totals.requests * 75));
            assert!((totals.mean_latency_us.unwrap() - latency / completed).abs() <= 1);
        }
        let nothing = db.request_totals("i3", 0).await.unwrap();
        assert_eq!((nothing.requests, nothing.mean_latency_us), (0, None));
        // The finest are kept for the shortest time.
        while db.delete_rollups_before("minute", i64::MAX).await.unwrap() > 0 {}
        assert_eq!(db.request_totals("i2", midnight - 48 * HOUR_US).await.unwrap().requests, 60);
        while db.delete_rollups_before("hour", i64::MAX).await.unwrap() > 0 {}
        while db.delete_rollups_before("day", midnight).await.unwrap() > 0 {}
        assert!(db.request_totals("i2", midnight - 48 * HOUR_US).await.unwrap().requests < 60);
    })
    .await;
}

#[tokio::test]
async fn an_organization_knows_how_it_has_called() {
    each_db(|db| async move {
        db.insert_organization(&organization("o1", T0)).await.unwrap();
        db.insert_instance(&instance("i1", "o1", T0)).await.unwrap();
        assert_eq!(db.usage_origins("o1").await.unwrap(), (false, false));
        db.insert_requests(&[record(1)]).await.unwrap();
        assert_eq!(db.usage_origins("o1").await.unwrap(), (true, false));
        let mut console = record(2);
        console.usage.as_mut().unwrap().key_id = None;
        db.insert_requests(&[console]).await.unwrap();
        assert_eq!(db.usage_origins("o1").await.unwrap(), (true, true));
        assert_eq!(db.usage_origins("o2").await.unwrap(), (false, false));
    })
    .await;
}

#[tokio::test]
async fn a_rare_call_is_found_page_by_page() {
    each_db(|db| async move {
        for piece in (0..LOOK_AT + 600).collect::<Vec<_>>().chunks(1_000) {
            let calls: Vec<RequestRecord> = piece
                .iter()
                .map(|n| {
                    call(&format!("c{n:06}"), T0 + n, |log| {
                        if n % 100 == 3 && *n < 500 {
                            (log.surface, log.user_id) = ("console".into(), Some("u2".into()));
                        }
                    })
                })
                .collect();
            db.insert_requests(&calls).await.unwrap();
        }
        let of_instance = RequestFilter { instance_id: Some("i1".into()), ..RequestFilter::default() };
        let console = RequestFilter { surface: Some("console".into()), ..of_instance.clone() };
        let first = db.find_requests(&console, &Page::first(10)).await.unwrap();
        assert!(first.rows.is_empty());
        let (time, id) = first.next.unwrap();
        let second = db.find_requests(&console, &Page::after(time, &id, 3)).await.unwrap();
        let ids: Vec<_> = second.rows.iter().map(|row| row.request_id.as_str()).collect();
        assert_eq!(ids, ["c000403", "c000303", "c000203"]);
        let (time, id) = second.next.unwrap();
        let third = db.find_requests(&console, &Page::after(time, &id, 3)).await.unwrap();
        assert_eq!((third.rows.len(), third.next), (2, None));
        // One's own calls are found at once, however many others have made.
        let own = RequestFilter { user_id: Some("u2".into()), ..console.clone() };
        let found = db.find_requests(&own, &Page::first(10)).await.unwrap();
        assert_eq!((found.rows.len(), found.next), (5, None));
        // And what an index knows has no bound.
        let found = db.find_requests(&of_instance, &Page::first(10)).await.unwrap();
        assert_eq!(found.rows[0].request_id, format!("c{:06}", LOOK_AT + 599));
        assert_eq!(found.next, Some((T0 + LOOK_AT + 590, format!("c{:06}", LOOK_AT + 590))));
    })
    .await;
}
