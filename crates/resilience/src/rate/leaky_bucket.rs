//! A leaky bucket used as a queue: requests leave it evenly spaced, and one that would wait too long is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::gcra::Gcra;
use super::{LeakyBucketConfig, Share, rate_limited};
use crate::Deadline;

/// An even flow. Clones are the same bucket.
///
/// Nothing is queued in it: a request is given the moment of its turn and waits for it where it is. At most
/// `max_wait / interval + 1` wait at once.
#[derive(Debug, Clone)]
pub struct LeakyBucket(Arc<Bucket>);

#[derive(Debug)]
struct Bucket {
    gcra: Gcra,
    max_wait: u64,
    next_turn: AtomicU64,
    refusals: metrics::Counter,
}

/// The wait would be longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many wait for their turn")]
pub struct QueueFull {
    /// The time until a request is accepted again, if no other comes first.
    pub retry_after: Duration,
}

impl LeakyBucket {
    /// An empty bucket; `name` is its label in the metric `rate_limit_refusals_total`.
    pub fn new(name: &'static str, config: &LeakyBucketConfig, share: &Share) -> Self {
        Self(Arc::new(Bucket {
            gcra: Gcra::new(&config.rate(), share),
            max_wait: config.max_wait_ms.saturating_mul(1_000_000),
            next_turn: AtomicU64::new(0),
            refusals: metrics::counter!("rate_limit_refusals_total", "limit" => name),
        }))
    }

    /// Takes the next turn and says how long to wait for it. A turn that is not used is lost.
    pub fn take(&self) -> Result<Duration, QueueFull> {
        self.take_within(Duration::MAX)
    }

    /// Waits for the next turn. `RATE_LIMITED` at once, and no turn taken, when it is later than the deadline or than
    /// the longest wait.
    pub async fn pass(&self, deadline: Deadline) -> Result<(), envelope::Error> {
        let wait = self.take_within(deadline.remaining()?)?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    fn take_within(&self, bound: Duration) -> Result<Duration, QueueFull> {
        let Bucket { gcra, max_wait, next_turn, refusals } = &*self.0;
        let now = gcra.now();
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX).min(*max_wait);
        let mut current = next_turn.load(Ordering::Relaxed);
        loop {
            let turn = current.max(now);
            let wait = turn - now;
            if wait > bound {
                refusals.increment(1);
                return Err(QueueFull { retry_after: Duration::from_nanos(wait - bound) });
            }
            let next = turn.saturating_add(gcra.interval());
            match next_turn.compare_exchange_weak(current, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(Duration::from_nanos(wait)),
                Err(newer) => current = newer,
            }
        }
    }
}

impl From<QueueFull> for envelope::Error {
    fn from(full: QueueFull) -> Self {
        rate_limited(full.retry_after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};
    use tokio::time::Instant;

    use super::super::testing::paused;
    use super::*;

    fn config(requests: u32, period_ms: u64, max_wait_ms: u64) -> LeakyBucketConfig {
        LeakyBucketConfig { requests, period_ms, max_wait_ms }
    }

    proptest! {
        #[test]
        fn turns_are_evenly_spaced_and_no_wait_is_too_long(
            requests in 1_u32..50,
            period_ms in 1_u64..5_000,
            max_wait_ms in 0_u64..500,
            steps in proptest::collection::vec((0_u64..200_000, 1_u32..4), 1..100),
        ) {
            let config = config(requests, period_ms, max_wait_ms);
            paused(async {
                let share = Share::alone();
                let bucket = LeakyBucket::new("test", &config, &share);
                let mut last: Option<(Instant, Duration)> = None;
                for (gap, replicas) in steps {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    share.set_replicas(replicas);
                    match bucket.take() {
                        Ok(wait) => {
                            let turn = Instant::now() + wait;
                            prop_assert!(wait <= Duration::from_millis(max_wait_ms));
                            prop_assert!(last.is_none_or(|(before, interval)| turn - before >= interval));
                            last = Some((turn, Duration::from_millis(period_ms) * replicas / requests));
                        }
                        Err(full) => {
                            tokio::time::advance(full.retry_after - Duration::from_nanos(1)).await;
                            prop_assert!(bucket.take().is_err());
                            tokio::time::advance(Duration::from_nanos(1)).await;
                            let wait = bucket.take();
                            prop_assert!(wait.is_ok());
                            let interval = Duration::from_millis(period_ms) * replicas / requests;
                            last = Some((Instant::now() + wait.unwrap_or_default(), interval));
                        }
                    }
                }
                Ok(())
            })?;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_leaves_evenly_and_what_is_beyond_the_bound_is_refused() {
        let bucket = LeakyBucket::new("test", &config(10, 1_000, 250), &Share::alone());
        let start = Instant::now();
        let deadline = Deadline::after(Duration::from_secs(10));
        let (a, b, c, d) =
            tokio::join!(bucket.pass(deadline), bucket.pass(deadline), bucket.pass(deadline), bucket.pass(deadline));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(start.elapsed().as_millis(), 200);
        let refused = d.unwrap_err();
        assert_eq!(refused.reason(), envelope::Reason::RateLimited);
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(50)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_could_not_wait_long_enough_takes_no_turn() {
        let bucket = LeakyBucket::new("test", &config(10, 1_000, 1_000), &Share::alone());
        assert_eq!(bucket.take(), Ok(Duration::ZERO));
        assert!(bucket.pass(Deadline::after(Duration::from_millis(99))).await.is_err());
        assert_eq!(bucket.take(), Ok(Duration::from_millis(100)));
    }
}
