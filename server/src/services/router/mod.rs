//! The request router: work is taken in, waits in its provider's queue, is claimed by a worker, executed, assessed and
//! delivered. What was accepted ends in a terminal state whatever happens to this process.

mod breaker;
mod bulk;
mod cancel;
mod decide;
mod ending;
mod error;
mod gates;
mod intake;
mod kinds;
mod leases;
mod list;
mod queues;
mod results;
mod status;
mod sweep;
mod work;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use self::{breaker::Breakers, kinds::Kinds};
pub use self::{
    bulk::{BulkDraft, BulkKind},
    error::RouterError,
    intake::{Draft, Once, Receipt},
    kinds::TASK_TYPES,
    list::Listed,
    queues::{Closing, QueueState},
    status::{Standing, State},
};
use super::{catalog::Catalog, events::Events, gateway::Gateway, identity::Identity};
use crate::{
    clock::Clock,
    settings,
    shutdown::Tasks,
    store::{
        Db,
        jobs::{Ending, Lane},
    },
};

/// Takes work in and carries it out. Cloning shares everything.
#[derive(Clone)]
pub struct Router(Arc<Inner>);

/// The address for what a provider has to tell about a request; none when providers cannot reach this server.
pub type CallbackUrl = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the parts of the router share.
struct Inner {
    db: Db,
    clock: Clock,
    /// How far the database's clock is ahead of ours: leases are compared by its time alone.
    offset_us: AtomicI64,
    catalog: Arc<Catalog>,
    gateway: Gateway,
    identity: Identity,
    settings: settings::Router,
    /// Where providers tell about the work of a request.
    callback_url: CallbackUrl,
    kinds: Kinds,
    /// Fresh with each start, so that a process never takes itself for the one before it.
    worker_id: String,
    /// The process is to end.
    stop: CancellationToken,
    /// There may be something to claim.
    wake: Notify,
    /// A request changed.
    told: Notify,
    events: Events,
    /// Calls to callers may be due.
    outbox: Arc<Notify>,
    /// There is an operation on many requests to go on with.
    bulk: Notify,
    /// When the queues were last sampled.
    sampled_us: AtomicI64,
    running: Mutex<HashMap<String, Running>>,
    endings: mpsc::UnboundedSender<Ending>,
    ended: tokio::sync::Mutex<mpsc::UnboundedReceiver<Ending>>,
    /// Where the next claim of a queue goes on among its lanes.
    places: Mutex<BTreeMap<String, Lane>>,
    breakers: Mutex<Breakers>,
}

/// A job that this process has.
struct Running {
    epoch: i64,
    queue: String,
    /// Stops its execution.
    stop: CancellationToken,
    why: Mutex<Option<Stopped>>,
}

/// Why an execution was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// Somebody wants it cancelled.
    Cancelled,
    /// Its lease is another's.
    Lost,
    /// The process ends.
    Stopping,
}

/// What the router stands on.
pub struct Parts {
    pub db: Db,
    pub clock: Clock,
    pub catalog: Arc<Catalog>,
    pub gateway: Gateway,
    pub identity: Identity,
    pub callback_url: CallbackUrl,
    pub events: Events,
    /// Notified when calls to callers were written.
    pub outbox: Arc<Notify>,
}

impl Router {
    /// Starts the workers, unless this process is not to have any.
    pub fn start(parts: Parts, settings: &settings::Settings, tasks: &Tasks) -> Self {
        let (endings, ended) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            worker_id: parts.clock.new_id().to_string(),
            db: parts.db,
            clock: parts.clock,
            offset_us: AtomicI64::new(0),
            catalog: parts.catalog,
            gateway: parts.gateway,
            identity: parts.identity,
            settings: settings.router.clone(),
            callback_url: parts.callback_url,
            kinds: Kinds::all(),
            stop: tasks.token(),
            wake: Notify::new(),
            told: Notify::new(),
            events: parts.events,
            outbox: parts.outbox,
            bulk: Notify::new(),
            sampled_us: AtomicI64::new(0),
            running: Mutex::default(),
            endings,
            ended: tokio::sync::Mutex::new(ended),
            places: Mutex::default(),
            breakers: Mutex::default(),
        });
        if settings.router.workers {
            type Round = fn(Arc<Inner>, Tasks) -> futures::future::BoxFuture<'static, ()>;
            let rounds: [(&'static str, Round); 5] = [
                ("job claims", |inner, tasks| Box::pin(work::keep(inner, tasks))),
                ("job results", |inner, tasks| Box::pin(results::keep(inner, tasks))),
                ("job leases", |inner, tasks| Box::pin(leases::keep(inner, tasks))),
                ("job recovery", |inner, tasks| Box::pin(sweep::keep(inner, tasks))),
                ("job upkeep", |inner, tasks| Box::pin(queues::keep(inner, tasks))),
            ];
            for (name, round) in rounds {
                let (inner, owner) = (inner.clone(), tasks.clone());
                tasks.keep(name, move || round(inner.clone(), owner.clone()));
            }
        }
        Self(inner)
    }

    /// There is something new to do, by other ways than this router's own.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// The id of this process among the workers.
    pub fn worker_id(&self) -> &str {
        &self.0.worker_id
    }
}

impl Inner {
    /// Something was written: whoever waits for it looks again.
    fn tell(&self) {
        self.told.notify_waiters();
        self.events.live().wake();
        self.outbox.notify_one();
    }

    /// The time by which leases, waits and deadlines are judged.
    fn now_us(&self) -> i64 {
        self.clock.now_us() + self.offset_us.load(Ordering::Relaxed)
    }
}
