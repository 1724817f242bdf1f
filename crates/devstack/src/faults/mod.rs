//! A proxy in front of one gRPC replica that delays, fails or swallows requests. For tests and drills only: it speaks
//! HTTP/2 in clear text, on loopback, and is not made for high load.

mod connection;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme, Uri};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::Context;
use crate::{Error, Result, ports};

/// The most concurrent connections; more wait until one ends.
const MAX_CONNECTIONS: usize = 1_024;
/// The attempts to pick a port: another process may take the free one first.
const PORT_ATTEMPTS: usize = 5;
/// The pause before the listener is retried, when it can't accept or its port is taken.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The fault that a [`FaultProxy`] injects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// None.
    None,
    /// Every request waits that long before it is forwarded.
    Delay(Duration),
    /// Some requests are answered with this code and not forwarded.
    Fail {
        /// The percentage; 100 or more is all.
        percent: u8,
        /// The gRPC code.
        code: tonic::Code,
    },
    /// Requests are accepted and never answered, not even after the fault.
    Hang,
    /// Connections are accepted, and neither they nor existing ones transfer data until the fault is over. Then they
    /// continue.
    Silent,
    /// The listener and all connections are closed.
    Refuse,
}

/// A proxy in front of one gRPC replica, in this process. A fault applies to requests that arrive after it was set;
/// requests under way keep the fault that they began with, except for [`Fault::Silent`] and [`Fault::Refuse`], which
/// apply to connections. Health checks are requests like any other. Dropping it closes everything.
#[derive(Debug)]
pub struct FaultProxy {
    url: String,
    state: watch::Sender<State>,
    // Ends its task when it is dropped.
    _serving: JoinSet<()>,
}

/// The current target and fault.
#[derive(Debug, Clone)]
struct State {
    fault: Fault,
    target: Option<Arc<Authority>>,
}

impl FaultProxy {
    /// Binds a port of 127.0.0.1. Until there is a target, requests are answered with `UNAVAILABLE`.
    ///
    /// # Errors
    /// [`Error::NoPorts`]; [`Error::Io`] when the port can't be bound.
    pub async fn start() -> Result<Self> {
        let (listener, address) = bind_free().await?;
        let (state, watching) = watch::channel(State { fault: Fault::None, target: None });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, address, watching));
        Ok(Self { url: format!("http://{address}"), state, _serving: serving })
    }

    /// Its address, as `http://127.0.0.1:PORT`; it never changes.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Forwards requests to this server, such as `http://127.0.0.1:7003`, from now on.
    ///
    /// # Errors
    /// [`Error::NotAnAddress`].
    pub fn set_target(&self, url: &str) -> Result<()> {
        let uri: Option<Uri> = url.parse().ok();
        let http = uri.filter(|uri| uri.scheme() == Some(&Scheme::HTTP) && uri.port().is_some());
        let target = http.and_then(|uri| uri.authority().cloned());
        let target = target.ok_or_else(|| Error::NotAnAddress(url.to_owned()))?;
        self.state.send_modify(|state| state.target = Some(Arc::new(target)));
        Ok(())
    }

    /// Sets the fault from now on.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }
}

/// A port outside the ephemeral range, so that it can be bound again after [`Fault::Refuse`].
async fn bind_free() -> Result<(TcpListener, SocketAddr)> {
    let mut attempt = 1;
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::pick(1)?[0]));
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok((listener, address)),
            Err(_taken) if attempt < PORT_ATTEMPTS => attempt += 1,
            Err(error) => return Err(error).context(|| format!("can't listen on {address}")),
        }
    }
}

/// Serves until the proxy is dropped.
async fn serve(mut listener: TcpListener, address: SocketAddr, mut state: watch::Receiver<State>) {
    loop {
        let mut refusing = state.clone();
        tokio::select! {
            biased;
            told = refusing.wait_for(|state| state.fault == Fault::Refuse) => if told.is_err() { return },
            () = accept(&listener, &state) => {}
        }
        drop(listener);
        match reopen(address, &mut state).await {
            Some(open) => listener = open,
            None => return,
        }
    }
}

/// Waits until connections are accepted again; `None` once the proxy is dropped.
async fn reopen(address: SocketAddr, state: &mut watch::Receiver<State>) -> Option<TcpListener> {
    loop {
        state.wait_for(|state| state.fault != Fault::Refuse).await.ok()?;
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(error) => tracing::warn!(%address, %error, "the port of a fault proxy is taken"),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Accepts connections; dropping it closes them.
async fn accept(listener: &TcpListener, state: &watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _peer)) => {
                    connections.spawn(connection::serve(stream, state.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a fault proxy can't accept a connection");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            },
        }
    }
}

/// Disables Nagle's algorithm.
fn without_delay(stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}
