//! Counts over a sliding window of time, for the breaker's rates and the retry budget.
//!
//! The window is a ring of ten buckets, as in resilience4j's time-based sliding window and Envoy's retry budget: adding
//! and reading cost one step a bucket at most, whatever the rate of calls. The price is granularity: a count leaves the
//! window between nine tenths of its span and the whole span after it was added.

use std::time::Duration;

use tokio::time::Instant;

/// Buckets of a window; each is forgotten as a whole.
const BUCKETS: u64 = 10;
#[allow(clippy::cast_possible_truncation)] // 10
const RING: usize = BUCKETS as usize;

/// `N` counts over a sliding window. Memory is fixed: ten buckets of `N` numbers.
#[derive(Debug)]
pub(crate) struct SlidingWindow<const N: usize> {
    start: Instant,
    /// The span of one bucket.
    width: Duration,
    /// The number of the newest bucket, counted from the start.
    newest: u64,
    /// A ring: bucket `number` is at `number % BUCKETS`.
    buckets: [[u64; N]; RING],
    total: [u64; N],
}

impl<const N: usize> SlidingWindow<N> {
    /// An empty window of this span, at least 10 ms.
    pub(crate) fn new(span: Duration) -> Self {
        let width = (span / 10).max(Duration::from_millis(1));
        Self { start: Instant::now(), width, newest: 0, buckets: [[0; N]; RING], total: [0; N] }
    }

    /// The current counts.
    pub(crate) fn total(&mut self) -> [u64; N] {
        self.advance();
        self.total
    }

    /// Adds to the newest bucket.
    pub(crate) fn add(&mut self, counts: [u64; N]) {
        let position = self.advance();
        for ((bucket, total), count) in self.buckets[position].iter_mut().zip(&mut self.total).zip(counts) {
            *bucket += count;
            *total += count;
        }
    }

    /// Forgets buckets that have left the window, and gives the position of the newest one.
    fn advance(&mut self) -> usize {
        let passed = self.start.elapsed().as_nanos() / self.width.as_nanos();
        let now = u64::try_from(passed).unwrap_or(u64::MAX);
        // After a pause longer than the span, clearing each bucket once is enough.
        for number in self.newest.saturating_add(1).max(now.saturating_sub(BUCKETS - 1))..=now {
            let old = std::mem::replace(&mut self.buckets[position(number)], [0; N]);
            for (total, count) in self.total.iter_mut().zip(old) {
                *total -= count;
            }
        }
        self.newest = self.newest.max(now);
        position(self.newest)
    }
}

fn position(number: u64) -> usize {
    usize::try_from(number % BUCKETS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_the_newest_ten_buckets_and_nothing_else(
            events in prop::collection::vec((0_u64..2_500, 0_u64..5), 1..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let mut window = SlidingWindow::<1>::new(Duration::from_secs(1));
                let (mut now, mut model) = (0, Vec::new());
                for (wait, count) in events {
                    tokio::time::advance(Duration::from_millis(wait)).await;
                    now += wait;
                    window.add([count]);
                    model.push((now / 100, count));
                    let kept = model.iter().filter(|(tenth, _)| tenth + 10 > now / 100);
                    prop_assert_eq!(window.total(), [kept.map(|(_, count)| count).sum::<u64>()]);
                }
                Ok(())
            })?;
        }
    }
}
