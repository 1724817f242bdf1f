//! The middleware of every call: continues the caller's trace, turns a panic into `INTERNAL`, and records rate, errors
//! and duration.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use envelope::Error;
use futures::FutureExt as _;
use http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use crate::metadata::parse_grpc_timeout;
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
        // The path is `/package.Service/Method`. Unknown ones are collapsed below, so that the label is bounded.
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
        let timeout = header("grpc-timeout").and_then(parse_grpc_timeout);
        let call = ObservedCall { method, span: span.clone(), started: Instant::now(), timeout, is_recorded: false };
        let handled = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let observed = async move {
            let response = match handled.await {
                Ok(response) => response?,
                Err(_) => {
                    tracing::error!("a handler panicked");
                    Error::internal("a handler panicked").into_status().into_http()
                }
            };
            let status = Status::from_header_map(response.headers());
            call.end(status.map_or(Code::Ok, |status| status.code()));
            Ok(response)
        };
        Box::pin(observed.instrument(span))
    }
}

/// A call in flight. If it is dropped without an answer, it timed out or was cancelled by the caller.
struct ObservedCall {
    method: String,
    span: Span,
    started: Instant,
    /// The value of `grpc-timeout`.
    timeout: Option<Duration>,
    is_recorded: bool,
}

impl ObservedCall {
    fn end(mut self, code: Code) {
        self.record(code);
    }

    fn record(&mut self, code: Code) {
        if std::mem::replace(&mut self.is_recorded, true) {
            return;
        }
        telemetry::end_call(&self.span, code);
        // Unknown paths would make the label unbounded.
        let method = if code == Code::Unimplemented { "unknown".to_owned() } else { std::mem::take(&mut self.method) };
        let code = format!("{code:?}");
        metrics::counter!("rpc_server_requests_total", "method" => method.clone(), "code" => code).increment(1);
        metrics::histogram!("rpc_server_duration_seconds", "method" => method)
            .record(self.started.elapsed().as_secs_f64());
    }
}

impl Drop for ObservedCall {
    fn drop(&mut self) {
        let is_late = self.timeout.is_some_and(|timeout| self.started.elapsed() >= timeout);
        self.record(if is_late { Code::DeadlineExceeded } else { Code::Cancelled });
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn an_abandoned_call_counts() {
        for (timeout, code) in [("1n", "DeadlineExceeded"), ("10S", "Cancelled")] {
            let recorder = PrometheusBuilder::new().build_recorder();
            metrics::with_local_recorder(&recorder, || {
                let never = tower::service_fn(|_: Request<()>| {
                    std::future::pending::<Result<Response<()>, std::convert::Infallible>>()
                });
                let request = Request::builder().uri("/a.B/C").header("grpc-timeout", timeout).body(());
                let mut call = ObserveLayer.layer(never).call(request.unwrap());
                assert!((&mut call).now_or_never().is_none());
            });
            let rendered = recorder.handle().render();
            let counted = format!(r#"rpc_server_requests_total{{method="a.B/C",code="{code}"}} 1"#);
            assert!(rendered.contains(&counted), "{rendered}");
            assert!(rendered.contains("rpc_server_duration_seconds"), "{rendered}");
        }
    }
}
