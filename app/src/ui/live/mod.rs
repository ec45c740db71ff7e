//! The browser's side of the public API: calls it the way any client does, and reads its streams.
//!
//! * `sse`: the event-stream format (pure).
//! * `chat`: what a chat answer says, whole or piece by piece (pure).
//! * `failure`: why there is no (whole) answer, in words a person can act on (pure).
//! * `fetch` and `clock`: the call itself, and the time it takes; only ever run in a browser.

pub mod chat;
pub mod clock;
pub mod failure;
pub mod fetch;
pub mod sse;
