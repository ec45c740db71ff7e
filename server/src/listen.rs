//! Accepts connections and serves them until the process stops: first no new ones, then the running answers may finish
//! until the drain limit, then the rest is cut.

use std::{convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::StatusCode, response::IntoResponse};
use futures::FutureExt;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::{patience::Patience, settings::Server};

/// Longest wait for the head of a request, and so the longest that a connection is kept idle. Longer than proxies keep theirs
/// (60 seconds, most often): the one who may send the next request has to be the one who closes, or it sends into a
/// connection that is just being closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(90);

/// Serves `router` until `stop` is cancelled and at most `limits.drain_timeout` longer.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, limits: &Server) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Without this, small pieces of a stream wait for the peer's acknowledgements.
                    let _ = stream.set_nodelay(true);
                    let stream = TokioIo::new(Patience::new(stream, limits.write_timeout));
                    connections.spawn(connection(stream, peer, router.clone(), stop.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most often: some will be free again.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let finished =
        tokio::time::timeout(limits.drain_timeout, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!(connections = connections.len(), "the drain limit is over; cutting what still runs");
        connections.shutdown().await;
    }
}

async fn connection(io: TokioIo<Patience<TcpStream>>, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut router = router.clone();
        async move {
            let answer = AssertUnwindSafe(router.call(request)).catch_unwind().await;
            // What has panicked has told so by itself. Without an answer the client could not know what happened.
            let answer = answer.unwrap_or_else(|_| Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()));
            Ok::<_, Infallible>(answer.unwrap_or_else(|never| match never {}))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let connection = builder.serve_connection_with_upgrades(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
