//! Sampling and export of spans.

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
    SpanData,
};

use super::notable::KeepNotable;
use crate::config::TelemetryConfig;

/// The most finished spans that wait for export; more are dropped.
const QUEUE: usize = 8_192;
/// The most spans of a batch, and the time for which a batch is collected.
const BATCH: usize = 512;
const PERIOD: Duration = Duration::from_secs(1);
/// The time-out of an export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time-out of the last export, when the process stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The export of spans to the collector.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Exports the remaining spans, for 3 s at most.
    pub async fn flush(self) {
        let Some(provider) = self.0 else { return };
        // Blocks on the exporter thread.
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT));
        match flushed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans could not be exported"),
            Err(error) => tracing::warn!(%error, "the last spans could not be exported"),
        }
    }
}

/// The tracer provider. Without an endpoint, spans only provide ids for the logs. Call this within the runtime, which
/// then runs the exports.
pub(super) fn provider(service: &'static str, config: &TelemetryConfig) -> anyhow::Result<(SdkTracerProvider, Traces)> {
    let resource = Resource::builder_empty()
        .with_service_name(service)
        .with_attributes([
            KeyValue::new("service.namespace", "fournines"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()),
        ])
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = &config.otlp_endpoint else {
        let provider = builder.with_sampler(Sampler::AlwaysOff).build();
        return Ok((provider, Traces(None)));
    };
    anyhow::ensure!((0.0..=1.0).contains(&config.sample_ratio), "[telemetry] sample_ratio must be from 0 to 1");
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .context("[telemetry] otlp_endpoint")?;
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(PERIOD)
        .build();
    let batch = BatchSpanProcessor::builder(Counted(exporter)).with_batch_config(batch).build();
    let provider = builder
        .with_sampler(Ratio::new(config.sample_ratio))
        .with_span_processor(KeepNotable::new(batch, Duration::from_millis(config.slow_ms)))
        .build();
    Ok((provider.clone(), Traces(Some(provider))))
}

/// Samples a share of all traces by trace id alone, so that processes with the same ratio agree. The sampled flag of
/// callers is ignored, since they are not trusted. Other spans are recorded, because their trace may turn out to be
/// notable.
#[derive(Debug, Clone)]
pub(super) struct Ratio(Sampler);

impl Ratio {
    pub(super) fn new(share: f64) -> Self {
        Self(Sampler::TraceIdRatioBased(share))
    }
}

impl ShouldSample for Ratio {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampled = self.0.should_sample(None, trace_id, name, kind, attributes, links).decision
            == SamplingDecision::RecordAndSample;
        let decision = if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::RecordOnly };
        let trace_state =
            parent.map_or_else(TraceState::default, |parent| parent.span().span_context().trace_state().clone());
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}

/// Counts exported spans.
#[derive(Debug)]
struct Counted(SpanExporter);

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len().try_into().unwrap_or(u64::MAX);
        let sent = self.0.export(batch).await;
        let outcome = if sent.is_ok() { "sent" } else { "failed" };
        metrics::counter!("telemetry_spans_total", "outcome" => outcome).increment(spans);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use tokio::net::TcpListener;

    use super::*;

    /// More spans than the queue holds end before one batch times out, and the flush waits for one time-out only.
    async fn assert_no_delay(collector: SocketAddr) {
        let config = TelemetryConfig {
            otlp_endpoint: Some(format!("http://{collector}")),
            sample_ratio: 1.0,
            ..TelemetryConfig::default()
        };
        let (provider, traces) = provider("test", &config).unwrap();
        let tracer = provider.tracer("test");
        let began = Instant::now();
        for _ in 0..2 * QUEUE {
            tracer.start("span").end();
        }
        assert!(began.elapsed() < EXPORT_TIMEOUT, "spans took {:?} to end", began.elapsed());
        let began = Instant::now();
        traces.flush().await;
        assert!(began.elapsed() < FLUSH_TIMEOUT + EXPORT_TIMEOUT, "the end took {:?}", began.elapsed());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_never_answers_delays_nothing() {
        // The kernel accepts connections, and nothing reads from them.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert_no_delay(silent.local_addr().unwrap()).await;
        let asked = tokio::time::timeout(EXPORT_TIMEOUT, silent.accept()).await;
        assert!(asked.is_ok(), "it was never called");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_unreachable_collector_delays_nothing() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_no_delay(gone).await;
    }
}
