//! Everything a person sees.

mod app;
pub mod kit;
pub mod live;
pub mod pages;
mod shell;

pub use app::App;
pub use shell::shell;
