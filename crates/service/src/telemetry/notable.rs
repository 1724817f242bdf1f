//! Tail sampling within a process: keeps the traces of failed and slow requests that were not sampled.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceFlags, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

/// Traces are distributed over shards, each with its own lock.
const SHARDS: usize = 16;
/// The most unfinished traces of a shard; the oldest is dropped for a new one.
const MAX_TRACES: usize = 256;
/// The most spans of a held trace.
const MAX_SPANS: usize = 128;

/// Passes sampled spans on. The others are held until the local root span of their trace ends: if it failed or was
/// slow, all of them are passed on as if sampled. An error or a slow answer shows in every process on its way back, so
/// each process keeps its part of the trace.
#[derive(Debug)]
pub(super) struct KeepNotable<P> {
    next: P,
    slow: Duration,
    shards: [Mutex<Held>; SHARDS],
}

#[derive(Debug, Default)]
struct Held {
    traces: HashMap<TraceId, Vec<SpanData>>,
    by_age: VecDeque<TraceId>,
}

impl<P> KeepNotable<P> {
    pub(super) fn new(next: P, slow: Duration) -> Self {
        Self { next, slow, shards: Default::default() }
    }

    fn is_notable(&self, span: &SpanData) -> bool {
        matches!(span.status, Status::Error { .. })
            || span.end_time.duration_since(span.start_time).is_ok_and(|took| took >= self.slow)
    }

    fn shard(&self, trace: TraceId) -> &Mutex<Held> {
        let [.., last] = trace.to_bytes();
        &self.shards[usize::from(last) % SHARDS]
    }
}

impl<P: SpanProcessor> SpanProcessor for KeepNotable<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.next.on_end(span);
            return;
        }
        let trace = span.span_context.trace_id();
        let is_local_root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        let mut held = self.shard(trace).lock().unwrap_or_else(PoisonError::into_inner);
        if !is_local_root {
            held.add(trace, span);
            return;
        }
        let others = held.take(trace);
        drop(held);
        if self.is_notable(&span) {
            others.into_iter().chain([span]).map(sampled).for_each(|span| self.next.on_end(span));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

impl Held {
    fn add(&mut self, trace: TraceId, span: SpanData) {
        if let Some(spans) = self.traces.get_mut(&trace) {
            if spans.len() < MAX_SPANS {
                spans.push(span);
            }
            return;
        }
        if self.traces.len() >= MAX_TRACES {
            // Taken traces remain in the queue, whose length is bounded below.
            while let Some(oldest) = self.by_age.pop_front() {
                if self.traces.remove(&oldest).is_some() {
                    break;
                }
            }
        }
        self.traces.insert(trace, vec![span]);
        self.by_age.push_back(trace);
        if self.by_age.len() > 2 * MAX_TRACES {
            self.by_age.retain(|trace| self.traces.contains_key(trace));
        }
    }

    fn take(&mut self, trace: TraceId) -> Vec<SpanData> {
        self.traces.remove(&trace).unwrap_or_default()
    }
}

fn sampled(span: SpanData) -> SpanData {
    let context = &span.span_context;
    let flags = context.trace_flags() | TraceFlags::SAMPLED;
    let span_context = SpanContext::new(
        context.trace_id(),
        context.span_id(),
        flags,
        context.is_remote(),
        context.trace_state().clone(),
    );
    SpanData { span_context, ..span }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

    use super::*;
    use crate::telemetry::traces::Ratio;

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Kept {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    impl Kept {
        fn names(&self) -> Vec<String> {
            let spans = self.0.lock().unwrap();
            assert!(spans.iter().all(|span| span.span_context.is_sampled()));
            spans.iter().map(|span| span.name.to_string()).collect()
        }
    }

    fn tracer(ratio: f64, slow: Duration) -> (SdkTracer, Kept) {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Ratio::new(ratio))
            .with_span_processor(KeepNotable::new(kept.clone(), slow))
            .build();
        (provider.tracer("test"), kept)
    }

    /// A request with one step.
    fn request(tracer: &SdkTracer, status: Status) {
        let request = Context::new().with_span(tracer.start_with_context("request", &Context::new()));
        tracer.start_with_context("step", &request).end();
        request.span().set_status(status);
        request.span().end();
    }

    const NEVER: Duration = Duration::from_secs(3_600);

    #[test]
    fn unsampled_ordinary_requests_are_dropped() {
        let (tracer, kept) = tracer(0.0, NEVER);
        request(&tracer, Status::Unset);
        assert!(kept.names().is_empty());
    }

    #[test]
    fn sampled_requests_are_passed_on_at_once() {
        let (tracer, kept) = tracer(1.0, NEVER);
        request(&tracer, Status::Unset);
        assert_eq!(kept.names(), ["step", "request"]);
    }

    #[test]
    fn failed_and_slow_requests_are_kept_as_a_whole() {
        let (failing, kept) = tracer(0.0, NEVER);
        request(&failing, Status::error("broken"));
        assert_eq!(kept.names(), ["step", "request"]);
        let (slow, kept) = tracer(0.0, Duration::ZERO);
        request(&slow, Status::Unset);
        assert_eq!(kept.names(), ["step", "request"]);
    }

    #[test]
    fn held_spans_are_bounded() {
        let mut held = Held::default();
        let (tracer, kept) = tracer(1.0, NEVER);
        tracer.start("span").end();
        let span = kept.0.lock().unwrap().remove(0);
        for number in 0..10 * MAX_TRACES as u128 {
            held.add(TraceId::from(number), span.clone());
            if number % 3 == 0 {
                held.take(TraceId::from(number));
            }
        }
        assert!(held.traces.len() <= MAX_TRACES && held.by_age.len() <= 2 * MAX_TRACES);
        let last = TraceId::from(10 * MAX_TRACES as u128 - 2);
        for _ in 0..2 * MAX_SPANS {
            held.add(last, span.clone());
        }
        assert_eq!(held.take(last).len(), MAX_SPANS);
    }
}
