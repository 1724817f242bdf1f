//! The connection to one replica: made at once, again whenever it is lost, and never waited for by a call that could go
//! elsewhere.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// The body of a request: small, and kept until it is answered, so that it can be sent elsewhere.
pub(crate) type Body = Full<Bytes>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The pauses between attempts to connect: a process that restarts is found within moments, one that is gone is tried
/// once a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that lasted as long begins again with the first pause.
const STEADY: Duration = Duration::from_secs(5);
/// Pings find a peer that is gone without a word.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Windows of HTTP/2: the defaults of 64 KiB make a large page wait for the round trip.
const WINDOW: u32 = 1 << 20;

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
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::new(State::Connecting) }
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

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Keeps it open until dropped. When the peer says that it goes away, requests under way are finished on the old
    /// connection while new ones use the next.
    pub(crate) async fn keep(&self, uri: &http::Uri) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            match connect(uri).await {
                Ok((sender, connection)) => {
                    self.set(State::Open(sender));
                    // Ends when the peer says that it goes, or the connection breaks; requests learn that themselves.
                    if let Err(error) = connection.await {
                        tracing::debug!(%uri, error = &error as &dyn std::error::Error, "a connection broke");
                    }
                    self.set(State::Connecting);
                    if began.elapsed() >= STEADY {
                        pause = FIRST_PAUSE;
                        continue;
                    }
                }
                Err(error) => self.set(State::Down(Arc::new(error))),
            }
            sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

type Driven = http2::Connection<TokioIo<TcpStream>, Body, TokioExecutor>;

async fn connect(uri: &http::Uri) -> io::Result<(SendRequest<Body>, Driven)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "an endpoint needs a host and a port");
    let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']);
    let port = uri.port_u16().ok_or_else(bad)?;
    let connecting = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)
    };
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
