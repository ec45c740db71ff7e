//! What the browser and the server both know: wire types, server functions, and the pages.
//!
//! * `types`: plain serde types, no Leptos in them.
//! * `error`: the one error that crosses the wire, and its HTTP status.
//! * `ports` (server only): what the pages need from the server, as traits; the server implements them.
//! * `api`: server functions, one file per room, bodies of a few lines.
//! * `ui`: the document, the route table, the kit, the layout and the pages.
#![recursion_limit = "256"]

pub mod api;
pub mod error;
#[cfg(feature = "ssr")]
pub mod ports;
pub mod types;
pub mod ui;
