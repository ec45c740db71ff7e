//! The listener: one hyper connection per client, so that the bare mode passes no framework.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body as AxumBody, Bytes};
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::bare::{self, BareBody};
use super::{SandboxConfig, router};

/// Answers still running at the stop get this long to end; stalled ones are cut.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a failed accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the sandbox on a listener until `stop` is cancelled, then lets running answers end for up to two seconds.
///
/// # Errors
/// When the listener has no local address any more.
pub async fn serve(listener: TcpListener, config: SandboxConfig, stop: CancellationToken) -> io::Result<()> {
    listener.local_addr()?;
    let bare = config.bare;
    let router = router(config);
    let mut connections = JoinSet::new();
    loop {
        let accepted: io::Result<(TcpStream, SocketAddr)> = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Without this a small event waits for the acknowledgement of the one before it.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        if bare {
            connections.spawn(bare_connection(stream, router.clone()));
        } else {
            connections.spawn(connection(stream, router.clone(), stop.clone()));
        }
    }
    drop(listener);
    if !bare {
        let ended = async { while connections.join_next().await.is_some() {} };
        // Whatever is still running after the grace is stalled, and cut below.
        let _in_time = tokio::time::timeout(GRACE, ended).await;
    }
    connections.shutdown().await;
    Ok(())
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let mut connection =
        pin!(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A client that breaks off is an everyday event here; the record of calls tells it.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

async fn bare_connection(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            if request.uri().path() == bare::PATH {
                return bare::answer(request.into_body()).await.map(|response| response.map(Out::Bare));
            }
            match router.oneshot(request).await {
                Ok(response) => Ok(response.map(Out::Routed)),
                Err(never) => match never {},
            }
        }
    });
    let _ended = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
}

/// The body of an answer in bare mode.
enum Out {
    Bare(BareBody),
    Routed(AxumBody),
}

impl Body for Out {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Bare(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Routed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bare(body) => body.is_end_stream(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bare(body) => body.size_hint(),
            Self::Routed(body) => body.size_hint(),
        }
    }
}
