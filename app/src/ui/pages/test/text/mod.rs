//! The text console.

mod params;
mod request;
mod snippets;
