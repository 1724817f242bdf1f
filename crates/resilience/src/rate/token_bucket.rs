//! A token bucket: refuses what comes faster than the rate, after a burst.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gcra::Gcra;
use super::{Decision, RateConfig, Share};

/// One limit for all requests. Clones are the same bucket.
#[derive(Debug, Clone)]
pub struct TokenBucket(Arc<Bucket>);

#[derive(Debug)]
struct Bucket {
    gcra: Gcra,
    full_at: AtomicU64,
    refusals: metrics::Counter,
}

impl TokenBucket {
    /// A full bucket; `name` is its label in the metric `rate_limit_refusals_total`.
    pub fn new(name: &'static str, config: &RateConfig, share: &Share) -> Self {
        Self(Arc::new(Bucket {
            gcra: Gcra::new(config, share),
            full_at: AtomicU64::new(0),
            refusals: metrics::counter!("rate_limit_refusals_total", "limit" => name),
        }))
    }

    /// Takes a token if there is one.
    pub fn take(&self) -> Decision {
        let Bucket { gcra, full_at, refusals } = &*self.0;
        let now = gcra.now();
        let mut current = full_at.load(Ordering::Relaxed);
        loop {
            let (next, decision) = gcra.decide(current, now);
            if !decision.allowed {
                refusals.increment(1);
                return decision;
            }
            // The number is all there is to the bucket, so no other memory has to be ordered with it.
            match full_at.compare_exchange_weak(current, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return decision,
                Err(newer) => current = newer,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use tokio::time::Instant;

    use super::super::testing::{conforms, paused, rates};
    use super::*;

    proptest! {
        #[test]
        fn no_window_admits_more_than_the_burst_and_the_rate(
            rate in rates(),
            gaps_us in proptest::collection::vec(0_u64..200_000, 1..100),
        ) {
            let admitted = paused(async {
                let bucket = TokenBucket::new("test", &rate, &Share::alone());
                let mut admitted = Vec::new();
                for gap in gaps_us {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    if bucket.take().allowed {
                        admitted.push(Instant::now());
                    }
                }
                admitted
            });
            prop_assert!(conforms(&admitted, &rate, rate.burst()));
        }

        #[test]
        fn nor_while_the_number_of_replicas_changes(
            rate in rates(),
            steps in proptest::collection::vec((0_u64..200_000, 1_u32..6), 1..100),
        ) {
            let admitted = paused(async {
                let share = Share::alone();
                let bucket = TokenBucket::new("test", &rate, &share);
                let mut admitted = Vec::new();
                for (gap, replicas) in steps {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    share.set_replicas(replicas);
                    if bucket.take().allowed {
                        admitted.push(Instant::now());
                    }
                }
                admitted
            });
            // A burst is rounded up by less than one for each other replica.
            prop_assert!(conforms(&admitted, &rate, rate.burst() + 4));
        }

        #[test]
        fn replicas_together_admit_what_one_would(
            rate in rates(),
            replicas in 1_u32..6,
            steps in proptest::collection::vec((0_u64..100_000, any::<usize>()), 1..200),
        ) {
            let admitted = paused(async {
                let share = Share::alone();
                share.set_replicas(replicas);
                let buckets: Vec<_> = (0..replicas).map(|_| TokenBucket::new("test", &rate, &share)).collect();
                let mut admitted = Vec::new();
                for (gap, at) in steps {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    if buckets[at % buckets.len()].take().allowed {
                        admitted.push(Instant::now());
                    }
                }
                admitted
            });
            // Each replica's window may begin with a bucket that is full, so that their fractions add up too.
            prop_assert!(conforms(&admitted, &rate, replicas * (rate.burst().div_ceil(replicas) + 1)));
        }

        #[test]
        fn what_a_decision_promises_holds(
            rate in rates(),
            gaps_us in proptest::collection::vec(0_u64..200_000, 1..50),
        ) {
            paused(async {
                let bucket = TokenBucket::new("test", &rate, &Share::alone());
                for gap in gaps_us {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    let decision = bucket.take();
                    let next = bucket.take();
                    prop_assert_eq!(next.allowed, decision.remaining > 0);
                    prop_assert_eq!(next.allowed, next.retry_after.is_none());
                    if let Some(wait) = next.retry_after {
                        tokio::time::advance(wait - Duration::from_nanos(1)).await;
                        prop_assert!(!bucket.take().allowed);
                        tokio::time::advance(Duration::from_nanos(1)).await;
                        prop_assert!(bucket.take().allowed);
                    }
                }
                Ok(())
            })?;
        }
    }

    #[test]
    fn threads_share_the_tokens() {
        let rate = RateConfig { requests: 100, period_ms: 86_400_000, burst: None };
        let bucket = TokenBucket::new("test", &rate, &Share::alone());
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1_000).filter(|_| bucket.take().allowed).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
    }

    #[test]
    fn a_refusal_tells_when_to_come_back() {
        let rate = RateConfig { requests: 1, period_ms: 3_000, burst: None };
        let bucket = TokenBucket::new("test", &rate, &Share::alone());
        assert!(bucket.take().refusal().is_none());
        let refusal = bucket.take().refusal().unwrap();
        assert_eq!(refusal.reason(), envelope::Reason::RateLimited);
        assert_eq!(refusal.retry_after_seconds(), Some(3));
    }
}
