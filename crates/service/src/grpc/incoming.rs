//! The incoming connections of a server: with mutual TLS, those of authenticated callers; without it, all.

use std::future::ready;
use std::io;
use std::time::Duration;

use futures::stream::{Stream, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tonic::transport::server::TcpIncoming;

use super::Linger;
use crate::tls::{Tls, Wire};

/// The time-out of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The most concurrent handshakes; further connections wait to be accepted.
const MAX_HANDSHAKES: usize = 1_024;

/// The accepted connections, each with a lingering close, so that the server loses no request when it closes them.
pub fn incoming(listener: TcpListener, tls: Option<Tls>) -> impl Stream<Item = io::Result<Linger>> {
    let accepted = TcpIncoming::from(listener).with_nodelay(Some(true));
    let authenticated = accepted.map(move |accepted| {
        let tls = tls.clone();
        async move {
            let wire = match (accepted, tls) {
                (Ok(stream), Some(tls)) => authenticate(stream, &tls).await?,
                (Ok(stream), None) => Wire::Left(stream),
                (Err(error), _) => return Some(Err(error)),
            };
            Some(Ok(Linger::new(wire)))
        }
    });
    authenticated.buffer_unordered(MAX_HANDSHAKES).filter_map(ready)
}

/// Runs the handshake; `None` if the caller is refused.
async fn authenticate(stream: TcpStream, tls: &Tls) -> Option<Wire> {
    let caller = stream.peer_addr().ok();
    let error = match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(wire)) => return Some(wire),
        Ok(Err((error, stream))) => {
            // So that the TLS alert with the reason arrives.
            let _gone = Linger::new(Wire::Left(stream)).shutdown().await;
            error
        }
        Err(late) => late.into(),
    };
    metrics::counter!("tls_callers_refused_total").increment(1);
    tracing::warn!(?caller, error = &error as &dyn std::error::Error, "a caller was refused");
    None
}
