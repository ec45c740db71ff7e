//! What the product decides: validation, permissions, ids, times, limits. Services know nothing of HTTP or pages.

pub mod audit;
pub mod catalog;
pub mod classify;
pub mod config;
pub mod delivery;
pub mod events;
pub mod gateway;
pub mod identity;
pub mod limits;
pub mod logs;
pub mod router;
pub mod system;
pub mod text;
pub mod vault;
