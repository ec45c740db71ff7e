//! What operators and integrators look at: what is served, what is running, what was done.

mod audit;
mod services;
mod system;

pub use audit::{AuditPage, History};
pub use services::ServicesPage;
pub use system::SystemPage;
