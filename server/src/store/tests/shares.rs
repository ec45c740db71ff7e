//! What replicas tell each other.

use super::*;
use crate::store::shares::{Asking, ReplicaRow};

fn asking<'a>(replica_id: &'a str, now_us: i64) -> Asking<'a> {
    Asking { limit_id: "lim", target: "ins", replica_id, now_us }
}

#[tokio::test]
async fn replicas_come_and_go() {
    each_db(|db| async move {
        let (others, alone) = db.join_replicas("a", T0, |others| others.is_empty()).await.unwrap();
        assert_eq!((others.len(), alone), (0, true));
        let (others, alone) = db.join_replicas("b", T0 + 1, |others| others.is_empty()).await.unwrap();
        let a = ReplicaRow { replica_id: "a".into(), seen_us: T0, shared: false };
        assert_eq!((others, alone), (vec![a.clone()], false));
        let b = ReplicaRow { replica_id: "b".into(), seen_us: T0 + 1, shared: true };
        let a = ReplicaRow { seen_us: T0 + 9, shared: true, ..a };
        assert_eq!(db.beat_replica(&a).await.unwrap(), std::slice::from_ref(&b));
        assert_eq!(db.beat_replica(&b).await.unwrap(), [a]);
        db.sweep_replicas(T0 + 5).await.unwrap();
        assert_eq!(db.beat_replica(&b).await.unwrap().len(), 1, "the one that was seen lately");
        db.leave_replicas("a").await.unwrap();
        assert_eq!(db.beat_replica(&b).await.unwrap(), []);
        db.tell_replicas("hello").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_is_told_is_seen_by_the_next() {
    each_db(|db| async move {
        let scope = crate::store::usage::UsageScope::default();
        let a = asking("a", T0);
        let sum = db.exchange_shares(&a, Some((&scope, 0, 1)), |ledger| {
            assert_eq!((ledger.turn, ledger.shares.len()), (1, 0));
            (json!({"running": 1}), ledger.sum)
        });
        assert_eq!(sum.await.unwrap(), Some(Default::default()));
        db.exchange_shares(&asking("a", T0), None, |ledger| {
            assert_eq!((ledger.turn, ledger.shares.len(), ledger.sum), (2, 0, None), "its own is not shown");
            (json!({"running": 2}), ())
        })
        .await
        .unwrap();
        db.exchange_shares(&asking("b", T0 + 1), None, |ledger| {
            let share = &ledger.shares[0];
            assert_eq!((ledger.shares.len(), share.turn, &share.body), (1, 2, &json!({"running": 2})));
            (json!({}), ())
        })
        .await
        .unwrap();
        let (replicas, shares) = db.shares_of_limit("lim").await.unwrap();
        assert_eq!((replicas.len(), shares.len()), (0, 2));
        db.sweep_replicas(T0 + 1).await.unwrap();
        assert_eq!(db.shares_of_limit("lim").await.unwrap().1.len(), 1, "told too lately");
        db.sweep_replicas(T0 + 2).await.unwrap();
        assert_eq!(db.shares_of_limit("lim").await.unwrap().1.len(), 0, "neither is there any more");
        let turn = db.exchange_shares(&a, None, |ledger| (json!({}), ledger.turn));
        assert_eq!(turn.await.unwrap(), 1, "nor is what nobody uses");
    })
    .await;
}

#[tokio::test]
async fn who_adds_up_at_once_takes_turns() {
    each_db(|db| async move {
        let one = |n: i64| {
            let db = db.clone();
            async move {
                let name = format!("r{n}");
                // Each sees all that came before.
                let seen = |ledger: crate::store::shares::Ledger| {
                    assert_eq!(ledger.turn, ledger.shares.len() as i64 + 1);
                    (json!({}), ())
                };
                db.exchange_shares(&asking(&name, T0), None, seen).await.unwrap();
            }
        };
        futures::future::join_all((0..20).map(one)).await;
    })
    .await;
}
