//! An HTTP client with TLS, and with limits on time and size. Errors never contain the request or its URL, which may
//! hold a token.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client for http and https.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// The time limit of a call, including connecting and reading the answer.
    timeout: Duration,
    /// The longest answer that is read, in bytes.
    max_answer: usize,
}

/// A complete answer with any status.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("there was no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Http {
    /// A client; no connection is opened yet.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub(crate) fn new(timeout: Duration, max_answer: usize) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        // The TLS connector checks the scheme.
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, timeout, max_answer })
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// When no complete answer arrives in time.
    pub(crate) async fn get(&self, uri: Uri) -> Result<HttpAnswer, HttpError> {
        self.send(Request::builder().method(Method::GET).uri(uri), Bytes::new()).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When no complete answer arrives in time; the request may have arrived.
    pub(crate) async fn post_json(&self, uri: Uri, body: Vec<u8>) -> Result<HttpAnswer, HttpError> {
        let request = Request::builder().method(Method::POST).uri(uri);
        self.send(request.header(CONTENT_TYPE, "application/json"), body.into()).await
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<HttpAnswer, HttpError> {
        let sent = async {
            let request = request.body(Full::new(body)).map_err(failed)?;
            let response = self.client.request(request).await.map_err(failed)?;
            let status = response.status();
            match Limited::new(response.into_body(), self.max_answer).collect().await {
                Ok(body) => Ok(HttpAnswer { status, body: body.to_bytes() }),
                Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TooLong(self.max_answer)),
                Err(error) => Err(HttpError::Connection(error)),
            }
        };
        tokio::time::timeout(self.timeout, sent).await.unwrap_or(Err(HttpError::TimedOut(self.timeout)))
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HttpError {
    HttpError::Connection(error.into())
}
