//! What the service counts, for one test alone: a test runs on one thread, and so do all its replicas.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn as _, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};

/// Sums by name, over all labels; of a histogram, how many values it has.
#[derive(Default)]
pub(crate) struct Meters {
    values: Mutex<HashMap<String, Arc<AtomicU64>>>,
}

impl Meters {
    /// Takes in what is counted on this thread from now on.
    pub(crate) fn install() -> (&'static Self, LocalRecorderGuard<'static>) {
        let meters: &'static Self = Box::leak(Box::default());
        (meters, metrics::set_default_local_recorder(meters))
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.value(name).load(Ordering::SeqCst)
    }

    pub(crate) fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.counter(name))
    }

    fn value(&self, name: &str) -> Arc<AtomicU64> {
        Arc::clone(self.values.lock().unwrap().entry(name.to_owned()).or_default())
    }
}

impl Recorder for Meters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key.name()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key.name()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(self.value(key.name()))))
    }
}

struct Values(Arc<AtomicU64>);

impl HistogramFn for Values {
    fn record(&self, _: f64) {
        self.0.increment(1);
    }
}
