//! One replica: its address, its connection, and what is known of how it is doing.

mod connection;
mod load;
mod peak;
mod standing;
mod tally;
mod way;

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::discovery::Address;
use crate::rank::Seed;
use connection::Connection;
use load::Load;
pub(crate) use load::{GRACE, Verdict};
pub(crate) use standing::Standing;
pub(crate) use way::Way;

/// A replica of an upstream.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Tells it from every other endpoint that there ever was in this process.
    pub(crate) id: u64,
    pub(crate) address: Address,
    pub(crate) seed: Seed,
    pub(crate) connection: Connection,
    pub(crate) load: Load,
    pub(crate) standing: Standing,
}

/// One connection to one endpoint; the next one to it is another line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    endpoint: u64,
    connection: u64,
}

/// A request with its body, as often as it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Buffered {
    pub(crate) head: http::request::Parts,
    pub(crate) body: Bytes,
}

/// Why a request got no answer from an endpoint.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// It never got the request.
    NeverSent(tower::BoxError),
    /// It may have done what was asked for.
    Broken(tower::BoxError),
}

impl Unanswered {
    pub(crate) fn into_error(self) -> tower::BoxError {
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

    /// The connection of the moment.
    pub(crate) fn line(&self) -> Line {
        Line { endpoint: self.id, connection: self.connection.number() }
    }

    /// Whether it can be called: it is connected, says that it is well, and is not ejected.
    pub(crate) fn is_available(&self) -> bool {
        self.standing.is_available() && self.connection.is_open()
    }

    /// Sends a request, if there is a connection. The answer's end is not waited for.
    pub(crate) async fn send(&self, request: Buffered) -> Result<http::Response<Incoming>, Unanswered> {
        let Some(mut sender) = self.connection.open() else {
            return Err(Unanswered::NeverSent(self.no_connection()));
        };
        let request = self.addressed(request).map_err(|error| Unanswered::Broken(error.into()))?;
        sender.send_request(request).await.map_err(|error| {
            if envelope::was_never_sent(&error) {
                Unanswered::NeverSent(Box::new(tonic::ConnectError(Box::new(error))))
            } else {
                Unanswered::Broken(error.into())
            }
        })
    }

    /// What it says of this replica that a call over that line got no answer. All calls over a connection that breaks
    /// break at once; that is one failure, and no reason to leave alone a process that has started again meanwhile.
    pub(crate) fn blame(&self, line: Line, error: &tower::BoxError) -> Verdict {
        if is_reset(error.as_ref()) || self.load.is_first_break(line.connection) {
            Verdict::Failed
        } else {
            Verdict::Broken
        }
    }

    /// Why it can't be asked.
    pub(crate) fn no_connection(&self) -> tower::BoxError {
        let why = self.connection.failure();
        let why =
            why.map_or_else(|| std::io::ErrorKind::NotConnected.into(), |why| std::io::Error::new(why.kind(), why));
        Box::new(tonic::ConnectError(Box::new(why)))
    }

    /// The same request, for this endpoint: HTTP/2 wants scheme and authority.
    fn addressed(&self, request: Buffered) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let Buffered { mut head, body } = request;
        let mut uri = self.address.uri.clone().into_parts();
        uri.path_and_query = head.uri.into_parts().path_and_query;
        head.uri = http::Uri::from_parts(uri)?;
        head.version = http::Version::HTTP_2;
        Ok(http::Request::from_parts(head, Full::new(body)))
    }
}

/// Whether only this call was ended, and not its connection.
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
