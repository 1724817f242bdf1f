//! How long each method usually takes, over all replicas: what takes two seconds everywhere makes no replica slow.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Methods that are told apart; the rest count as one.
const METHODS: usize = 256;
/// By which part an answer that took longer or less moves what is usual.
const STEP: f64 = 0.02;
/// Added to both times before they are compared, in seconds: differences that are shorter are noise.
const NOISE: f64 = 0.005;

/// The usual times of the methods of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    methods: RwLock<HashMap<Box<str>, Arc<Pace>>>,
    rest: Arc<Pace>,
}

/// The usual time of one method: about the median of its answers.
///
/// Source: Ma, Muthukrishnan and Sandler, "Frugal Streaming for Estimating Quantiles", 2013, with steps in proportion.
/// The median leaves one slow replica of three out of account, as a mean would not.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// In nanoseconds; 0 while it is not known.
    usual: AtomicU64,
}

impl Paces {
    /// That of the method with this path.
    pub(crate) fn of(&self, path: &str) -> Arc<Pace> {
        if let Some(pace) = self.methods.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(pace);
        }
        let mut methods = self.methods.write().unwrap_or_else(PoisonError::into_inner);
        if methods.len() >= METHODS {
            return Arc::clone(&self.rest);
        }
        Arc::clone(methods.entry(path.into()).or_default())
    }
}

impl Pace {
    /// How many times the usual time this is.
    pub(crate) fn times(&self, took: Duration) -> f64 {
        let usual = self.usual();
        if usual.is_zero() {
            return 1.0;
        }
        (took.as_secs_f64() + NOISE) / (usual.as_secs_f64() + NOISE)
    }

    /// An answer took so long. Of two that come at once, one may be overlooked.
    pub(crate) fn note(&self, took: Duration) {
        let usual = self.usual();
        let next = match took.cmp(&usual) {
            _ if usual.is_zero() => took,
            Less => usual.mul_f64(1.0 - STEP),
            Equal => return,
            Greater => usual.mul_f64(1.0 + STEP),
        };
        // A step of very little would be none.
        let next = u64::try_from(next.as_nanos()).unwrap_or(u64::MAX).max(1_000);
        self.usual.store(next, Ordering::Relaxed);
    }

    fn usual(&self) -> Duration {
        Duration::from_nanos(self.usual.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_median_is_found_and_one_slow_replica_of_three_does_not_move_it() {
        let pace = Pace::default();
        assert!(pace.times(MS) <= 1.0);
        for number in 0..3_000 {
            pace.note(if number % 3 == 0 { 2_000 * MS } else { MS * (2 + number % 5) });
        }
        assert!((0.5..1.5).contains(&pace.times(5 * MS)), "{pace:?}");
        assert!(pace.times(2_000 * MS) > 100.0, "{pace:?}");
        // What becomes slow everywhere becomes usual.
        (0..600).for_each(|_| pace.note(2_000 * MS));
        assert!(pace.times(2_000 * MS) < 1.1, "{pace:?}");
    }

    #[test]
    fn methods_are_told_apart_as_far_as_there_is_room() {
        let paces = Paces::default();
        for number in 0..METHODS {
            let path = number.to_string();
            assert!(Arc::ptr_eq(&paces.of(&path), &paces.of(&path)));
        }
        assert!(Arc::ptr_eq(&paces.of("one more"), &paces.of("and another")));
        assert!(!Arc::ptr_eq(&paces.of("0"), &paces.of("1")));
    }
}
