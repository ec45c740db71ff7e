//! Events as they become visible, in the order of their numbers. One task asks the database for all readers of the process;
//! a reader that is too slow, or that comes back, reads on from the database by itself.

use std::{sync::Arc, time::Duration};

use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    shutdown::Tasks,
    store::{
        Db, DbKind, StoreError,
        events::{EventFilter, EventRow},
    },
};

/// How often the database is asked while somebody listens.
const POLL: Duration = Duration::from_millis(200);
/// How long a reader waits when the database does not answer.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// Events that a reader may be behind before it reads from the database.
const BEHIND: usize = 512;
/// Events of one answer of the database.
const MOST: i64 = 500;
/// Numbers that one question looks at: a filter that nothing fits must not look at all of them at once.
const WINDOW: i64 = 20_000;
/// Events that are numbered at once.
const NUMBERED: i64 = 2_000;

/// The events of this deployment as a stream.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    sender: broadcast::Sender<Arc<EventRow>>,
    /// The number up to which the task has read; none while nobody listens.
    place: watch::Sender<Option<i64>>,
    /// Held to begin and to stop listening, so that the task does not rest just when somebody comes.
    gate: Mutex<()>,
    /// Something was written here.
    written: Notify,
    unnumbered: Notify,
    /// No more answers are given.
    closing: CancellationToken,
    stop: CancellationToken,
}

impl Live {
    /// Starts the task that reads and, on Postgres, the one that numbers. Streams end when `stop` is cancelled.
    pub fn start(db: Db, clock: Clock, stop: CancellationToken, tasks: &Tasks) -> Self {
        let live = Self(Arc::new(Inner {
            db,
            clock,
            sender: broadcast::Sender::new(BEHIND),
            place: watch::Sender::new(None),
            gate: Mutex::new(()),
            written: Notify::new(),
            unnumbered: Notify::new(),
            closing: stop,
            stop: tasks.token(),
        }));
        let owner = tasks.clone();
        tasks.keep("events", {
            let live = live.clone();
            move || live.clone().read(owner.clone())
        });
        if live.0.db.kind() == DbKind::Postgres {
            let owner = tasks.clone();
            tasks.keep("event numbers", {
                let live = live.clone();
                move || live.clone().number(owner.clone())
            });
        }
        live
    }

    /// Tells that events were committed; without it they are noticed a moment later.
    pub fn wake(&self) {
        self.0.unnumbered.notify_one();
        self.0.written.notify_one();
    }

    /// The events that a filter takes, after the one with the number `after`, or from now on. Nothing is left out and nothing
    /// comes twice. Ends when the server stops.
    pub fn subscribe(&self, filter: EventFilter, after: Option<i64>) -> impl Stream<Item = EventRow> + Send + use<> {
        let reader = Reader { live: self.clone(), filter, after, until: None, receiver: None, ready: Vec::new() };
        stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) })
    }

    /// The number after which a stream goes on that begins now: what was committed before has a number up to it.
    pub async fn now(&self) -> Result<i64, StoreError> {
        while self.0.db.sequence_events(NUMBERED).await? > 0 {}
        self.0.db.newest_seq().await
    }

    fn listen(&self) -> broadcast::Receiver<Arc<EventRow>> {
        let receiver = {
            let _gate = self.0.gate.lock();
            self.0.sender.subscribe()
        };
        self.0.written.notify_one();
        receiver
    }

    /// Reads for everyone, as long as anyone listens.
    async fn read(self, tasks: Tasks) {
        let own = &self.0;
        while !own.stop.is_cancelled() {
            let is_idle = {
                let _gate = own.gate.lock();
                let is_idle = own.sender.receiver_count() == 0;
                if is_idle {
                    own.place.send_replace(None);
                }
                is_idle
            };
            let mut wait = None;
            if !is_idle {
                let round = self.read_on().await;
                tasks.ran("events", &round);
                wait = match round {
                    Ok(true) => continue,
                    Ok(false) => Some(POLL.mul_f64(0.75 + own.clock.fraction() / 2.0)),
                    Err(_) => Some(AFTER_ERROR),
                };
            }
            tokio::select! {
                () = own.stop.cancelled() => {}
                () = own.written.notified() => {}
                () = async { tokio::time::sleep(wait.unwrap_or_default()).await }, if wait.is_some() => {}
            }
        }
    }

    /// Hands on what is new; whether there may be more.
    async fn read_on(&self) -> Result<bool, StoreError> {
        let own = &self.0;
        let place = *own.place.borrow();
        let Some(place) = place else {
            // Who listens already gets everything after this number, and looks for what is before it.
            let newest = own.db.newest_seq().await?;
            own.place.send_replace(Some(newest));
            return Ok(false);
        };
        let rows = own.db.events_after(&EventFilter::default(), place, i64::MAX, MOST).await?;
        let is_more = rows.len() == usize::try_from(MOST).unwrap_or(usize::MAX);
        if let Some(last) = rows.last().and_then(|row| row.seq) {
            // Who comes in between finds the rest in the database: no await may come between this and the last of them.
            own.place.send_replace(Some(last));
            for row in rows {
                // Nobody may listen by now.
                let _ = own.sender.send(Arc::new(row));
            }
        }
        Ok(is_more)
    }

    /// Gives committed events their numbers.
    async fn number(self, tasks: Tasks) {
        let own = &self.0;
        while !own.stop.is_cancelled() {
            let round = own.db.sequence_events(NUMBERED).await;
            tasks.ran("event numbers", &round);
            let wait = match round {
                Ok(0) => POLL.mul_f64(0.75 + own.clock.fraction() / 2.0),
                Ok(_) => {
                    own.written.notify_one();
                    continue;
                }
                Err(_) => AFTER_ERROR,
            };
            tokio::select! {
                () = own.stop.cancelled() => {}
                () = own.unnumbered.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// One who listens.
struct Reader {
    live: Live,
    filter: EventFilter,
    /// Everything up to this number was given or is not wanted; none before the first look.
    after: Option<i64>,
    /// While it reads from the database: up to where.
    until: Option<i64>,
    receiver: Option<broadcast::Receiver<Arc<EventRow>>>,
    /// Read from the database, in reverse.
    ready: Vec<EventRow>,
}

impl Reader {
    async fn next(&mut self) -> Option<EventRow> {
        let closing = self.live.0.closing.clone();
        tokio::select! {
            () = closing.cancelled() => None,
            event = self.find() => Some(event),
        }
    }

    async fn find(&mut self) -> EventRow {
        loop {
            if let Some(event) = self.ready.pop() {
                self.after = event.seq.or(self.after);
                return event;
            }
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "a stream of events waits for the database");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
            if !self.ready.is_empty() || self.until.is_some() {
                continue;
            }
            let Some(receiver) = &mut self.receiver else { continue };
            match receiver.recv().await {
                Ok(event) if event.seq <= self.after => {}
                Ok(event) => {
                    self.after = event.seq;
                    if self.filter.takes(&event) {
                        return EventRow::clone(&event);
                    }
                }
                // Too slow, or the task is new: what is missing is in the database.
                Err(_) => self.receiver = None,
            }
        }
    }

    /// Reads what the task does not hand over: from where the reader was, up to where the task began.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let own = &self.live.0;
        if self.receiver.is_none() {
            let receiver = self.live.listen();
            let mut place = own.place.subscribe();
            // Numbers after this one come from the task.
            let handed = place.wait_for(Option::is_some).await.ok().and_then(|place| *place).unwrap_or_default();
            if self.after.is_none() {
                self.after = Some(self.live.now().await?);
            }
            (self.receiver, self.until) = (Some(receiver), Some(handed));
        }
        let (Some(after), Some(until)) = (self.after, self.until) else { return Ok(()) };
        if after >= until {
            self.until = None;
            return Ok(());
        }
        let window = until.min(after.saturating_add(WINDOW));
        let mut rows = own.db.events_after(&self.filter, after, window, MOST).await?;
        if rows.is_empty() {
            self.after = Some(window);
        }
        rows.reverse();
        self.ready = rows;
        Ok(())
    }
}
