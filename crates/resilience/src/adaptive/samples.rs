//! The latencies of a window, summed by class, without a lock.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

/// The number of request classes.
pub(super) const CLASSES: usize = 64;

/// Logarithms are summed as integer multiples of 2⁻²⁰.
const SCALE: f64 = 1_048_576.0;

/// The current window.
#[derive(Debug)]
pub(super) struct Samples {
    /// Added to each latency, in seconds.
    slack: f64,
    count: AtomicU32,
    lost: AtomicU32,
    classes: Box<[Class]>,
}

/// One cache line, so that threads that serve different routes do not contend.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Class {
    count: AtomicU32,
    log_sum: AtomicI64,
}

/// A closed window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Window {
    /// The classes that had requests.
    pub(super) classes: Vec<Seen>,
    /// Requests lost to overload.
    pub(super) lost: u32,
}

/// The requests of one class in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) class: usize,
    /// The number of requests; at least 1.
    pub(super) count: u32,
    /// The mean logarithm of latency in seconds plus slack.
    pub(super) log_latency: f64,
}

impl Samples {
    pub(super) fn new(slack: Duration) -> Self {
        // Zero has no logarithm.
        let slack = slack.max(Duration::from_nanos(1)).as_secs_f64();
        let classes = (0..CLASSES).map(|_| Class::default()).collect();
        Self { slack, count: AtomicU32::new(0), lost: AtomicU32::new(0), classes }
    }

    pub(super) fn add(&self, class: usize, latency: Duration) {
        let class = &self.classes[class.min(CLASSES - 1)];
        class.log_sum.fetch_add(fixed((latency.as_secs_f64() + self.slack).ln()), Ordering::Relaxed);
        class.count.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// All samples, including lost requests.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// Ends the window. A sample that is added concurrently may be summed in this window and counted in the next; one
    /// in many does not justify a lock.
    pub(super) fn take(&self) -> Window {
        self.count.store(0, Ordering::Relaxed);
        let mut classes = Vec::new();
        for (position, class) in self.classes.iter().enumerate() {
            let count = class.count.swap(0, Ordering::Relaxed);
            if count > 0 {
                let sum = float(class.log_sum.swap(0, Ordering::Relaxed));
                classes.push(Seen { class: position, count, log_latency: sum / f64::from(count) });
            }
        }
        Window { classes, lost: self.lost.swap(0, Ordering::Relaxed) }
    }
}

// Logarithms of latencies are between -21 and 12.
#[allow(clippy::cast_possible_truncation)]
fn fixed(log: f64) -> i64 {
    (log * SCALE) as i64
}

// Some 10⁷ samples of less than 2²⁵ each are below 2⁵³.
#[allow(clippy::cast_precision_loss)]
fn float(sum: i64) -> f64 {
    sum as f64 / SCALE
}
