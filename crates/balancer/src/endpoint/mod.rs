//! One replica: its address, its connection, its load and whether it should be called.

mod connection;
mod connector;
mod load;
mod outcome_window;
mod peak_ewma;
mod standing;

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::discovery::Address;
use crate::rendezvous::Seed;
use crate::request::BufferedRequest;
use connection::Connection;
pub(crate) use connector::Connector;
use load::Load;
pub(crate) use load::{DEADLINE_MARGIN, Outcome};
pub(crate) use standing::Standing;

/// A replica of an upstream.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Unique among all endpoints that this process ever had.
    pub(crate) id: u64,
    pub(crate) address: Address,
    pub(crate) seed: Seed,
    pub(crate) connection: Connection,
    pub(crate) load: Load,
    pub(crate) standing: Standing,
}

/// Identifies one connection to one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    endpoint: u64,
    connection: u64,
}

/// Why a request got no response from an endpoint.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The endpoint never got the request.
    NeverSent(tower::BoxError),
    /// The request may have taken effect.
    Broken(tower::BoxError),
}

impl SendError {
    pub(crate) fn into_inner(self) -> tower::BoxError {
        match self {
            Self::NeverSent(error) | Self::Broken(error) => error,
        }
    }
}

impl Endpoint {
    /// `origin` is the same for all replicas of an upstream.
    pub(crate) fn new(address: Address, slow_start: std::time::Duration, origin: Instant) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            seed: Seed::of(&address.uri.to_string()),
            connection: Connection::new(),
            load: Load::new(origin),
            standing: Standing::new(slow_start),
            address,
        }
    }

    /// The current connection.
    pub(crate) fn connection_id(&self) -> ConnectionId {
        ConnectionId { endpoint: self.id, connection: self.connection.number() }
    }

    /// Whether it can be called: connected, healthy, and not ejected.
    pub(crate) fn is_available(&self) -> bool {
        self.standing.is_available() && self.connection.is_open()
    }

    /// Sends a request, if connected. Returns when the response begins.
    pub(crate) async fn send(&self, request: BufferedRequest) -> Result<http::Response<Incoming>, SendError> {
        let Some(mut sender) = self.connection.open() else {
            return Err(SendError::NeverSent(self.no_connection()));
        };
        let request = self.addressed(request).map_err(|error| SendError::Broken(error.into()))?;
        sender.send_request(request).await.map_err(|error| {
            if envelope::was_never_sent(&error) {
                SendError::NeverSent(Box::new(tonic::ConnectError(Box::new(error))))
            } else {
                SendError::Broken(error.into())
            }
        })
    }

    /// The outcome of a call that broke off on this connection. A connection that breaks ends all of its calls at once;
    /// that counts as one failure, so that it does not eject a process that has restarted meanwhile.
    pub(crate) fn blame(&self, id: ConnectionId, error: &tower::BoxError) -> Outcome {
        if is_reset(error.as_ref()) || self.load.is_first_break(id.connection) {
            Outcome::Failed
        } else {
            Outcome::Broken
        }
    }

    /// The error for a request that finds no connection.
    pub(crate) fn no_connection(&self) -> tower::BoxError {
        let why = self.connection.failure();
        let why =
            why.map_or_else(|| std::io::ErrorKind::NotConnected.into(), |why| std::io::Error::new(why.kind(), why));
        Box::new(tonic::ConnectError(Box::new(why)))
    }

    /// The request with the scheme and authority of this endpoint, as HTTP/2 requires.
    fn addressed(&self, request: BufferedRequest) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let BufferedRequest { mut head, body } = request;
        let mut uri = self.address.uri.clone().into_parts();
        uri.path_and_query = head.uri.into_parts().path_and_query;
        head.uri = http::Uri::from_parts(uri)?;
        head.version = http::Version::HTTP_2;
        Ok(http::Request::from_parts(head, Full::new(body)))
    }
}

/// Whether only the stream of the call was reset, and not its connection.
fn is_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(h2::Error::is_reset) {
            return true;
        }
        cause = error.source();
    }
    false
}
