//! Wire types between the pages and the server. Times are microseconds since 1970 UTC, money is micro-dollars.

mod api_key;
mod audit;
pub mod config;
mod limits;
mod log;
mod me;
mod model;
mod overview;
mod page;
mod run;
mod service;
mod session;
mod system;

pub use api_key::{ApiKeyDraft, ApiKeyLimit, ApiKeyUse, NewApiKey};
pub use audit::{AuditProof, AuditQuery, AuditRecord};
pub use limits::{CapState, LimitState};
pub use log::{LogFilter, LogLine};
pub use me::{InstanceRef, Me, OrganizationRef, Role};
pub use model::ModelCard;
pub use overview::{Checklist, Overview, ProviderCard, ProviderState, Totals};
pub use page::Page;
pub use run::{Attempt, RunDetail, RunFilter, RunSummary};
pub use service::{Endpoint, ServiceCard};
pub use session::{SessionInfo, SignInIssuer, SignInLink};
pub use system::{DatabaseState, QueueState, ReplicaState, StorageState, SystemState, TaskState};
