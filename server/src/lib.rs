//! The server: everything but the two-screen `main.rs`, so that tests start the real thing.

pub mod providers;
pub mod services;
pub mod store;
