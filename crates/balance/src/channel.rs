//! The channel: a tower service that generated gRPC clients call, over all replicas of an upstream.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status, TimeoutExpired};
use tower::BoxError;

use crate::endpoint::{Buffered, Endpoint, InFlight, Unanswered, Verdict, verdict_of};
use crate::hint::Hint;
use crate::pick::Pick;
use crate::pool::{Pool, buffer, is_ill};

/// The largest request: tonic's servers read no larger ones.
const REQUEST_BYTES: usize = 4 << 20;
/// How long a request without a deadline waits for a first connection.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// Calls the replicas of an upstream. Cheap to clone.
///
/// A request that is known not to have reached a replica, since there is no connection or the replica goes away, is
/// handed to another one, to each at most once, within its deadline. What may have reached one is not sent again: that is
/// for the caller's policy to decide.
#[derive(Debug, Clone)]
pub struct Channel {
    pool: Arc<Pool>,
}

impl Channel {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    async fn answer(self, request: http::Request<Body>) -> Result<http::Response<Body>, BoxError> {
        let deadline = grpc_timeout(request.headers()).map(|timeout| Instant::now() + timeout);
        let mut request = buffer(request, REQUEST_BYTES).await?;
        let hint = request.head.extensions.remove::<Hint>().unwrap_or_default();
        let sending = self.send(request, &hint, deadline);
        match deadline {
            Some(deadline) => timeout_at(deadline, sending).await.map_err(|_| TimeoutExpired(()))?,
            None => sending.await,
        }
    }

    async fn send(
        &self,
        request: Buffered,
        hint: &Hint,
        deadline: Option<Instant>,
    ) -> Result<http::Response<Body>, BoxError> {
        let patience = deadline.unwrap_or_else(|| Instant::now() + CONNECTED_WITHIN);
        let (mut passed, mut last) = (Vec::new(), None);
        loop {
            let mut changes = self.pool.changes();
            let endpoints = self.pool.endpoints();
            let endpoint = match self.pool.picker.pick(&endpoints, hint, &passed) {
                Pick::Endpoint(endpoint) => endpoint,
                Pick::Overloaded => return Err(overloaded().into()),
                Pick::NotConnected => {
                    self.pool.lost();
                    if !may_connect(&endpoints) {
                        return Err(last.unwrap_or_else(|| no_connection(&endpoints)));
                    }
                    // A connection was lost or not made yet, and the attempt to make it is under way.
                    let changed = timeout_at(patience, changes.changed()).await;
                    if changed.is_err() {
                        return Err(last.unwrap_or_else(|| no_connection(&endpoints)));
                    }
                    passed.clear();
                    continue;
                }
            };
            let call = Call {
                in_flight: InFlight::new(Arc::clone(&endpoint), deadline),
                pool: Arc::clone(&self.pool),
            };
            match endpoint.send(request.clone()).await {
                Ok(response) => {
                    hint.attempts().asked.push(endpoint.id);
                    return Ok(call.answered(response, hint));
                }
                Err(Unanswered::NeverSent(error)) => {
                    passed.push(endpoint.id);
                    last = Some(error);
                    metrics::counter!("balance_passed_on_total", "upstream" => self.pool.upstream)
                        .increment(1);
                }
                Err(Unanswered::Broken(error)) => {
                    hint.attempts().asked.push(endpoint.id);
                    call.settled(Verdict::Failed);
                    self.pool.lost();
                    return Err(error);
                }
            }
        }
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
        Box::pin(self.clone().answer(request))
    }
}

/// A call under way, whose end tells of its replica.
struct Call {
    in_flight: InFlight,
    pool: Arc<Pool>,
}

impl Call {
    /// An answer has begun. One that is nothing but a status has it in its head.
    fn answered(self, response: http::Response<Incoming>, hint: &Hint) -> http::Response<Body> {
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        let verdict = verdict_of(code);
        if verdict == Verdict::Overloaded {
            self.in_flight.endpoint.standing.overloaded();
            hint.attempts().met_overload = true;
        }
        let call = self.settled(verdict);
        response.map(|body| Body::new(Answer { body, _call: call }))
    }

    fn settled(mut self, verdict: Verdict) -> Self {
        self.in_flight.settle(verdict);
        if is_ill(verdict) {
            self.pool.judge(&self.in_flight.endpoint);
        }
        self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.in_flight.is_settled() && self.in_flight.is_late() {
            self.in_flight.settle(Verdict::Failed);
            self.pool.judge(&self.in_flight.endpoint);
        }
    }
}

/// The body of an answer; its call is in flight until it ends.
struct Answer {
    body: Incoming,
    _call: Call,
}

impl hyper::body::Body for Answer {
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

/// Whether a connection may come soon: an attempt is under way whose outcome is not known, or nobody was found yet.
fn may_connect(endpoints: &[Arc<Endpoint>]) -> bool {
    endpoints.is_empty() || endpoints.iter().any(|endpoint| endpoint.connection.failure().is_none())
}

fn no_connection(endpoints: &[Arc<Endpoint>]) -> BoxError {
    let found = endpoints.first().map(|endpoint| endpoint.no_connection());
    found.unwrap_or_else(|| {
        let nobody = std::io::Error::new(std::io::ErrorKind::NotFound, "no replica is known");
        Box::new(tonic::ConnectError(Box::new(nobody)))
    })
}

fn overloaded() -> Status {
    Status::resource_exhausted("all replicas are overloaded")
}

/// What `grpc-timeout` says; see the gRPC specification, "Requests".
fn grpc_timeout(headers: &http::HeaderMap) -> Option<Duration> {
    service::parse_grpc_timeout(headers.get("grpc-timeout")?.to_str().ok()?)
}
