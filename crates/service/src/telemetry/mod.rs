//! Logs, traces and metrics of every process.

mod notable;
mod traces;

use std::borrow::Cow;
use std::io::IsTerminal as _;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::Code;
use tracing::{Level, Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogConfig, LogFormat, TelemetryConfig};
pub use traces::Traces;

/// The header of the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// The target of spans for one step of a request. They are for traces only; log lines name the request.
pub const STEP: &str = "step";

/// Upper bounds of the latency histograms, in seconds: 0.5 ms to 10 s.
const LATENCY_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the histograms of counts, whose names have the suffix [`COUNTS`].
const COUNT_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];
const COUNTS: &str = "_orders";

/// Starts logging to stdout, gives every span a trace context, and exports spans to the collector, if configured. Call
/// this once, within the runtime.
pub fn init(service: &'static str, log: &LogConfig, telemetry: &TelemetryConfig) -> anyhow::Result<Traces> {
    let filter = EnvFilter::try_new(&log.filter).context("[log] filter is not valid")?;
    let default_format = || if std::io::stdout().is_terminal() { LogFormat::Pretty } else { LogFormat::Json };
    let lines = match log.format.unwrap_or_else(default_format) {
        LogFormat::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).boxed(),
        LogFormat::Pretty => tracing_subscriber::fmt::layer().compact().boxed(),
    };
    let (provider, traces) = traces::provider(service, telemetry)?;
    let exports = telemetry.otlp_endpoint.is_some();
    let spans = tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_tracer(provider.tracer(service));
    let is_step = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == STEP;
    let lines = lines.with_filter(filter_fn(move |metadata| !is_step(metadata)));
    let spans = spans.with_filter(filter_fn(move |metadata| match metadata.is_span() {
        true => exports || metadata.target() != STEP,
        // Warnings and errors, as events of their span.
        false => exports && *metadata.level() <= Level::WARN,
    }));
    tracing_subscriber::registry().with(filter).with(spans).with(lines).try_init()?;
    Ok(traces)
}

/// Installs the Prometheus exporter as the recorder of `metrics`. Histograms are in seconds, or counts by their suffix.
pub(crate) fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets(&LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix(COUNTS.to_owned()), &COUNT_BUCKETS)?;
    Ok(builder.install_recorder()?)
}

/// The trace context of a span as a `traceparent` header.
pub fn traceparent(span: &Span) -> Option<String> {
    struct Carrier(Option<String>);
    impl Injector for Carrier {
        fn set(&mut self, key: &str, value: String) {
            if key == TRACEPARENT {
                self.0 = Some(value);
            }
        }
    }
    let mut carrier = Carrier(None);
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.0
}

/// Makes a span the child of the caller's, if `traceparent` is valid.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    let Some(parent) = traceparent.and_then(parse) else { return };
    if span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent)).is_err() {
        tracing::debug!("the trace of the caller can't be continued: no tracer is installed");
    }
}

/// Links a span to the span of `traceparent`.
pub fn link(span: &Span, traceparent: Option<&str>) {
    if let Some(other) = traceparent.and_then(parse) {
        span.add_link(other);
    }
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    struct Carrier<'a>(&'a str);
    impl Extractor for Carrier<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == TRACEPARENT).then_some(self.0)
        }
        fn keys(&self) -> Vec<&str> {
            vec![TRACEPARENT]
        }
    }
    let context = TraceContextPropagator::new().extract(&Carrier(traceparent));
    let parent = context.span().span_context().clone();
    parent.is_valid().then_some(parent)
}

/// The trace id of a span, for log lines.
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// Marks a span as failed, with the kind of the error.
pub fn fail(span: &Span, kind: impl Into<Cow<'static, str>>) {
    let kind = kind.into();
    span.set_status(opentelemetry::trace::Status::error(kind.clone()));
    span.set_attribute("error.type", kind);
}

/// Records the status of an HTTP request on its span.
pub fn end_request(span: &Span, status: u16) {
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        fail(span, status.to_string());
    }
}

/// Records the status of a call on its span, at the server or at the client.
pub fn end_call(span: &Span, code: Code) {
    let name = code_name(code);
    span.set_attribute("rpc.response.status_code", name);
    // Client errors are not failures of the span.
    if matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    ) {
        fail(span, name);
    }
}

/// The canonical name of a status code.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
