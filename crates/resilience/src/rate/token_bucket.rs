//! A token bucket for background work, which waits for its tokens instead of being refused.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use super::gcra::Gcra;
use super::{RateConfig, Share};
use crate::lock::locked;

/// The rate of a process's own work. It holds for this process alone, not across replicas.
///
/// Waiting is first come, first served: a caller takes its tokens at once, in advance if need be, and sleeps until the
/// bucket would have had them. That is `Reserve` and `WaitN` of Go's `golang.org/x/time/rate`.
#[derive(Debug)]
pub struct TokenBucket {
    gcra: Gcra,
    /// When the bucket is full again, in ns.
    full_at: Mutex<u64>,
}

impl TokenBucket {
    /// A full bucket that gains `rate` tokens a second and holds `burst`.
    pub fn per_second(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let config = RateConfig { requests: rate.get(), period_ms: 1_000, burst: Some(burst.get()) };
        Self { gcra: Gcra::new(&config, &Share::alone()), full_at: Mutex::new(0) }
    }

    /// Takes this many tokens, and waits until the bucket has them. More than the burst is allowed and waits longer.
    /// Tokens stay taken when the future is dropped.
    pub async fn acquire(&self, tokens: NonZeroU32) {
        let wait = self.reserve(tokens);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn reserve(&self, tokens: NonZeroU32) -> Duration {
        let mut full_at = locked(&self.full_at);
        let (next, wait) = self.gcra.reserve(*full_at, self.gcra.now(), tokens);
        *full_at = next;
        wait
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};
    use tokio::time::Instant;

    use super::super::testing::{conforms, paused};
    use super::*;

    fn count(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    proptest! {
        #[test]
        fn no_window_gets_more_than_the_burst_and_the_rate(
            rate in 1_u32..5_000,
            burst in 1_u32..50,
            steps in proptest::collection::vec((0_u64..200_000, 1_u32..100), 1..50),
        ) {
            let given = paused(async {
                let bucket = TokenBucket::per_second(count(rate), count(burst));
                let mut given = Vec::new();
                for (gap, tokens) in steps {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    let tokens = tokens.min(burst);
                    // The exact time; timers are coarser.
                    let at = Instant::now() + bucket.reserve(count(tokens));
                    given.extend((0..tokens).map(|_| at));
                }
                given
            });
            let config = RateConfig { requests: rate, period_ms: 1_000, burst: None };
            prop_assert!(conforms(&given, &config, burst));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_the_rest_in_order_at_the_rate() {
        let bucket = TokenBucket::per_second(count(1_000), count(500));
        let began = Instant::now();
        bucket.acquire(count(500)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let timed = async |tokens| {
            bucket.acquire(count(tokens)).await;
            began.elapsed().as_millis()
        };
        assert_eq!(tokio::join!(timed(500), timed(1), timed(100)), (500, 501, 601));
        tokio::time::sleep(Duration::from_secs(1)).await;
        // More than the burst waits for what the bucket can't hold.
        let began = Instant::now();
        bucket.acquire(count(700)).await;
        assert_eq!(began.elapsed().as_millis(), 200);
    }
}
