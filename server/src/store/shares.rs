//! What the replicas of a deployment tell each other about limits: who is there, what each has used and set aside, and
//! whose turn it is to add up. SQLite has one server and needs none of it.

use serde_json::Value;
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{
    Db, StoreError, sql,
    usage::{self, UsageScope, UsageSum},
};

/// A server that uses the database.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ReplicaRow {
    pub replica_id: String,
    /// Its last sign of life.
    pub seen_us: i64,
    /// It tells what it uses; one that does not believes that it is alone.
    pub shared: bool,
}

/// What a replica told of a limit.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ShareRow {
    pub limit_id: String,
    pub target: String,
    pub replica_id: String,
    pub turn: i64,
    pub body: Value,
    pub updated_us: i64,
}

/// One limit as all replicas see it, locked.
#[derive(Debug)]
pub struct Ledger {
    pub turn: i64,
    pub others: Vec<ReplicaRow>,
    /// Of the others, dead ones included.
    pub shares: Vec<ShareRow>,
    /// Where it was asked for.
    pub sum: Option<UsageSum>,
}

/// A limit, the replica that asks, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub limit_id: &'a str,
    pub target: &'a str,
    pub replica_id: &'a str,
    pub now_us: i64,
}

const TURN: &str = "INSERT INTO limit_turns (limit_id, target, turn) VALUES ($1, $2, 1)
    ON CONFLICT (limit_id, target) DO UPDATE SET turn = limit_turns.turn + 1 RETURNING turn";
const OTHERS: &str = "SELECT replica_id, seen_us, shared FROM replicas WHERE replica_id <> $1";
const SHARES: &str = "SELECT limit_id, target, replica_id, turn, body, updated_us FROM limit_shares
    WHERE limit_id = $1 AND target = $2 AND replica_id <> $3";
const SHARES_OF: &str =
    "SELECT limit_id, target, replica_id, turn, body, updated_us FROM limit_shares WHERE limit_id = $1";
const TELL: &str = "INSERT INTO limit_shares (limit_id, target, replica_id, turn, body, updated_us)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (limit_id, target, replica_id) DO UPDATE SET
      turn = excluded.turn, body = excluded.body, updated_us = excluded.updated_us";
const UNTELL: &str = "DELETE FROM limit_shares WHERE limit_id = $1 AND target = $2 AND replica_id = $3";
const SEEN: &str = "INSERT INTO replicas (replica_id, seen_us, shared) VALUES ($1, $2, $3)
    ON CONFLICT (replica_id) DO UPDATE SET seen_us = excluded.seen_us, shared = excluded.shared";
const LEAVE: &str = "DELETE FROM replicas WHERE replica_id = $1";
const SWEEP: [&str; 3] = [
    "DELETE FROM replicas WHERE seen_us < $1",
    "DELETE FROM limit_shares WHERE updated_us < $1 AND replica_id NOT IN (SELECT replica_id FROM replicas)",
    "DELETE FROM limit_turns WHERE $1 IS NOT NULL AND limit_id <> ''
       AND NOT EXISTS (SELECT 1 FROM limit_shares s WHERE s.limit_id = limit_turns.limit_id AND s.target = limit_turns.target)",
];

impl Db {
    /// Takes part. `alone` looks at the others and decides whether there are none; only one replica at a time decides.
    pub async fn join_replicas(
        &self,
        replica_id: &str,
        now_us: i64,
        alone: impl Fn(&[ReplicaRow]) -> bool,
    ) -> Result<(Vec<ReplicaRow>, bool), StoreError> {
        Ok(tx!(self, |t| {
            sqlx::query(TURN).bind("").bind("").execute(&mut *t).await?;
            let others: Vec<ReplicaRow> = sqlx::query_as(OTHERS).bind(replica_id).fetch_all(&mut *t).await?;
            let is_alone = alone(&others);
            sqlx::query(SEEN).bind(replica_id).bind(now_us).bind(!is_alone).execute(&mut *t).await?;
            (others, is_alone)
        }))
    }

    /// A sign of life; answers who else is there.
    pub async fn beat_replica(&self, me: &ReplicaRow) -> Result<Vec<ReplicaRow>, StoreError> {
        Ok(tx!(self, |t| {
            bind!(sqlx::query(SEEN), me; replica_id, seen_us, shared).execute(&mut *t).await?;
            sqlx::query_as(OTHERS).bind(&me.replica_id).fetch_all(&mut *t).await?
        }))
    }

    /// Takes no part any more. What was told stays: calls of the last minute count on.
    pub async fn leave_replicas(&self, replica_id: &str) -> Result<(), StoreError> {
        db_write!(self, |c| sqlx::query(LEAVE).bind(replica_id).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Forgets replicas, and what they told, that were last seen before a time.
    pub async fn sweep_replicas(&self, before_us: i64) -> Result<(), StoreError> {
        tx!(self, |t| {
            for sql in SWEEP {
                sqlx::query(sql).bind(before_us).execute(&mut *t).await?;
            }
        });
        Ok(())
    }

    /// Locks a limit, shows what is known of it to `decide`, and tells what that answers as the asking replica's share.
    /// `usage` asks for what a scope used in a month (its first day) and on a day.
    pub async fn exchange_shares<T>(
        &self,
        asking: &Asking<'_>,
        usage: Option<(&UsageScope, i64, i64)>,
        decide: impl FnOnce(Ledger) -> (Value, T),
    ) -> Result<T, StoreError> {
        Ok(tx!(self, |t| {
            let turn: i64 = bind!(sqlx::query_scalar(TURN), asking; limit_id, target).fetch_one(&mut *t).await?;
            let sum = match usage {
                Some((scope, month, day)) => Some(usage::sum!(&mut *t, scope, month, day)?),
                None => None,
            };
            let others = bind!(sqlx::query_as(OTHERS), asking; replica_id).fetch_all(&mut *t).await?;
            let shares = bind!(sqlx::query_as(SHARES), asking; limit_id, target, replica_id).fetch_all(&mut *t).await?;
            let (body, out) = decide(Ledger { turn, others, shares, sum });
            bind!(sqlx::query(TELL), asking; limit_id, target, replica_id)
                .bind(turn)
                .bind(body)
                .bind(asking.now_us)
                .execute(&mut *t)
                .await?;
            out
        }))
    }

    /// A replica has nothing of a limit any more.
    pub async fn forget_share(&self, asking: &Asking<'_>) -> Result<(), StoreError> {
        tx!(self, |t| {
            bind!(sqlx::query(TURN), asking; limit_id, target).execute(&mut *t).await?;
            bind!(sqlx::query(UNTELL), asking; limit_id, target, replica_id).execute(&mut *t).await?;
        });
        Ok(())
    }

    /// What everyone told of a limit, and who is there.
    pub async fn shares_of_limit(&self, limit_id: &str) -> Result<(Vec<ReplicaRow>, Vec<ShareRow>), StoreError> {
        Ok(db!(self, |c| {
            let replicas = sqlx::query_as(OTHERS).bind("").fetch_all(c).await?;
            (replicas, sqlx::query_as(SHARES_OF).bind(limit_id).fetch_all(c).await?)
        }))
    }

    /// Tells the other replicas something at once. They may miss it.
    pub async fn tell_replicas(&self, text: &str) -> Result<(), StoreError> {
        if let Db::Postgres(pool) = self {
            sqlx::query("SELECT pg_notify($1, $2)").bind(sql::REPLICA_CHANNEL).bind(text).execute(pool).await?;
        }
        Ok(())
    }

    /// Listens to the other replicas on a connection of its own; `None` on SQLite.
    pub async fn replica_hints(&self) -> Result<Option<ReplicaHints>, StoreError> {
        let Db::Postgres(pool) = self else { return Ok(None) };
        let own = PgPoolOptions::new().max_connections(1).connect_with((*pool.connect_options()).clone()).await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(sql::REPLICA_CHANNEL).await?;
        Ok(Some(ReplicaHints(listener)))
    }
}

/// What other replicas say.
#[derive(Debug)]
pub struct ReplicaHints(PgListener);

impl ReplicaHints {
    /// Waits for the next one; reconnects by itself.
    pub async fn next(&mut self) -> Result<String, StoreError> {
        Ok(self.0.recv().await?.payload().to_owned())
    }
}
