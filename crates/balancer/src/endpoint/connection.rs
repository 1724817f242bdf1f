//! The one connection to a replica. It is made eagerly and again whenever it is lost, so that no call waits for it that
//! could go elsewhere.
//!
//! Pauses between attempts double from 50 ms to 1 s, with jitter. A connection is used only after the peer has answered
//! a health check over it.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::SendRequest;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::connector::{Connector, Opened, RequestBody};

/// The time for the first response over a new connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The bounds of the pauses between attempts to connect: a process that restarts is found within moments, and one that
/// is gone is tried once a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that lasted this long, or was closed gracefully, resets the pauses.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// The state of a connection.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// Not connected; an attempt is in progress.
    Connecting,
    /// Requests can be sent.
    Open(SendRequest<RequestBody>),
    /// The last attempt failed; another one follows.
    Down(Arc<io::Error>),
}

/// The connection of an endpoint. Connections are numbered from 1.
#[derive(Debug)]
pub(crate) struct Connection {
    state: watch::Sender<State>,
    /// The number of connections so far.
    number: AtomicU64,
    /// Ends the pause before the next attempt.
    hurried: Notify,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::new(State::Connecting), number: AtomicU64::new(0), hurried: Notify::new() }
    }

    /// The handle for requests, if connected.
    pub(crate) fn open(&self) -> Option<SendRequest<RequestBody>> {
        match &*self.state.borrow() {
            State::Open(sender) if !sender.is_closed() => Some(sender.clone()),
            _ => None,
        }
    }

    /// Whether requests can be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(&*self.state.borrow(), State::Open(sender) if !sender.is_closed())
    }

    /// The number of the current connection, or of the last one.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// Whether there is none, and an attempt to connect is in progress.
    pub(crate) fn is_pending(&self) -> bool {
        match &*self.state.borrow() {
            State::Connecting => true,
            State::Open(sender) => sender.is_closed(),
            State::Down(_) => false,
        }
    }

    /// Why the last attempt failed, if it did.
    pub(crate) fn failure(&self) -> Option<Arc<io::Error>> {
        match &*self.state.borrow() {
            State::Down(error) => Some(Arc::clone(error)),
            State::Connecting | State::Open(_) => None,
        }
    }

    /// Notifies of changes of the state.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Makes the next attempt now, and resets the pauses.
    pub(crate) fn hurry(&self) {
        self.hurried.notify_one();
    }

    fn set(&self, state: State) {
        if matches!(state, State::Open(_)) {
            self.number.fetch_add(1, Ordering::Relaxed);
        }
        self.state.send_replace(state);
    }

    /// Keeps the connection open until dropped. After a GOAWAY, requests in flight finish on the old connection while
    /// new ones use the next.
    pub(crate) async fn keep(&self, connector: Connector<'_>) {
        let (uri, mut pause) = (connector.uri, FIRST_PAUSE);
        loop {
            match connector.connect().await {
                Ok(opened) => {
                    let began = Instant::now();
                    let ended = self.keep_open(uri, opened).await;
                    let was_stable = ended.is_ok() || began.elapsed() >= STABLE_AFTER;
                    if let Err(error) = ended {
                        tracing::debug!(%uri, error = &error as &dyn std::error::Error, "a connection broke");
                    }
                    if was_stable {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) => self.set(State::Down(Arc::new(error))),
            }
            tokio::select! {
                () = sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = self.hurried.notified() => pause = FIRST_PAUSE,
            }
        }
    }

    /// Runs the connection until the peer sends GOAWAY or it breaks; requests learn that themselves. It is used once
    /// the peer has answered a probe: a kernel accepts connections for a process that hangs or stops.
    async fn keep_open(&self, uri: &http::Uri, (mut sender, driver): Opened) -> io::Result<()> {
        let mut driver = pin!(driver);
        let probed = tokio::select! {
            ended = &mut driver => ended.map_err(io::Error::other).and(Err(io::ErrorKind::ConnectionAborted.into())),
            probed = probe(uri, &mut sender) => probed,
        };
        if let Err(error) = probed {
            let text = error.to_string();
            self.set(State::Down(Arc::new(error)));
            return Err(io::Error::other(text));
        }
        self.set(State::Open(sender));
        let ended = driver.await.map_err(io::Error::other);
        self.set(State::Connecting);
        ended
    }
}

/// Sends a health check, which every gRPC server answers. Any answer will do, even an error.
async fn probe(uri: &http::Uri, sender: &mut SendRequest<RequestBody>) -> io::Result<()> {
    // An uncompressed message of no bytes: all fields have their defaults.
    const EMPTY: &[u8] = &[0; 5];
    let request = http::Request::post(format!("{uri}grpc.health.v1.Health/Check"))
        .version(http::Version::HTTP_2)
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .body(Full::new(Bytes::from_static(EMPTY)))
        .map_err(io::Error::other)?;
    match timeout(PROBE_TIMEOUT, sender.send_request(request)).await {
        Ok(answer) => answer.map(drop).map_err(io::Error::other),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not answer")),
    }
}
