//! The latency baseline of each method over all replicas. A replica's slowness is relative to it: a method that takes
//! two seconds everywhere makes no replica slow.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Methods with a baseline of their own; the rest share one.
const METHODS: usize = 256;
/// The relative step of a baseline towards the latency of a response.
const STEP: f64 = 0.02;
/// Added to both latencies before they are compared, in seconds: shorter differences are noise.
const NOISE: f64 = 0.005;

/// The baselines of the methods of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Baselines {
    methods: RwLock<HashMap<Box<str>, Arc<Baseline>>>,
    rest: Arc<Baseline>,
}

/// The latency baseline of one method: about the median of its responses.
///
/// Source: Ma, Muthukrishnan and Sandler, "Frugal Streaming for Estimating Quantiles", 2013, with steps in proportion.
/// Unlike a mean, the median is not moved by one slow replica of three.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    /// In nanoseconds; 0 while unknown.
    median: AtomicU64,
}

impl Baselines {
    /// The baseline of the method with this path.
    pub(crate) fn of(&self, path: &str) -> Arc<Baseline> {
        if let Some(baseline) = self.methods.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(baseline);
        }
        let mut methods = self.methods.write().unwrap_or_else(PoisonError::into_inner);
        if methods.len() >= METHODS {
            return Arc::clone(&self.rest);
        }
        Arc::clone(methods.entry(path.into()).or_default())
    }
}

impl Baseline {
    /// A latency relative to the baseline: 1 is usual, or unknown.
    pub(crate) fn ratio(&self, took: Duration) -> f64 {
        let median = self.median();
        if median.is_zero() {
            return 1.0;
        }
        (took.as_secs_f64() + NOISE) / (median.as_secs_f64() + NOISE)
    }

    /// Records the latency of a response. Of two recorded at the same moment, one may be lost.
    pub(crate) fn record(&self, took: Duration) {
        let median = self.median();
        let next = match took.cmp(&median) {
            _ if median.is_zero() => took,
            Less => median.mul_f64(1.0 - STEP),
            Equal => return,
            Greater => median.mul_f64(1.0 + STEP),
        };
        // So that a step is never rounded to zero.
        let next = u64::try_from(next.as_nanos()).unwrap_or(u64::MAX).max(1_000);
        self.median.store(next, Ordering::Relaxed);
    }

    fn median(&self) -> Duration {
        Duration::from_nanos(self.median.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_median_is_found_and_one_slow_replica_of_three_does_not_move_it() {
        let baseline = Baseline::default();
        assert!(baseline.ratio(MS) <= 1.0);
        for number in 0..3_000 {
            baseline.record(if number % 3 == 0 { 2_000 * MS } else { MS * (2 + number % 5) });
        }
        assert!((0.5..1.5).contains(&baseline.ratio(5 * MS)), "{baseline:?}");
        assert!(baseline.ratio(2_000 * MS) > 100.0, "{baseline:?}");
        // What becomes slow everywhere becomes the baseline.
        (0..600).for_each(|_| baseline.record(2_000 * MS));
        assert!(baseline.ratio(2_000 * MS) < 1.1, "{baseline:?}");
    }

    #[test]
    fn methods_beyond_the_bound_share_a_baseline() {
        let baselines = Baselines::default();
        for number in 0..METHODS {
            let path = number.to_string();
            assert!(Arc::ptr_eq(&baselines.of(&path), &baselines.of(&path)));
        }
        assert!(Arc::ptr_eq(&baselines.of("one more"), &baselines.of("and another")));
        assert!(!Arc::ptr_eq(&baselines.of("0"), &baselines.of("1")));
    }
}
