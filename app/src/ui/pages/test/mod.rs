//! Consoles to try a model by hand.

mod markdown;
mod text;
