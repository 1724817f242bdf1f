//! Around every call: the caller's trace goes on, a panic becomes `INTERNAL`, and rate, errors and duration are
//! counted.

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

use crate::context::parse_grpc_timeout;
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
        let time = header("grpc-timeout").and_then(parse_grpc_timeout);
        let under_way = UnderWay { method, span: span.clone(), started: Instant::now(), time, is_recorded: false };
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
            under_way.end(status.map_or(Code::Ok, |status| status.code()));
            Ok(response)
        };
        Box::pin(observed.instrument(span))
    }
}

/// A call that has not been answered yet. Dropped, it is one that nobody waits for any more: its server gave it up when
/// its time was over, or its caller did.
struct UnderWay {
    method: String,
    span: Span,
    started: Instant,
    /// What `grpc-timeout` gave it.
    time: Option<Duration>,
    is_recorded: bool,
}

impl UnderWay {
    fn end(mut self, code: Code) {
        self.record(code);
    }

    fn record(&mut self, code: Code) {
        if std::mem::replace(&mut self.is_recorded, true) {
            return;
        }
        telemetry::end_call(&self.span, code);
        // Paths that no service has would be labels without bound.
        let method = if code == Code::Unimplemented { "unknown".to_owned() } else { std::mem::take(&mut self.method) };
        let code = format!("{code:?}");
        metrics::counter!("rpc_server_requests_total", "method" => method.clone(), "code" => code).increment(1);
        metrics::histogram!("rpc_server_duration_seconds", "method" => method)
            .record(self.started.elapsed().as_secs_f64());
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let is_late = self.time.is_some_and(|time| self.started.elapsed() >= time);
        self.record(if is_late { Code::DeadlineExceeded } else { Code::Cancelled });
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_call_that_is_given_up_counts() {
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
            let told = recorder.handle().render();
            let counted = format!(r#"rpc_server_requests_total{{method="a.B/C",code="{code}"}} 1"#);
            assert!(told.contains(&counted), "{told}");
            assert!(told.contains("rpc_server_duration_seconds"), "{told}");
        }
    }
}
