//! Platform events as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::{clock::rfc3339, store::events::EventRow};

/// Answers with events as they come; `place` is given back when the reader leaves.
pub fn respond(
    events: impl Stream<Item = EventRow> + Send + 'static,
    place: OwnedSemaphorePermit,
    keep_alive: Duration,
) -> Response {
    let mut response = Body::from_stream(pieces(events, place, keep_alive)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Events as server-sent events, with comments while there are none.
fn pieces(
    events: impl Stream<Item = EventRow> + Send + 'static,
    place: OwnedSemaphorePermit,
    keep_alive: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    // A comment at once, so that who listens knows that it is listened to.
    let hello = stream::once(async { Ok(Bytes::from_static(b": listening\n\n")) });
    let events = Box::pin(events);
    let pieces = stream::unfold((events, place), move |(mut events, place)| async move {
        match tokio::time::timeout(keep_alive, events.next()).await {
            Err(_) => Some((Ok(Bytes::from_static(b": keep-alive\n\n")), (events, place))),
            Ok(None) => None,
            Ok(Some(event)) => {
                let seq = event.seq.unwrap_or_default();
                let piece = format!("id: {seq}\nevent: event\ndata: {}\n\n", shown(event));
                Some((Ok(Bytes::from(piece)), (events, place)))
            }
        }
    });
    hello.chain(pieces)
}

/// An event as the API shows it.
pub fn shown(event: EventRow) -> Value {
    json!({
        "id": event.id,
        "tenant_id": event.tenant_id,
        "user_id": event.user_id,
        "action": event.action,
        "eventable_type": event.eventable_type,
        "eventable_id": event.eventable_id,
        "particulars": event.particulars,
        "ip_address": event.ip_address,
        "user_agent": event.user_agent,
        "created_at": rfc3339(event.created_us),
    })
}
