//! What operators and integrators look at: what is served, what is running, what was done.

mod services;
mod system;

pub use services::ServicesPage;
pub use system::SystemPage;
