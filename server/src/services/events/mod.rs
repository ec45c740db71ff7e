//! What happened: events are made here, written in the transaction of what they tell, read as lists, counts and a stream.

mod build;

pub use build::{Draft, build, storable};
