//! One HTTP/1.1 connection that is kept alive: the cheapest client possible, so that the server is measured.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A connection to a server. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Empty<Bytes>>,
    authority: String,
    /// The task that reads and writes; it is aborted with this.
    _driving: JoinSet<()>,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// When the connection is refused.
    pub(super) async fn open(authority: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(authority).await.with_context(|| format!("connecting to {authority}"))?;
        stream.set_nodelay(true)?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driving = JoinSet::new();
        // The sender reports the same errors.
        driving.spawn(async move { drop(connection.await) });
        Ok(Self { requests, authority: authority.to_owned(), _driving: driving })
    }

    /// Gets a path and gives the body of the answer, which must be 200.
    ///
    /// # Errors
    /// When it has another status, or the connection fails.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        let request = Request::get(path).header("host", &self.authority).body(Empty::new())?;
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status == StatusCode::OK, "{path} was answered with {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

/// `http://host:port` without its scheme.
///
/// # Errors
/// When the URL has another scheme.
pub(super) fn authority(url: &str) -> anyhow::Result<&str> {
    url.strip_prefix("http://").with_context(|| format!("{url} is not an http:// URL"))
}
