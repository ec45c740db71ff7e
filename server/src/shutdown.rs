//! Background tasks and how they stop: one token that everything listens to, and an owner that knows each task by name,
//! notices when it ends before its time, and starts it again.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt::Display,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::clock::Clock;

/// Wait before a task is started again; it doubles with each time, up to the longest.
const RESTART: Duration = Duration::from_millis(100);
const LONGEST_RESTART: Duration = Duration::from_secs(30);

/// Owns the background tasks of an [`crate::app::App`].
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    stopped: Arc<OnceLock<Instant>>,
    states: Arc<Mutex<BTreeMap<&'static str, TaskState>>>,
    clock: Clock,
}

/// What is known of a task. Times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    pub name: &'static str,
    pub phase: Phase,
    pub started_us: i64,
    /// When it last said that it did its work.
    pub last_run_us: Option<i64>,
    pub last_error: Option<(i64, String)>,
    pub restarts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// It ended before its time, and will be started again in a moment.
    Restarting,
    Ended,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Ended => "ended",
        }
    }
}

impl Tasks {
    pub fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Cancelled when the process has to stop.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Keeps a task running until the token is cancelled, and then lets it end by itself. When it ends or panics before, it
    /// is made again.
    pub fn keep<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        mut make: impl FnMut() -> F + Send + 'static,
    ) {
        self.begin(name);
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let mut wait = RESTART;
            loop {
                let began = Instant::now();
                let ended = AssertUnwindSafe(make()).catch_unwind().await;
                let panicked = ended.as_ref().err().map(|panic| words(panic.as_ref()));
                if tasks.stop.is_cancelled() && panicked.is_none() {
                    break;
                }
                let why = panicked.unwrap_or_else(|| "it ended before its time".to_owned());
                tracing::error!(task = name, why, "a background task failed and is started again");
                tasks.fail(name, &why, Phase::Restarting);
                if tasks.stop.is_cancelled() {
                    break;
                }
                if began.elapsed() > LONGEST_RESTART {
                    wait = RESTART;
                }
                // What stops meanwhile still gets its turn, for what is left to do.
                let _ = tokio::time::timeout(wait, tasks.stop.cancelled()).await;
                wait = (wait * 2).min(LONGEST_RESTART);
                tasks.change(name, |state| {
                    state.phase = Phase::Running;
                    state.restarts += 1;
                });
            }
            tasks.change(name, |state| state.phase = Phase::Ended);
        });
    }

    /// Runs a task that cannot be made again. It must end by itself once the token is cancelled.
    pub fn once(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.begin(name);
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            let panicked = ended.err().map(|panic| words(panic.as_ref()));
            let early = (!tasks.stop.is_cancelled()).then(|| "it ended before its time".to_owned());
            if let Some(why) = panicked.or(early) {
                tracing::error!(task = name, why, "a background task failed");
                tasks.fail(name, &why, Phase::Ended);
            }
            tasks.change(name, |state| state.phase = Phase::Ended);
        });
    }

    /// A task tells how its last round went.
    pub fn ran<T, E: Display>(&self, name: &'static str, round: &Result<T, E>) {
        let now_us = self.clock.now_us();
        self.change(name, |state| match round {
            Ok(_) => state.last_run_us = Some(now_us),
            Err(error) => state.last_error = Some((now_us, crate::telemetry::redact(&error.to_string()).into_owned())),
        });
    }

    /// Every task there was, by name.
    pub fn states(&self) -> Vec<TaskState> {
        self.states.lock().values().cloned().collect()
    }

    /// Cancels the token: tasks end what they are doing.
    pub fn stop(&self) {
        self.stopped.get_or_init(Instant::now);
        self.stop.cancel();
    }

    /// Waits until the process has to stop; since when.
    pub async fn stopped(&self) -> Instant {
        self.stop.cancelled().await;
        *self.stopped.get_or_init(Instant::now)
    }

    /// Cancels the token and waits for all tasks; the names of those that did not end in time.
    pub async fn finish(&self, limit: Duration) -> Vec<&'static str> {
        self.stop();
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        self.states.lock().values().filter(|state| state.phase != Phase::Ended).map(|state| state.name).collect()
    }

    fn begin(&self, name: &'static str) {
        let state = TaskState {
            name,
            phase: Phase::Running,
            started_us: self.clock.now_us(),
            last_run_us: None,
            last_error: None,
            restarts: 0,
        };
        self.states.lock().insert(name, state);
    }

    fn fail(&self, name: &'static str, why: &str, phase: Phase) {
        let error = (self.clock.now_us(), crate::telemetry::redact(why).into_owned());
        self.change(name, |state| (state.last_error, state.phase) = (Some(error), phase));
    }

    fn change(&self, name: &'static str, change: impl FnOnce(&mut TaskState)) {
        if let Some(state) = self.states.lock().get_mut(name) {
            change(state);
        }
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "it panicked".to_owned(), |text| format!("it panicked: {text}"))
}

/// Done when SIGINT or SIGTERM comes. They are listened for from the call on, not only from the first wait: a signal that
/// comes while the process still starts must not kill it on the spot.
pub fn signal() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt()).and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)))
    };
    async move {
        #[cfg(unix)]
        if let Ok((mut interrupt, mut terminate)) = signals {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    async fn until(fits: impl Fn() -> bool) {
        let waited = async {
            while !fits() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waited).await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_fails_is_started_again() {
        let tasks = Tasks::new(Clock::fixed(7));
        let rounds = Arc::new(AtomicU64::new(0));
        tasks.keep("worker", {
            let (rounds, tasks) = (rounds.clone(), tasks.clone());
            move || {
                let (round, tasks) = (rounds.fetch_add(1, Ordering::SeqCst), tasks.clone());
                async move {
                    match round {
                        0 => panic!("the first time, with sk-abcdefgh12345"),
                        1 => {}
                        _ => {
                            tasks.ran("worker", &Ok::<_, String>(()));
                            tasks.token().cancelled().await;
                        }
                    }
                }
            }
        });
        until(|| tasks.states()[0].last_error.is_some()).await;
        let first = tasks.states().remove(0);
        assert_eq!(first.last_error, Some((7, "it panicked: the first time, with sk-***".to_owned())));
        until(|| tasks.states()[0].last_run_us == Some(7)).await;
        let state = tasks.states().remove(0);
        assert_eq!((state.phase, state.restarts), (Phase::Running, 2));
        assert_eq!(state.last_error, Some((7, "it ended before its time".to_owned())));
        assert!(tasks.finish(Duration::from_secs(5)).await.is_empty());
        assert_eq!((tasks.states()[0].phase, rounds.load(Ordering::SeqCst)), (Phase::Ended, 3));
    }

    #[tokio::test]
    async fn what_waits_for_its_restart_still_ends_its_work() {
        let tasks = Tasks::new(Clock::system());
        let rounds = Arc::new(AtomicU64::new(0));
        tasks.keep("writer", {
            let rounds = rounds.clone();
            // Fails, and fails, and would have something left to do at the end.
            move || {
                let round = rounds.fetch_add(1, Ordering::SeqCst);
                async move { assert!(round > 3, "not yet") }
            }
        });
        until(|| rounds.load(Ordering::SeqCst) == 4).await;
        assert!(tasks.finish(Duration::from_secs(5)).await.is_empty());
        assert_eq!(rounds.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn who_does_not_end_is_named() {
        let tasks = Tasks::new(Clock::system());
        tasks.once("deaf", std::future::pending());
        tasks.once("short", async {});
        until(|| tasks.states()[1].phase == Phase::Ended).await;
        assert!(tasks.states()[1].last_error.is_some(), "it was not to end yet");
        assert_eq!(tasks.finish(Duration::from_millis(20)).await, ["deaf"]);
    }
}
