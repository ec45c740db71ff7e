//! The browser's side of the public API: calls it the way any client does, and reads its streams.
//!
//! * `sse`: the event-stream format (pure).
//! * `chat`: what a chat answer says, whole or piece by piece (pure).
//! * `failure`: why there is no (whole) answer, in words a person can act on (pure).
//! * `fetch`: the call itself; only ever runs in a browser.

pub mod chat;
pub mod failure;
pub mod fetch;
pub mod sse;
