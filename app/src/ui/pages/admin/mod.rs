//! What operators and integrators look at: what is served, what is running, what was done.

mod audit;
mod logs;
mod records;
mod services;
mod system;

pub use audit::{AuditPage, Differences, History};
pub use logs::LogsPage;
pub use services::ServicesPage;
pub use system::SystemPage;
