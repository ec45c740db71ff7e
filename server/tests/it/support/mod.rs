//! What the scenarios share: a real server on a fresh database, clients that keep what they saw, and waiting for conditions.

mod app;
mod audit;
mod cable;
mod chat;
pub mod database;
pub mod issuer;
mod people;
pub mod process;
mod records;
mod simulator;
mod wire;

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep};

pub use app::{TestApp, client, test_settings};
pub use cable::Cable;
pub use chat::{Answer, Streamed, answer, data_lines, hello};
pub use database::{Database, Place, Raw as Raws};
pub use people::{Browser, DAY_US, cookie_of, note};
pub use records::Record;
pub use wire::{Raw, closed_port};

/// How long anything that is surely going to happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Asks again and again until there is an answer; fails the test when there is none in time.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < until, "did not happen in time: {what}");
        sleep(ms(10)).await;
    }
}

/// Runs each scenario on both databases.
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {
        $(mod $scenario {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                Box::pin(super::$scenario($crate::support::Database::Sqlite)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(database) = $crate::support::Database::postgres() {
                    Box::pin(super::$scenario(database)).await;
                }
            }
        })+
    };
}
pub(crate) use on_both;
