//! Everything a person sees.
//!
//! * `shell`: the document. `app`: the whole route table. `lazy`: its screens in files of their own. `nav`: the one registry of pages.
//! * `guard`, `me`, `prefs`: who is here, where the signed-out go, what a browser remembers.
//! * `kit`: how things look and behave, without data. `layout`: the frame around every page. `pages`: the screens.
//! * `live`: calls of the public API from the browser, and their streams.

mod app;
mod guard;
pub mod kit;
pub mod layout;
#[cfg(feature = "split")]
mod lazy;
pub mod live;
pub mod me;
pub mod nav;
pub mod pages;
pub mod prefs;
#[cfg(feature = "ssr")]
mod shell;

pub use app::App;
#[cfg(feature = "ssr")]
pub use shell::shell;
