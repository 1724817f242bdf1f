//! How a connection to a replica is made: TCP, then TLS if configured, then HTTP/2.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use service::tls::{Tls, Wire};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The time for all of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pings detect a peer that has vanished without closing its connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Flow-control windows of HTTP/2. With the default of 64 KiB a large page waits for round trips.
const WINDOW: u32 = 1 << 20;

/// The body of a request: in memory, so that it can be sent again elsewhere.
pub(super) type RequestBody = Full<Bytes>;

/// A connection, and the future that drives it.
pub(super) type Opened = (SendRequest<RequestBody>, http2::Connection<TokioIo<Wire>, RequestBody, TokioExecutor>);

/// Connects to one replica.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connector<'a> {
    pub(crate) uri: &'a http::Uri,
    /// With TLS, the service that the peer must prove to be. The address proves nothing: pods and addresses are reused.
    pub(crate) service: &'a str,
    pub(crate) tls: Option<&'a Tls>,
}

impl Connector<'_> {
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
