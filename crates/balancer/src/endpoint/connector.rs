//! How a replica is reached: by TCP, then TLS where it is configured, then HTTP/2.

use std::io;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use service::tls::{Tls, Wire};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Body;

/// How long all of it may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pings find a peer that is gone without a word.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Windows of HTTP/2: the defaults of 64 KiB make a large page wait for the round trip.
const WINDOW: u32 = 1 << 20;

/// The way to one replica.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) uri: &'a http::Uri,
    /// Which service it must prove to be, with TLS. The address proves nothing: pods come and go, and so do theirs.
    pub(crate) service: &'a str,
    pub(crate) tls: Option<&'a Tls>,
}

/// A connection, and what drives it.
pub(super) type Opened = (SendRequest<Body>, http2::Connection<TokioIo<Wire>, Body, TokioExecutor>);

impl Way<'_> {
    pub(super) async fn connect(&self) -> io::Result<Opened> {
        let opening = async {
            let wire = self.wire().await?;
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(KEEP_ALIVE_INTERVAL)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
                .keep_alive_while_idle(true)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .handshake(TokioIo::new(wire))
                .await
                .map_err(io::Error::other)
        };
        timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn wire(&self) -> io::Result<Wire> {
        let bad = || io::Error::new(io::ErrorKind::InvalidInput, "an endpoint needs a host and a port");
        let host = self.uri.host().ok_or_else(bad)?.trim_matches(['[', ']']);
        let port = self.uri.port_u16().ok_or_else(bad)?;
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        match self.tls {
            Some(tls) => tls.connect(self.service, stream).await,
            None => Ok(Wire::Left(stream)),
        }
    }
}
