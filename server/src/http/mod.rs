//! The public JSON API: read the request, call one service function, put its answer into the surface's shape.

mod auth;
mod config;
mod delivery;
mod envelope;
mod event_stream;
mod facts;
mod fal;
mod intake;
mod openai;
pub(crate) mod openapi;
mod ops;
mod problem;
mod replicate;
pub mod routes;
mod service;
mod sse;
mod table;
mod text;
mod work;

pub use auth::{api_key, instance_header, same_origin};
pub use envelope::RequestInfo;
pub use problem::Problem;
