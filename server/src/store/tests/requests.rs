//! The request log.

use std::time::Instant;

use super::*;
use crate::store::{
    Hidden,
    requests::{RequestContentRow, RequestFilter, RequestLogRow, RequestRecord, UsageLogRow},
};

pub(crate) fn record(n: i64) -> RequestRecord {
    let request_id = format!("r{n:06}");
    RequestRecord {
        usage: Some(UsageLogRow {
            log_id: format!("usage of {request_id}"),
            instance_id: "i1".into(),
            time_us: T0 + n,
            provider: "openai".into(),
            model: "gpt-4o".into(),
            input_tokens: 10,
            output_tokens: 5,
            cached_tokens: 2,
            tokens_used: 15,
            cost_micro_usd: 75,
            request_id: request_id.clone(),
            key_id: Some("k1".into()),
            user_id: Some("u1".into()),
            project_id: None,
        }),
        contents: Some(RequestContentRow {
            request_id: request_id.clone(),
            created_us: T0 + n,
            expires_us: T0 + n + 1_000,
            request_body: Some(Hidden::new("{\"prompt\":\"private words\"}")),
            response_body: None,
            truncated: n % 2 == 0,
        }),
        log: RequestLogRow {
            request_id,
            created_us: T0 + n,
            org_id: Some("o1".into()),
            instance_id: Some("i1".into()),
            project_id: None,
            key_id: Some("k1".into()),
            user_id: Some("u1".into()),
            surface: "openai.chat".into(),
            caller_request_id: Some("theirs".into()),
            model_asked: Some("smart".into()),
            model_used: Some("gpt-4o".into()),
            provider: Some("openai".into()),
            streamed: true,
            simulated: false,
            status: "completed".into(),
            http_status: 200,
            error_source: None,
            error_class: None,
            error_message: None,
            limit_id: None,
            finish_reason: Some("stop".into()),
            attempts: json!({"items": [{"provider": "openai", "status": 200}]}),
            input_tokens: 10,
            cached_tokens: 2,
            cache_write_tokens: 0,
            output_tokens: 5,
            reasoning_tokens: 1,
            cost_micro_usd: 75,
            latency_us: 912_000,
            first_token_us: Some(80_000),
            overhead_us: 60,
            user_agent: Some("curl/8".into()),
            ip: Some("::1".into()),
        },
    }
}

fn ids(rows: Vec<RequestLogRow>) -> Vec<String> {
    rows.into_iter().map(|r| r.request_id).collect()
}

#[tokio::test]
async fn a_batch_is_written_whole_and_may_be_repeated() {
    each_db(|db| async move {
        // 128 + 16 + 16 + 3: every size of statement.
        let records: Vec<RequestRecord> = (0..163).map(record).collect();
        assert_eq!(db.insert_requests(&records).await.unwrap(), 163);
        assert_eq!(db.insert_requests(&records[100..]).await.unwrap(), 0);
        assert_eq!(db.insert_requests(&[]).await.unwrap(), 0);
        let changed = RequestRecord {
            log: RequestLogRow { status: "failed".into(), ..record(7).log },
            usage: Some(UsageLogRow { cost_micro_usd: 9_999, ..record(7).usage.unwrap() }),
            contents: None,
        };
        assert_eq!(db.insert_requests(&[changed, record(163)]).await.unwrap(), 1);

        for n in [0, 7, 127, 128, 162, 163] {
            let written = record(n);
            assert_eq!(db.request(&written.log.request_id).await.unwrap(), Some(written.log.clone()));
            let contents = db.request_contents(&written.log.request_id, T0).await.unwrap();
            assert_eq!(contents, written.contents);
            assert!(!format!("{contents:?}").contains("private"));
        }
        assert_eq!(db.request("unknown").await.unwrap(), None);
        let totals = db.usage_totals(T0, T0 + 1_000, None).await.unwrap();
        assert_eq!(totals.len(), 1);
        assert_eq!((totals[0].requests, totals[0].tokens_used, totals[0].cost_micro_usd), (164, 164 * 15, 164 * 75));
    })
    .await;
}

#[tokio::test]
async fn a_record_may_be_almost_empty() {
    each_db(|db| async move {
        let bare = RequestLogRow {
            org_id: None,
            instance_id: None,
            key_id: None,
            user_id: None,
            caller_request_id: None,
            model_asked: None,
            model_used: None,
            provider: None,
            finish_reason: None,
            first_token_us: None,
            user_agent: None,
            ip: None,
            attempts: json!({"items": []}),
            ..record(1).log
        };
        let record = RequestRecord { log: bare.clone(), usage: None, contents: None };
        assert_eq!(db.insert_requests(&[record]).await.unwrap(), 1);
        assert_eq!(db.request("r000001").await.unwrap(), Some(bare));
        assert_eq!(db.request_contents("r000001", T0).await.unwrap(), None);
        assert!(db.usage_totals(0, i64::MAX, None).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn nul_characters_do_not_spoil_a_batch() {
    each_db(|db| async move {
        let mut bad = record(1);
        bad.log.error_message = Some("a\0b".into());
        bad.log.user_agent = Some("\0".into());
        bad.log.attempts = json!({"items": [{"m\0": "x\0y"}]});
        bad.usage.as_mut().unwrap().model = "m\0".into();
        bad.contents.as_mut().unwrap().response_body = Some(Hidden::new("\0!"));
        assert_eq!(db.insert_requests(&[record(0), bad]).await.unwrap(), 2);
        let log = db.request("r000001").await.unwrap().unwrap();
        assert_eq!(log.error_message.as_deref(), Some("a\u{fffd}b"));
        assert_eq!(log.attempts, json!({"items": [{"m\u{fffd}": "x\u{fffd}y"}]}));
        let contents = db.request_contents("r000001", T0).await.unwrap().unwrap();
        assert_eq!(contents.response_body.unwrap().reveal(), "\u{fffd}!");
    })
    .await;
}

#[tokio::test]
async fn calls_are_listed_by_every_filter_and_paged_by_key() {
    each_db(|db| async move {
        let mut records: Vec<RequestRecord> = (0..10).map(record).collect();
        // Three of one microsecond, so that paging must look at the id.
        for n in [3, 4, 5] {
            records[n].log.created_us = T0 + 4;
        }
        records[2].log.org_id = Some("o2".into());
        records[2].log.instance_id = Some("i2".into());
        records[3].log.user_id = Some("u2".into());
        records[3].log.project_id = Some("p1".into());
        records[4].log.key_id = Some("k2".into());
        records[5].log.surface = "console".into();
        records[6].log.status = "failed".into();
        records[6].log.error_class = Some("timeout".into());
        records[7].log.status = "cancelled".into();
        records[8].log.model_used = Some("claude".into());
        records[8].log.provider = Some("anthropic".into());
        records[9].log.model_asked = Some("claude".into());
        db.insert_requests(&records).await.unwrap();

        let mut seen = Vec::new();
        let mut page = Page::first(2);
        loop {
            let rows = db.list_requests(&RequestFilter::default(), &page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page = Page::after(last.created_us, &last.request_id, 2);
            seen.extend(ids(rows));
        }
        let expected: Vec<String> = (0..10).rev().map(|n| format!("r{n:06}")).collect();
        assert_eq!(seen, expected);

        let some = |text: &str| Some(text.to_owned());
        let cases: Vec<(RequestFilter, Vec<i64>)> = vec![
            (RequestFilter { org_id: some("o2"), ..Default::default() }, vec![2]),
            (RequestFilter { instance_id: some("i2"), ..Default::default() }, vec![2]),
            (RequestFilter { user_id: some("u2"), ..Default::default() }, vec![3]),
            (RequestFilter { project_id: some("p1"), ..Default::default() }, vec![3]),
            (RequestFilter { key_id: some("k2"), ..Default::default() }, vec![4]),
            (RequestFilter { surface: some("console"), ..Default::default() }, vec![5]),
            (RequestFilter { instance_id: some("i1"), status: some("failed"), ..Default::default() }, vec![6]),
            (RequestFilter { error_class: some("timeout"), ..Default::default() }, vec![6]),
            (RequestFilter { status: some("cancelled"), ..Default::default() }, vec![7]),
            (RequestFilter { provider: some("anthropic"), ..Default::default() }, vec![8]),
            (RequestFilter { model: some("claude"), ..Default::default() }, vec![9, 8]),
            (RequestFilter { from_us: Some(T0 + 8), ..Default::default() }, vec![9, 8]),
            (RequestFilter { until_us: Some(T0 + 2), ..Default::default() }, vec![1, 0]),
            (RequestFilter { org_id: some("o2"), instance_id: some("i1"), ..Default::default() }, vec![]),
        ];
        for (filter, expected) in cases {
            let rows = db.list_requests(&filter, &Page::first(50)).await.unwrap();
            let expected: Vec<String> = expected.into_iter().map(|n| format!("r{n:06}")).collect();
            assert_eq!(ids(rows), expected, "{filter:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn usage_is_summed_by_instance_key_and_model() {
    each_db(|db| async move {
        let mut records: Vec<RequestRecord> = (0..6).map(record).collect();
        records[1].usage.as_mut().unwrap().instance_id = "i2".into();
        records[2].usage.as_mut().unwrap().key_id = None;
        records[3].usage.as_mut().unwrap().model = "claude".into();
        records[5].usage = None;
        db.insert_requests(&records).await.unwrap();
        assert_eq!(db.usage_totals(T0, T0 + 100, None).await.unwrap().len(), 4);
        let of_one = db.usage_totals(T0, T0 + 100, Some("i1")).await.unwrap();
        let usual = of_one.iter().find(|t| t.model == "gpt-4o" && t.key_id.is_some()).unwrap();
        assert_eq!((usual.requests, usual.input_tokens, usual.output_tokens, usual.cached_tokens), (2, 20, 10, 4));
        // From a time, up to before another.
        let requests: i64 = db.usage_totals(T0 + 1, T0 + 4, None).await.unwrap().iter().map(|t| t.requests).sum();
        assert_eq!(requests, 3);
    })
    .await;
}

#[tokio::test]
async fn old_calls_go_in_batches_and_contents_before_them() {
    each_db(|db| async move {
        db.insert_requests(&(0..10).map(record).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(db.request_contents("r000002", T0 + 1_002).await.unwrap(), None);
        assert_eq!(db.delete_expired_contents(T0 + 1_002, 2).await.unwrap(), 2);
        assert_eq!(db.delete_expired_contents(T0 + 1_002, 2).await.unwrap(), 1);
        assert_eq!(db.delete_expired_contents(T0 + 1_002, 2).await.unwrap(), 0);
        assert!(db.request_contents("r000003", T0).await.unwrap().is_some());

        assert_eq!(db.delete_requests_before(T0 + 5, 4).await.unwrap(), 4);
        assert_eq!(db.delete_requests_before(T0 + 5, 4).await.unwrap(), 1);
        assert_eq!(db.delete_requests_before(T0 + 5, 4).await.unwrap(), 0);
        let left = db.list_requests(&RequestFilter::default(), &Page::first(50)).await.unwrap();
        assert_eq!(ids(left).last().map(String::as_str), Some("r000005"));
        assert_eq!(db.request_contents("r000004", T0).await.unwrap(), None);
        assert!(db.request_contents("r000005", T0).await.unwrap().is_some());

        assert_eq!(db.delete_usage_before(T0 + 5, 3).await.unwrap(), 3);
        assert_eq!(db.delete_usage_before(T0 + 5, 3).await.unwrap(), 2);
        assert_eq!(db.usage_totals(0, i64::MAX, None).await.unwrap()[0].requests, 5);
    })
    .await;
}

/// The lists that people open must walk an index in order: sorting five million calls is not a list.
#[tokio::test]
async fn lists_walk_an_index() {
    let (db, _folder) = crate::store::testing::sqlite().await;
    let lists = [
        ("", "request_log__time"),
        (" AND org_id = 'o1'", "request_log__org"),
        (" AND instance_id = 'i1'", "request_log__instance"),
        (" AND user_id = $1", "request_log__user"),
        (" AND key_id = $1", "request_log__key"),
        (" AND instance_id = $1 AND status = 'failed'", "request_log__failed"),
    ];
    for (filter, index) in lists {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT * FROM request_log WHERE 1 = 1{filter}
             AND (created_us, request_id) < (5, 'x') ORDER BY created_us DESC, request_id DESC LIMIT 50"
        );
        let Db::Sqlite(sqlite) = &db else { unreachable!() };
        let explain = sqlx::query_as(sqlx::AssertSqlSafe(sql));
        let plan: Vec<(i64, i64, i64, String)> = explain.fetch_all(&sqlite.read).await.unwrap();
        let plan = plan.into_iter().map(|step| step.3).collect::<Vec<_>>().join("; ");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{filter}: {plan}");
    }
}

/// Not a benchmark: only that a batch is one transaction and not thousands.
#[tokio::test]
#[ignore = "prints how fast calls are recorded; run alone"]
async fn recording_speed() {
    each_db(|db| async move {
        let records: Vec<RequestRecord> = (0..20_000).map(|n| RequestRecord { contents: None, ..record(n) }).collect();
        let start = Instant::now();
        for batch in records.chunks(1_000) {
            db.insert_requests(batch).await.unwrap();
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{}: {:.0} calls/s", db.kind().as_str(), 20_000.0 / seconds);
    })
    .await;
}
