//! The connection from a fault proxy to the replica behind it.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme, Uri};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;

use super::without_delay;

/// How long connecting may take.
const CONNECT_BOUND: Duration = Duration::from_secs(5);

/// A connection to the replica, made on first use. Each connection to the proxy has one, so that both end together and
/// the replica has as many as without the proxy.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    /// The connection for new requests, and its target.
    open: Option<(Arc<Authority>, SendRequest<Incoming>)>,
    /// The tasks that drive it, and earlier ones until their last request is done.
    driving: JoinSet<()>,
}

impl Upstream {
    /// Forwards a request. Both bodies are streamed, with their trailers.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the replica can't be reached, or breaks off before it answers.
    pub(super) async fn pass(
        &self,
        request: Request<Incoming>,
        target: &Arc<Authority>,
    ) -> Result<Response<Body>, Status> {
        let away = |error: &dyn std::fmt::Display| Status::unavailable(format!("behind the proxy: {error}"));
        let mut sender = self.sender(target).await.map_err(|error| away(&error))?;
        sender.ready().await.map_err(|error| away(&error))?;
        let request = addressed(request, target).map_err(|error| away(&error))?;
        let response = sender.send_request(request).await.map_err(|error| away(&error))?;
        Ok(response.map(Body::new))
    }

    async fn sender(&self, target: &Arc<Authority>) -> std::io::Result<SendRequest<Incoming>> {
        let mut connections = self.connections.lock().await;
        if let Some((there, sender)) = &connections.open
            && there == target
            && !sender.is_closed()
        {
            return Ok(sender.clone());
        }
        while connections.driving.try_join_next().is_some() {}
        let connecting = connect(target, &mut connections.driving);
        let sender = tokio::time::timeout(CONNECT_BOUND, connecting).await??;
        connections.open = Some((Arc::clone(target), sender.clone()));
        Ok(sender)
    }
}

async fn connect(target: &Authority, driving: &mut JoinSet<()>) -> std::io::Result<SendRequest<Incoming>> {
    let stream = without_delay(TcpStream::connect(target.as_str()).await?)?;
    let builder = http2::Builder::new(TokioExecutor::new());
    let (sender, driven) = builder.handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    // It ends with the last request once the sender is dropped.
    driving.spawn(async move {
        if let Err(error) = driven.await {
            tracing::debug!(%error, "a connection of a fault proxy to its target broke");
        }
    });
    Ok(sender)
}

/// The request with the replica as its authority.
fn addressed(mut request: Request<Incoming>, target: &Authority) -> Result<Request<Incoming>, http::Error> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(target.clone());
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(request)
}
