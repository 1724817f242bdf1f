//! Logs, trace context and metrics, the same for every process.

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogConfig, LogFormat};

/// The header of the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// Upper bounds of the latency histograms, in seconds: 0.5 ms to 10 s.
const LATENCY_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Starts logging to stdout and gives every span a trace context. To be called once.
pub fn init(service: &'static str, config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter).context("[log] filter is not valid")?;
    let lines = match config.format {
        LogFormat::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).boxed(),
        LogFormat::Pretty => tracing_subscriber::fmt::layer().compact().boxed(),
    };
    let tracer = SdkTracerProvider::builder().build().tracer(service);
    let traces = tracing_opentelemetry::layer().with_tracer(tracer);
    tracing_subscriber::registry().with(filter).with(traces).with(lines).try_init()?;
    Ok(())
}

/// Makes the recorder behind `metrics` the Prometheus exporter. Histograms are in seconds.
pub(crate) fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    Ok(PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS)?.install_recorder()?)
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

/// Makes a span the child of the caller's, when `traceparent` is one.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    struct Carrier<'a>(&'a str);
    impl Extractor for Carrier<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == TRACEPARENT).then_some(self.0)
        }
        fn keys(&self) -> Vec<&str> {
            vec![TRACEPARENT]
        }
    }
    let Some(traceparent) = traceparent else { return };
    let parent = TraceContextPropagator::new().extract(&Carrier(traceparent));
    if parent.span().span_context().is_valid() && span.set_parent(parent).is_err() {
        tracing::debug!("the trace of the caller can't be continued: no tracer is installed");
    }
}

/// The trace id of a span, for log lines.
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}
