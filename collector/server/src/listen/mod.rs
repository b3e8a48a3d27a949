//! Our own accept loop: header timeout, connection cap, graceful end.

mod first_bytes;
mod must_read;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service;

use crate::app::{App, count, stopped};
use crate::receive::budget::Peer;
use first_bytes::FirstBytes;
use must_read::MustRead;

const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
const HEADER_BYTES: u32 = 16 << 10;
const HTTP2_STREAMS: u32 = 256;
const HTTP2_PING: Duration = Duration::from_secs(60);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests of exporters are a few hundred kilobytes: they come in few frames, and without waiting for leave to go on.
const HTTP2_FRAME: u32 = 256 << 10;
/// What a connection may send ahead of being read, which is before it counts against the intake budget.
const HTTP2_WINDOW: u32 = 1 << 20;
/// What is under way at the end gets this long.
const DRAIN: Duration = Duration::from_secs(2);
/// After a failed accept (no descriptors left), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Which protocols a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/2 only, for gRPC.
    Grpc,
    /// HTTP/1.1 and HTTP/2.
    Http,
}

/// Takes a port.
pub(crate) async fn bind(address: IpAddr, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves `router` until told to stop. Connections above the cap wait in the system's backlog.
pub(crate) async fn serve(listener: TcpListener, router: Router, protocol: Protocol, app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let slots = Arc::new(Semaphore::new(app.config.connections_per_port));
    let unread = app.config.unread_timeout;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = stopped(&mut stopping) => break,
        };
        match accepted {
            Ok((stream, slot)) => {
                count(&app.counters.connections);
                let (router, stopping) = (router.clone(), app.stopping.clone());
                connections.spawn(async move {
                    connection(stream, router, protocol, unread, stopping).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        connections.shutdown().await;
    }
}

/// The next connection, once there is a slot for it.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

/// Drives a connection, of which there are two types without a common trait, to its end; to a graceful one when we stop.
macro_rules! until_stopped {
    ($connection:expr, $stopping:expr) => {{
        let mut connection = pin!($connection);
        tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = stopped(&mut $stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }};
}

async fn connection(
    stream: TcpStream,
    router: Router,
    protocol: Protocol,
    unread: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    // Small answers and live messages should not wait for more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream = TokioIo::new(FirstBytes::new(MustRead::new(stream, unread), HEADER_TIMEOUT));
    let builder = builder(protocol);
    let peer = Peer::default();
    let service = tower::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().call(request)
    });
    let service = TowerToHyperService::new(service);
    // A connection that may be upgraded would take HTTP/1.1 too, whatever the builder was told.
    let outcome = if protocol == Protocol::Grpc {
        until_stopped!(builder.serve_connection(stream, service), stopping)
    } else {
        until_stopped!(builder.serve_connection_with_upgrades(stream, service), stopping)
    };
    if let Err(error) = outcome {
        tracing::debug!(error = %error, "a connection ended");
    }
}

fn builder(protocol: Protocol) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    if protocol == Protocol::Grpc {
        builder = builder.http2_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES as usize * 4);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT)
        .max_frame_size(HTTP2_FRAME)
        .initial_stream_window_size(HTTP2_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW);
    builder
}
