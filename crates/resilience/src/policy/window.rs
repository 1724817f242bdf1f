//! Counts over a sliding span of time.

use std::time::Duration;

use tokio::time::Instant;

/// How many parts of the span are forgotten one by one.
const BUCKETS: usize = 10;

/// `N` counts over a span of time, kept in a ring of ten buckets: what is counted is forgotten after nine tenths of the
/// span at the earliest, and after the whole span at the latest.
#[derive(Debug)]
pub(crate) struct Window<const N: usize> {
    start: Instant,
    width: Duration,
    /// The number of the bucket that is being filled, since the start.
    newest: u64,
    buckets: [[u64; N]; BUCKETS],
    total: [u64; N],
}

impl<const N: usize> Window<N> {
    /// An empty window of that span, at least 10 ms.
    pub(crate) fn new(span: Duration) -> Self {
        let width = (span / 10).max(Duration::from_millis(1));
        Self { start: Instant::now(), width, newest: 0, buckets: [[0; N]; BUCKETS], total: [0; N] }
    }

    /// The counts as they are now.
    pub(crate) fn total(&mut self) -> [u64; N] {
        self.advance();
        self.total
    }

    /// Adds to the counts now.
    pub(crate) fn add(&mut self, counts: [u64; N]) {
        let bucket = self.advance();
        for ((bucket, total), count) in self.buckets[bucket].iter_mut().zip(&mut self.total).zip(counts) {
            *bucket += count;
            *total += count;
        }
    }

    /// Forgets what is too old; gives the bucket of now.
    fn advance(&mut self) -> usize {
        let passed = self.start.elapsed().as_nanos() / self.width.as_nanos();
        let now = u64::try_from(passed).unwrap_or(u64::MAX);
        // More than all of them need not be emptied.
        for number in self.newest.saturating_add(1).max(now.saturating_sub(9))..=now {
            let old = std::mem::replace(&mut self.buckets[index(number)], [0; N]);
            for (total, count) in self.total.iter_mut().zip(old) {
                *total -= count;
            }
        }
        self.newest = self.newest.max(now);
        index(self.newest)
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number % 10).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_the_newest_ten_tenths_and_nothing_else(
            events in prop::collection::vec((0_u64..2_500, 0_u64..5), 1..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let mut window = Window::<1>::new(Duration::from_secs(1));
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
