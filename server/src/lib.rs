//! The server: everything but `main.rs`, so that tests start the real thing.
//!
//! A request is followed by opening four files: `http/<area>` or a server function, `services/<area>`, which decides, then
//! `store/<area>` or `providers/<name>`.
#![recursion_limit = "256"]

pub mod app;
pub mod cli;
pub mod clock;
pub mod http;
pub mod listen;
pub mod patience;
pub mod providers;
pub mod sandbox;
pub mod services;
pub mod settings;
pub mod shutdown;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod web;
