//! The connections that a server gets: with mutual TLS those of callers that have proved who they are, without it all.

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

/// How long a caller has for proving who it is.
const PROVEN_WITHIN: Duration = Duration::from_secs(5);
/// How many may be about to at once; more wait to be accepted.
const AT_ONCE: usize = 1_024;

/// The connections that come in, for a server that ends them without losing a request.
pub fn incoming(listener: TcpListener, tls: Option<Tls>) -> impl Stream<Item = io::Result<Linger>> {
    let accepted = TcpIncoming::from(listener).with_nodelay(Some(true));
    let proven = accepted.map(move |accepted| {
        let tls = tls.clone();
        async move {
            let wire = match (accepted, tls) {
                (Ok(stream), Some(tls)) => prove(stream, &tls).await?,
                (Ok(stream), None) => Wire::Left(stream),
                (Err(error), _) => return Some(Err(error)),
            };
            Some(Ok(Linger::new(wire)))
        }
    });
    proven.buffer_unordered(AT_ONCE).filter_map(ready)
}

/// Nothing for a caller that is not taken.
async fn prove(stream: TcpStream, tls: &Tls) -> Option<Wire> {
    let caller = stream.peer_addr().ok();
    let error = match timeout(PROVEN_WITHIN, tls.accept(stream)).await {
        Ok(Ok(wire)) => return Some(wire),
        Ok(Err((error, stream))) => {
            // So that it hears why.
            let _gone = Linger::new(Wire::Left(stream)).shutdown().await;
            error
        }
        Err(late) => late.into(),
    };
    metrics::counter!("tls_callers_refused_total").increment(1);
    tracing::warn!(?caller, error = &error as &dyn std::error::Error, "a caller is not taken");
    None
}
