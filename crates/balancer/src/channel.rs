//! The channel: the tower service that generated gRPC clients call. It picks a replica for each request, and another
//! one if the request was never sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderValue;
use hyper::body::{Frame, Incoming, SizeHint};
use service::telemetry;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status, TimeoutExpired};
use tower::BoxError;
use tracing::{Instrument as _, Span};

use crate::call::Call;
use crate::endpoint::{ConnectionId, Endpoint, SendError};
use crate::hint::Hint;
use crate::pool::Pool;
use crate::request::BufferedRequest;

/// The largest request; tonic's servers accept no larger ones.
const MAX_REQUEST_BYTES: usize = 4 << 20;
/// How long a request without a deadline waits for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The part of a request's time for which it waits for a connection. Its caller then learns that it was never sent,
/// while there is time left for something else.
const CONNECT_WAIT_PART: f64 = 0.9;

/// Calls the replicas of an upstream. Cheap to clone.
///
/// A request that is known not to have reached a replica, because there is no connection or the replica shuts down, is
/// handed to another one: over each connection at most once, within its deadline. A request that may have reached a
/// replica is not sent again; the caller's policy decides about that.
#[derive(Debug, Clone)]
pub struct Channel {
    pool: Arc<Pool>,
}

impl Channel {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Whether there is a replica that no attempt of this call has asked, and that is not known to be overloaded.
    pub(crate) fn has_room(&self, hint: &Hint) -> bool {
        self.pool.picker.has_room(&self.pool.endpoints(), hint)
    }

    async fn respond(self, request: http::Request<Body>) -> Result<http::Response<Body>, BoxError> {
        let deadline = grpc_timeout(request.headers()).map(|timeout| Instant::now() + timeout);
        let mut request = BufferedRequest::read(request, MAX_REQUEST_BYTES).await?;
        let hint = request.head.extensions.remove::<Hint>().unwrap_or_default();
        let sending = self.send(request, &hint, deadline);
        match deadline {
            Some(deadline) => timeout_at(deadline, sending).await.map_err(|_| TimeoutExpired(()))?,
            None => sending.await,
        }
    }

    async fn send(
        &self,
        request: BufferedRequest,
        hint: &Hint,
        deadline: Option<Instant>,
    ) -> Result<http::Response<Body>, BoxError> {
        let now = Instant::now();
        let max_wait = deadline.map_or(CONNECT_WAIT, |deadline| (deadline - now).mul_f64(CONNECT_WAIT_PART));
        let (mut tried, mut last) = (Vec::new(), None);
        loop {
            let mut changes = self.pool.changes();
            let endpoints = self.pool.endpoints();
            let Some(endpoint) = self.pool.picker.pick(&endpoints, hint, &tried) else {
                let until = self.pool.waits_until(&endpoints, &tried).unwrap_or(now).min(now + max_wait);
                if timeout_at(until, changes.changed()).await.is_err() {
                    return Err(last.unwrap_or_else(|| no_connection(&endpoints)));
                }
                continue;
            };
            let connection = endpoint.connection_id();
            match self.attempt(endpoint, connection, request.clone(), hint, deadline).await {
                Ok(response) => return Ok(response),
                Err(SendError::Broken(error)) => return Err(error),
                Err(SendError::NeverSent(error)) => {
                    tried.push(connection);
                    last = Some(error);
                }
            }
        }
    }

    /// Sends a request to one replica. Concurrent attempts of the same call see that it has been asked.
    async fn attempt(
        &self,
        endpoint: Arc<Endpoint>,
        connection: ConnectionId,
        mut request: BufferedRequest,
        hint: &Hint,
        deadline: Option<Instant>,
    ) -> Result<http::Response<Body>, SendError> {
        let id = endpoint.id;
        hint.asked().push(id);
        let span = attempt_span(&request, &endpoint);
        let is_traced = !span.is_disabled();
        if let Some(trace) = is_traced.then(|| telemetry::traceparent(&span)).flatten()
            && let Ok(trace) = HeaderValue::try_from(trace)
        {
            request.head.headers.insert(telemetry::TRACEPARENT, trace);
        }
        let mut call = Call::begin(&self.pool, Arc::clone(&endpoint), request.head.uri.path(), deadline);
        let result = endpoint.send(request).instrument(span.clone()).await;
        if is_traced {
            telemetry::end_call(&span, code_of(&result));
        }
        match &result {
            Ok(response) => call.answered(response),
            Err(SendError::Broken(error)) => call.settle(endpoint.blame(connection, error)),
            Err(SendError::NeverSent(_)) => {
                hint.asked().retain(|asked| *asked != id);
                call.never_sent();
            }
        }
        result.map(|response| response.map(|body| Body::new(ResponseBody { body, _call: call })))
    }
}

/// The span of one attempt.
fn attempt_span(request: &BufferedRequest, endpoint: &Endpoint) -> Span {
    let method = request.head.uri.path().trim_start_matches('/');
    tracing::info_span!(
        target: telemetry::STEP,
        "attempt",
        otel.name = method,
        otel.kind = "client",
        rpc.system.name = "grpc",
        rpc.method = method,
        server.address = endpoint.address.uri.host(),
        server.port = endpoint.address.uri.port_u16(),
    )
}

fn code_of<B>(result: &Result<http::Response<B>, SendError>) -> Code {
    match result {
        Ok(response) => Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code()),
        Err(_) => Code::Unavailable,
    }
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().respond(request))
    }
}

/// The body of a response; its call is in flight until the body ends.
struct ResponseBody {
    body: Incoming,
    _call: Call,
}

impl hyper::body::Body for ResponseBody {
    type Data = bytes::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn no_connection(endpoints: &[Arc<Endpoint>]) -> BoxError {
    let found = endpoints.first().map(|endpoint| endpoint.no_connection());
    found.unwrap_or_else(|| {
        let unknown = std::io::Error::new(std::io::ErrorKind::NotFound, "no replica is known");
        Box::new(tonic::ConnectError(Box::new(unknown)))
    })
}

/// The value of `grpc-timeout`; see the gRPC specification, "Requests".
fn grpc_timeout(headers: &http::HeaderMap) -> Option<Duration> {
    service::parse_grpc_timeout(headers.get("grpc-timeout")?.to_str().ok()?)
}
