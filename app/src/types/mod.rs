//! Wire types between the pages and the server. Times are microseconds since 1970 UTC, money is micro-dollars.

mod api_key;
pub mod config;
mod log;
mod me;
mod model;
mod overview;
mod page;
mod run;

pub use api_key::NewApiKey;
pub use log::{LogFilter, LogLine};
pub use me::{InstanceRef, Me, Role};
pub use model::ModelCard;
pub use overview::{Checklist, Overview, ProviderCard, ProviderState, Totals};
pub use page::Page;
pub use run::{Attempt, RunDetail, RunFilter, RunSummary};
