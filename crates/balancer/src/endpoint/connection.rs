//! The connection to one replica: made at once, again whenever it is lost, and never waited for by a call that could go
//! elsewhere.

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

use super::way::{Opened, Way};

/// The body of a request: small, and kept until it is answered, so that it can be sent elsewhere.
pub(crate) type Body = Full<Bytes>;

/// How long the first answer over a new connection is waited for.
const PROVEN_WITHIN: Duration = Duration::from_secs(2);
/// The pauses between attempts to connect: a process that restarts is found within moments, one that is gone is tried
/// once a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// After a connection that lasted as long, or was ended in good order, the pauses begin again with the first.
const STEADY: Duration = Duration::from_secs(5);

/// What is known of a connection.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// There is none yet or any more, and an attempt to make one is under way.
    Connecting,
    /// Requests can be sent.
    Open(SendRequest<Body>),
    /// The last attempt failed; another follows.
    Down(Arc<io::Error>),
}

/// The connection as its endpoint sees it.
#[derive(Debug)]
pub(crate) struct Connection {
    state: watch::Sender<State>,
    /// How many there were.
    number: AtomicU64,
    /// Ends the pause before the next attempt.
    hurried: Notify,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::new(State::Connecting), number: AtomicU64::new(0), hurried: Notify::new() }
    }

    /// The way to send requests, when there is one.
    pub(crate) fn open(&self) -> Option<SendRequest<Body>> {
        match &*self.state.borrow() {
            State::Open(sender) if !sender.is_closed() => Some(sender.clone()),
            _ => None,
        }
    }

    /// Whether requests can be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(&*self.state.borrow(), State::Open(sender) if !sender.is_closed())
    }

    /// Which one it is; each has another number than those before.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// Whether there is none and an attempt to make one is under way whose outcome is not known.
    pub(crate) fn is_pending(&self) -> bool {
        match &*self.state.borrow() {
            State::Connecting => true,
            State::Open(sender) => sender.is_closed(),
            State::Down(_) => false,
        }
    }

    /// Why there is none, once an attempt has failed.
    pub(crate) fn failure(&self) -> Option<Arc<io::Error>> {
        match &*self.state.borrow() {
            State::Down(error) => Some(Arc::clone(error)),
            State::Connecting | State::Open(_) => None,
        }
    }

    /// Changes of the state.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Has the next attempt made now, and those after it as soon as after the first.
    pub(crate) fn hurry(&self) {
        self.hurried.notify_one();
    }

    fn set(&self, state: State) {
        if matches!(state, State::Open(_)) {
            self.number.fetch_add(1, Ordering::Relaxed);
        }
        self.state.send_replace(state);
    }

    /// Keeps it open until dropped. When the peer says that it goes away, requests under way are finished on the old
    /// connection while new ones use the next.
    pub(crate) async fn keep(&self, way: Way<'_>) {
        let (uri, mut pause) = (way.uri, FIRST_PAUSE);
        loop {
            match way.connect().await {
                Ok(opened) => {
                    let began = Instant::now();
                    let ended = self.keep_open(uri, opened).await;
                    let was_good = ended.is_ok() || began.elapsed() >= STEADY;
                    if let Err(error) = ended {
                        tracing::debug!(%uri, error = &error as &dyn std::error::Error, "a connection broke");
                    }
                    if was_good {
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

    /// Ends when the peer says that it goes, or the connection breaks; requests learn that themselves. A connection is
    /// used once the peer has answered something over it: a kernel accepts connections for a process that hangs or
    /// stops.
    async fn keep_open(&self, uri: &http::Uri, (mut sender, driven): Opened) -> io::Result<()> {
        let mut driven = pin!(driven);
        let proven = tokio::select! {
            ended = &mut driven => ended.map_err(io::Error::other).and(Err(io::ErrorKind::ConnectionAborted.into())),
            proven = prove(uri, &mut sender) => proven,
        };
        if let Err(error) = proven {
            let text = error.to_string();
            self.set(State::Down(Arc::new(error)));
            return Err(io::Error::other(text));
        }
        self.set(State::Open(sender));
        let ended = driven.await.map_err(io::Error::other);
        self.set(State::Connecting);
        ended
    }
}

/// Asks the peer after its health, as whatever speaks gRPC can be asked. What it answers is not the question here.
async fn prove(uri: &http::Uri, sender: &mut SendRequest<Body>) -> io::Result<()> {
    // No compression, no bytes: a message whose fields are their defaults.
    const EMPTY: &[u8] = &[0; 5];
    let request = http::Request::post(format!("{uri}grpc.health.v1.Health/Check"))
        .version(http::Version::HTTP_2)
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .body(Full::new(Bytes::from_static(EMPTY)))
        .map_err(io::Error::other)?;
    match timeout(PROVEN_WITHIN, sender.send_request(request)).await {
        Ok(answer) => answer.map(drop).map_err(io::Error::other),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer answers nothing")),
    }
}
