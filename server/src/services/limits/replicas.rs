//! Which servers share the database: joining, signs of life, and leaving. A server that is alone asks nobody; the next one
//! that comes waits until it has noticed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Inner, LimitError, Meter, Mode, meter::POOLS};
use crate::store::{
    Db, StoreError,
    shares::{ReplicaHints, ReplicaRow},
};

const BEAT: Duration = Duration::from_secs(1);
/// A database that takes longer for a sign of life is away. Short enough that a server that is alone knows it before its
/// last sign has lost its force, so that no call waits for the database.
const ANSWER: Duration = Duration::from_secs(1);
/// A replica that gave no sign for so long is dead, and what it had set aside is free.
const LIFE_US: i64 = 4_000_000;
/// It stops believing in itself a little earlier.
const MARGIN_US: i64 = 1_000_000;
/// Calls of a dead replica are in the window for so long.
const MEMORY_US: i64 = LIFE_US + 61_000_000;
/// Rows of the dead are deleted after this time.
const GRAVE_US: i64 = 600_000_000;

pub fn is_alive(replica: &ReplicaRow, now_us: i64) -> bool {
    now_us - replica.seen_us < LIFE_US
}

/// Nobody is there, and nobody was whose calls may still count.
fn is_alone(others: &[ReplicaRow], now_us: i64) -> bool {
    !others.iter().any(|other| is_alive(other, now_us) || (other.shared && now_us - other.seen_us < MEMORY_US))
}

/// What a replica that lacks something says.
pub fn recall(replica_id: &str, limit_id: &str, target: &str) -> String {
    format!("recall\t{replica_id}\t{limit_id}\t{target}")
}

const JOINED: &str = "joined";

impl Inner {
    /// Keeps in touch with the others and forgets what is idle, until the process stops.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut hints = None;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut beats = 0u64;
        loop {
            tokio::select! {
                _ = stop.cancelled() => break,
                _ = beat.tick() => {
                    beats += 1;
                    if let Err(error) = self.beat(&mut hints, beats).await {
                        tracing::warn!(%error, "cannot tell the other servers what is used of the limits");
                    }
                }
                hint = next(&mut hints) => self.hear(hint).await,
            }
        }
        if let Err(error) = self.leave().await {
            tracing::warn!(%error, "cannot tell the other servers that this one stops; they notice in a few seconds");
        }
    }

    async fn beat(self: &Arc<Self>, hints: &mut Option<ReplicaHints>, beats: u64) -> Result<(), LimitError> {
        if beats.is_multiple_of(10) {
            self.forget();
        }
        if matches!(self.db, Db::Sqlite(_)) {
            return Ok(());
        }
        if hints.is_none() {
            // Without them everything takes a little longer, and that is all.
            match in_time(self.db.replica_hints()).await {
                Ok(heard) => *hints = heard,
                Err(error) => tracing::warn!(%error, "cannot listen to the other servers; trying again"),
            }
        }
        self.give_sign().await?;
        if self.mode() == Mode::Shared {
            for meter in self.meters() {
                let is_old = {
                    let state = meter.state.lock();
                    let now = (state.counts.running, state.counts.open);
                    let is_unused = state.spare.iter().any(|spare| *spare > 0) || state.told != now;
                    is_unused && state.touched.elapsed() > BEAT
                };
                if is_old {
                    self.give_back(&meter, false).await?;
                }
            }
        }
        if beats.is_multiple_of(60) {
            self.db.sweep_replicas(self.clock.now_us() - GRAVE_US).await?;
        }
        Ok(())
    }

    /// Shows that this replica lives, and looks who else does.
    async fn give_sign(&self) -> Result<(), LimitError> {
        self.come_together().await?;
        let _one = self.joining.lock().await;
        let now_us = self.clock.now_us();
        let shared = self.mode() == Mode::Shared;
        let others = in_time(self.db.beat_replica(&self.row(now_us, shared))).await;
        if others.is_err() && self.mode() == Mode::Alone {
            self.stay_alone();
        }
        let others = others?;
        self.valid_until_us.fetch_max(now_us + LIFE_US - MARGIN_US, Ordering::AcqRel);
        match shared {
            false if others.iter().any(|other| is_alive(other, now_us)) => self.share().await?,
            true if is_alone(&others, now_us) => self.be_alone(now_us).await?,
            _ => {}
        }
        Ok(())
    }

    /// Finds the others, at the start and after a time in which they may have taken this replica for dead.
    pub(super) async fn come_together(&self) -> Result<(), LimitError> {
        let _one = self.joining.lock().await;
        let now_us = self.clock.now_us();
        let before = self.mode();
        if before != Mode::Joining && now_us <= self.valid_until_us.load(Ordering::Acquire) {
            return Ok(());
        }
        if before != Mode::Alone {
            return Ok(self.join().await?);
        }
        if let Err(error) = in_time(self.join()).await {
            tracing::warn!(%error, "the database does not answer; limits are counted by this server alone");
            self.stay_alone();
        }
        Ok(())
    }

    /// Nobody can have come while the database is away.
    fn stay_alone(&self) {
        self.set_mode(Mode::Alone, self.clock.now_us() + LIFE_US);
    }

    async fn join(&self) -> Result<(), StoreError> {
        self.set_mode(Mode::Joining, 0);
        loop {
            let now_us = self.clock.now_us();
            let (others, alone) =
                self.db.join_replicas(&self.replica_id, now_us, |others| is_alone(others, now_us)).await?;
            let until_us = now_us + LIFE_US - MARGIN_US;
            if alone {
                self.set_mode(Mode::Alone, until_us);
                return Ok(());
            }
            // Who believes to be alone has to tell first what it uses.
            if others.iter().all(|other| other.shared || !is_alive(other, now_us)) {
                self.set_mode(Mode::Shared, until_us);
                return Ok(());
            }
            self.db.tell_replicas(JOINED).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Somebody has come: from now on what is used is told.
    async fn share(&self) -> Result<(), StoreError> {
        self.set_mode(Mode::Shared, self.valid_until_us.load(Ordering::Acquire));
        for meter in self.meters() {
            self.give_back(&meter, false).await?;
        }
        self.db.beat_replica(&self.row(self.clock.now_us(), true)).await?;
        Ok(())
    }

    /// Everybody has gone, and what they used counts no more.
    async fn be_alone(&self, now_us: i64) -> Result<(), StoreError> {
        let (_, alone) = self.db.join_replicas(&self.replica_id, now_us, |others| is_alone(others, now_us)).await?;
        if alone {
            // What the others wrote down last is read again.
            self.meters().iter().for_each(|meter| meter.state.lock().loaded = false);
            self.set_mode(Mode::Alone, now_us + LIFE_US - MARGIN_US);
        }
        Ok(())
    }

    async fn leave(&self) -> Result<(), StoreError> {
        if matches!(self.db, Db::Sqlite(_)) {
            return Ok(());
        }
        if self.mode() == Mode::Shared {
            for meter in self.meters() {
                self.give_back(&meter, false).await?;
            }
        }
        self.db.leave_replicas(&self.replica_id).await
    }

    async fn hear(self: &Arc<Self>, hint: Result<String, StoreError>) {
        let Ok(hint) = hint else {
            // The listener connects again by itself.
            return tokio::time::sleep(BEAT).await;
        };
        if hint == JOINED {
            if self.mode() == Mode::Alone
                && let Err(error) = self.give_sign().await
            {
                tracing::warn!(%error, "cannot answer a server that wants to join");
            }
            return;
        }
        let mut words = hint.split('\t');
        let (Some("recall"), Some(from), Some(limit_id), Some(target)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return;
        };
        if from == self.replica_id || self.mode() != Mode::Shared {
            return;
        }
        // Also where nothing is counted any more: what was told before still stands.
        let limit_id: Arc<str> = limit_id.into();
        let meter = {
            let mut gate = self.gate.lock();
            Meter::of(gate.meters.entry(limit_id.clone()).or_default(), &limit_id, target)
        };
        if meter.recalled.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = self.clone();
        // On its own: a call of this replica may hold the flight while it waits for others in turn.
        tokio::spawn(async move {
            if let Err(error) = inner.give_back(&meter, true).await {
                tracing::warn!(%error, "cannot give back what is left of a limit");
            }
        });
    }

    fn set_mode(&self, mode: Mode, valid_until_us: i64) {
        // Behind the gate: no call is half way between two ways of counting.
        let gate = self.gate.lock();
        self.valid_until_us.store(valid_until_us, Ordering::Release);
        if self.mode.swap(mode as u8, Ordering::AcqRel) != mode as u8 {
            let meters = gate.meters.values().flat_map(|meters| meters.lock().values().cloned().collect::<Vec<_>>());
            for meter in meters {
                let mut state = meter.state.lock();
                (state.spare, state.others, state.dry) = ([0; POOLS], [0; POOLS], None);
            }
        }
    }

    fn row(&self, seen_us: i64, shared: bool) -> ReplicaRow {
        ReplicaRow { replica_id: self.replica_id.clone(), seen_us, shared }
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(ANSWER, asked).await;
    answer.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer within a second".to_owned())))
}

async fn next(hints: &mut Option<ReplicaHints>) -> Result<String, StoreError> {
    match hints {
        Some(hints) => hints.next().await,
        None => std::future::pending().await,
    }
}
