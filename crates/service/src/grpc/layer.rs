//! Around every call: the caller's trace goes on, a panic becomes `INTERNAL`, and rate, errors and duration are counted.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use envelope::Error;
use futures::FutureExt as _;
use http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use crate::telemetry;

/// Wraps the routes of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObserveLayer;

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Observe<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Observe<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The path is `/package.Service/Method`; only ours reach a handler, so its values are bounded below.
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let span = tracing::info_span!(
            "rpc",
            otel.name = method,
            otel.kind = "server",
            rpc.system.name = "grpc",
            rpc.method = method,
            request_id = header("x-request-id"),
            trace_id = tracing::field::Empty
        );
        telemetry::continue_trace(&span, header(telemetry::TRACEPARENT));
        if let Some(trace_id) = telemetry::trace_id(&span) {
            span.record("trace_id", trace_id);
        }
        let started = Instant::now();
        let handled = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let observed = async move {
            let response = match handled.await {
                Ok(response) => response?,
                Err(_) => {
                    tracing::error!("a handler panicked");
                    Error::internal("a handler panicked").into_status().into_http()
                }
            };
            record(&method, &response, started, &Span::current());
            Ok(response)
        };
        Box::pin(observed.instrument(span))
    }
}

fn record<R>(method: &str, response: &Response<R>, started: Instant, span: &Span) {
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    telemetry::end_call(span, code);
    // Paths that no service has would be labels without bound.
    let method = if code == Code::Unimplemented { "unknown".to_owned() } else { method.to_owned() };
    let code = format!("{code:?}");
    metrics::counter!("rpc_server_requests_total", "method" => method.clone(), "code" => code).increment(1);
    metrics::histogram!("rpc_server_duration_seconds", "method" => method)
        .record(started.elapsed().as_secs_f64());
}
