//! Sends a streamed answer as server-sent events. Comments keep a silent connection alive; a failure becomes an event of
//! the surface, and then the stream ends without the surface's end marker.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, Span};

use super::facts;
use crate::{
    providers::ChatChunk,
    services::gateway::{ChatStream, GatewayError},
};

/// How a surface writes a stream. Each function appends whole events.
pub trait Frames: Send + 'static {
    fn chunks(&mut self, chunks: Vec<ChatChunk>, out: &mut BytesMut);
    fn end(&mut self, out: &mut BytesMut);
    fn error(&mut self, error: &GatewayError, out: &mut BytesMut);
}

/// Answers with a stream. Waits for its first byte, so that an early failure still gets its own status; when that takes
/// longer than `keep_alive` the answer begins with comments.
pub async fn respond(
    mut stream: Box<ChatStream>,
    frames: impl Frames,
    keep_alive: Duration,
) -> Result<Response, GatewayError> {
    if let Ok(Err(error)) = tokio::time::timeout(keep_alive, stream.opened()).await {
        return Err(error);
    }
    stream.begin();
    let facts = stream.facts();
    let mut response = Body::from_stream(events(stream, frames, keep_alive)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    facts::add_headers(headers, &facts, false);
    Ok(response)
}

fn events(
    stream: Box<ChatStream>,
    frames: impl Frames,
    keep_alive: Duration,
) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let begin = Some((stream, frames, BytesMut::new(), Span::current()));
    stream::unfold(begin, move |state| async move {
        let (mut stream, mut frames, mut out, span) = state?;
        let next = tokio::select! {
            biased;
            next = stream.next().instrument(span.clone()) => next,
            () = sleep_until(Instant::now() + keep_alive) => {
                return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), Some((stream, frames, out, span))));
            }
        };
        match next {
            Ok(Some(chunks)) => {
                frames.chunks(chunks, &mut out);
                let piece = out.split().freeze();
                Some((Ok(piece), Some((stream, frames, out, span))))
            }
            Ok(None) => {
                frames.end(&mut out);
                Some((Ok(out.freeze()), None))
            }
            Err(error) => {
                span.in_scope(|| tracing::warn!(%error, "a stream broke off"));
                frames.error(&error, &mut out);
                Some((Ok(out.freeze()), None))
            }
        }
    })
}

/// One `data:` event.
pub fn data(json: &[u8], out: &mut BytesMut) {
    data_parts(&[json], out);
}

/// One `data:` event whose data lies in several pieces.
pub fn data_parts(pieces: &[&[u8]], out: &mut BytesMut) {
    out.reserve(pieces.iter().map(|piece| piece.len()).sum::<usize>() + 8);
    out.put_slice(b"data: ");
    pieces.iter().for_each(|piece| out.put_slice(piece));
    out.put_slice(b"\n\n");
}
