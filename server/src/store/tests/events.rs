//! Events: their numbers, counts and feed.

use std::collections::BTreeMap;

use super::*;
use crate::{
    clock::Clock,
    services::events::{Draft, build},
    store::events::{EventFilter, EventRow, FeedFilter, NewEvent},
};

fn event(tenant: &str, action: &str, id: &str, at_us: i64) -> NewEvent {
    let draft = Draft {
        action,
        org_id: "o1",
        tenant_id: tenant,
        user_id: (id == "u").then_some("u1"),
        eventable: ("request", id),
        particulars: json!({ "n": 1 }),
        ip_address: None,
        user_agent: None,
    };
    build(&Clock::fixed(at_us), draft)
}

async fn number(db: &Db) {
    while db.sequence_events(7).await.unwrap() > 0 {}
}

async fn after(db: &Db, filter: &EventFilter, seq: i64) -> Vec<i64> {
    let rows = db.events_after(filter, seq, i64::MAX, 1_000).await.unwrap();
    rows.into_iter().map(|row| row.seq.unwrap()).collect()
}

#[tokio::test]
async fn events_are_numbered_in_their_order_and_filtered() {
    each_db(|db| async move {
        let kinds = ["request.created", "request.failed"];
        let events: Vec<NewEvent> =
            (0..20).map(|n| event(["a", "b"][n % 2], kinds[n / 10], &format!("r{}", n % 4), T0 + n as i64)).collect();
        db.insert_events(&events[..12]).await.unwrap();
        number(&db).await;
        db.insert_events(&events[12..]).await.unwrap();
        number(&db).await;
        let all = EventFilter::default();
        let rows = db.events_after(&all, 0, i64::MAX, 100).await.unwrap();
        let expected: Vec<EventRow> =
            events.iter().zip(1..).map(|(new, seq)| EventRow { seq: Some(seq), ..new.event.clone() }).collect();
        assert_eq!(rows, expected);
        assert_eq!(db.newest_seq().await.unwrap(), 20);
        assert_eq!(db.events_after(&all, 5, 8, 2).await.unwrap()[..], expected[5..7]);
        assert_eq!(db.events_after(&all, 5, 8, 9).await.unwrap()[..], expected[5..8]);
        let text = |text: &str| Some(text.to_owned());
        let filters = [
            EventFilter { org_id: text("o1"), ..all.clone() },
            EventFilter { org_id: text("o2"), ..all.clone() },
            EventFilter { tenant_id: text("a"), ..all.clone() },
            EventFilter { closed: vec!["a".into()], ..all.clone() },
            EventFilter { actions: vec!["request.failed".into(), "x".into()], ..all.clone() },
            EventFilter { eventable_type: text("request"), eventable_id: text("r3"), ..all.clone() },
            EventFilter { eventable_type: text("user"), ..all.clone() },
        ];
        for filter in filters {
            let taken: Vec<i64> = expected.iter().filter(|row| filter.takes(row)).filter_map(|row| row.seq).collect();
            assert_eq!(after(&db, &filter, 0).await, taken, "{filter:?}");
        }
        let of = db.events_of(&all, ("request", "r1"), 2, 1).await.unwrap();
        assert_eq!(of.iter().map(|row| row.created_us - T0).collect::<Vec<_>>(), [13, 9]);
        let closed = EventFilter { closed: vec!["b".into()], ..all.clone() };
        assert!(db.events_of(&closed, ("request", "r1"), 2, 0).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn who_follows_while_many_write_misses_nothing() {
    each_db(|db| async move {
        let (writers, each) = (6, 40);
        let write = (0..writers).map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0..each {
                    let now = Clock::system().now_us();
                    let ids = [0, 1].map(|part| event("a", "request.created", &format!("{writer}-{n}-{part}"), now));
                    db.insert_events(&ids).await.unwrap();
                    if n % 3 == 0 {
                        db.sequence_events(50).await.unwrap();
                    }
                }
            })
        });
        let write: Vec<_> = write.collect();
        let all = writers * each * 2;
        let mut seen: Vec<EventRow> = Vec::new();
        while seen.len() < all {
            let last = seen.last().and_then(|row| row.seq).unwrap_or(0);
            let more = db.events_after(&EventFilter::default(), last, i64::MAX, 13).await.unwrap();
            if more.is_empty() {
                db.sequence_events(50).await.unwrap();
                tokio::task::yield_now().await;
            }
            seen.extend(more);
        }
        for writer in write {
            writer.await.unwrap();
        }
        assert!(seen.iter().map(|row| row.seq.unwrap()).eq(1..=all as i64), "a number was skipped");
        let ids: std::collections::HashSet<_> = seen.iter().map(|row| &row.eventable_id).collect();
        assert_eq!(ids.len(), all);
        let counted = db.count_events("o1", "a", 0).await.unwrap();
        assert_eq!(counted, BTreeMap::from([("request.created".to_owned(), all as i64)]));
    })
    .await;
}

#[tokio::test]
async fn counts_begin_at_any_moment() {
    each_db(|db| async move {
        const MINUTE: i64 = 60_000_000;
        let hour = T0 / 3_600_000_000 * 3_600_000_000;
        let events: Vec<NewEvent> =
            (0..150).map(|n| event("a", ["x", "y"][n % 2], &n.to_string(), hour + n as i64 * MINUTE)).collect();
        db.insert_events(&events[..100]).await.unwrap();
        db.insert_events(&[event("b", "x", "other", hour + MINUTE)]).await.unwrap();
        number(&db).await;
        // These are not numbered yet, where that takes a moment.
        db.insert_events(&events[100..]).await.unwrap();
        for since in [
            0,
            hour,
            hour + 1,
            hour + 7 * MINUTE,
            hour + 59 * MINUTE,
            hour + 60 * MINUTE,
            hour + 119 * MINUTE + 1,
            hour + 149 * MINUTE,
            hour + 150 * MINUTE,
        ] {
            let mut expected = BTreeMap::new();
            for new in events.iter().filter(|new| new.event.created_us >= since) {
                *expected.entry(new.event.action.clone()).or_insert(0) += 1;
            }
            assert_eq!(db.count_events("o1", "a", since).await.unwrap(), expected, "{}", (since - hour) / MINUTE);
        }
        number(&db).await;
        assert_eq!(db.count_events("o1", "a", 0).await.unwrap().values().sum::<i64>(), 150);
        assert_eq!(db.count_events("o1", "b", 0).await.unwrap().len(), 1);
        assert!(db.count_events("o2", "a", 0).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_feed_is_narrowed_and_read() {
    each_db(|db| async move {
        let events = ["r1", "u", "r2", "u"].iter().zip(0..).map(|(id, n)| event("a", "request.created", id, T0 + n));
        let mut events: Vec<NewEvent> = events.collect();
        events.push(event("a", "invoice.paid", "r3", T0 + 9));
        events.push(event("b", "request.created", "r4", T0 + 9));
        db.insert_events(&events).await.unwrap();
        let filter = FeedFilter { org_id: "o1".into(), tenant_id: "a".into(), ..FeedFilter::default() };
        let places = async |filter: &FeedFilter| -> Vec<i64> {
            db.feed(filter, 10, 0).await.unwrap().into_iter().map(|row| row.created_us - T0).collect()
        };
        assert_eq!(places(&filter).await, [3, 2, 1, 0]);
        assert_eq!(places(&FeedFilter { feed_type: Some("user".into()), ..filter.clone() }).await, [3, 1]);
        assert_eq!(places(&FeedFilter { user_id: Some("u1".into()), ..filter.clone() }).await, [3, 2, 1, 0]);
        assert_eq!(places(&FeedFilter { user_id: Some("u2".into()), ..filter.clone() }).await, [2, 0]);
        assert!(places(&FeedFilter { org_id: "o2".into(), ..filter.clone() }).await.is_empty());
        let newest = db.feed(&filter, 1, 1).await.unwrap();
        assert_eq!(newest[0].created_us, T0 + 2);
        let ids = [newest[0].id.clone(), "unknown".to_owned()];
        assert_eq!(db.read_feed("o1", "b", &ids).await.unwrap(), 0);
        assert_eq!(db.read_feed("o1", "a", &ids).await.unwrap(), 1);
        assert_eq!(db.read_feed("o1", "a", &ids).await.unwrap(), 0);
        assert_eq!(places(&FeedFilter { unread_only: true, ..filter }).await, [3, 1, 0]);
    })
    .await;
}
