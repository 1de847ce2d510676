//! A listener for programs that have none of their own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use crate::security::Peer;

/// How many connections there are at once.
const CONNECTIONS: usize = 256;

/// How long somebody may take to say what they want, the first byte included.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long open requests have when the end is asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Serves a router until `until` ends. Requests that are open then have five
/// seconds. A connection that says nothing is closed after half a minute.
pub async fn serve(listener: TcpListener, router: Router, until: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(false);
    let mut until = pin!(until);
    loop {
        let slot = Arc::clone(&slots).acquire_owned();
        let accepted = async { (slot.await, listener.accept().await) };
        let (slot, (stream, address)) = tokio::select! {
            () = &mut until => break,
            (slot, accepted) = accepted => match accepted {
                Ok(accepted) => (slot, accepted),
                Err(error) => {
                    // Of one connection, or no descriptors are left: that passes.
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (router, stopping) = (router.clone(), stopping.clone());
        tokio::spawn(async move {
            let _slot = slot;
            connection(stream, Peer(address), router, stopping).await;
        });
    }
    drop((stopping, listener));
    let _ = stop.send(true);
    // All have ended when nobody listens to that any more.
    let _ = tokio::time::timeout(GRACE, stop.closed()).await;
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    limit(&stream);
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        request
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 * 1024);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection ended");
            }
            return;
        }
        _ = stopping.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// A client that takes nothing any more, or whose machine is gone, is given up by
/// the system after two minutes (`TCP_USER_TIMEOUT`). It can go on with a range.
fn limit(stream: &TcpStream) {
    let set = rustix::net::sockopt::set_tcp_user_timeout(stream, 120_000);
    if let Err(error) = set {
        tracing::trace!(%error, "no time limit for a connection");
    }
}
