//! The recent outcomes that a breaker judges by: of the last calls, or of the last seconds.

use std::time::Duration;

use super::config::WindowConfig;
use crate::window::SlidingWindow;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The call failed, and the peer is to blame.
    pub failed: bool,
    /// The call took too long, successful or not.
    pub slow: bool,
}

/// The number of calls, and of the bad ones among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub calls: u64,
    pub failed: u64,
    pub slow: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.calls += 1;
        self.failed += u64::from(outcome.failed);
        self.slow += u64::from(outcome.slow);
    }

    fn remove(&mut self, outcome: Outcome) {
        self.calls -= 1;
        self.failed -= u64::from(outcome.failed);
        self.slow -= u64::from(outcome.slow);
    }
}

/// The outcomes in the window.
#[derive(Debug)]
pub(crate) enum Outcomes {
    /// A ring of outcomes; once it is full, `next` is the position of the oldest.
    Calls { ring: Vec<Outcome>, size: usize, next: usize, counts: Counts },
    /// Counts in buckets of time.
    Time(Box<SlidingWindow<3>>),
}

impl Outcomes {
    /// An empty window.
    pub(crate) fn new(config: WindowConfig) -> Self {
        match config {
            WindowConfig::Calls(size) => {
                let size = usize::try_from(size.clamp(1, WindowConfig::MOST_CALLS)).unwrap_or(1);
                Self::Calls { ring: Vec::with_capacity(size), size, next: 0, counts: Counts::default() }
            }
            WindowConfig::Seconds(span) => {
                let span = Duration::from_secs(span.max(1).into());
                Self::Time(Box::new(SlidingWindow::new(span)))
            }
        }
    }

    /// Adds an outcome, and returns the counts including it.
    pub(crate) fn add(&mut self, outcome: Outcome) -> Counts {
        match self {
            Self::Calls { ring, size, next, counts } => {
                counts.add(outcome);
                if ring.len() < *size {
                    ring.push(outcome);
                } else {
                    counts.remove(std::mem::replace(&mut ring[*next], outcome));
                    *next = (*next + 1) % *size;
                }
                *counts
            }
            Self::Time(window) => {
                window.add([1, outcome.failed.into(), outcome.slow.into()]);
                let [calls, failed, slow] = window.total();
                Counts { calls, failed, slow }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model<'a>(kept: impl Iterator<Item = &'a Outcome>) -> Counts {
        kept.fold(Counts::default(), |mut counts, outcome| {
            counts.add(*outcome);
            counts
        })
    }

    proptest! {
        #[test]
        fn a_window_of_calls_holds_the_last_ones(
            size in 1_u32..40,
            outcomes in prop::collection::vec((any::<bool>(), any::<bool>()), 1..200),
        ) {
            let mut window = Outcomes::new(WindowConfig::Calls(size));
            let mut seen = Vec::new();
            for (failed, slow) in outcomes {
                seen.push(Outcome { failed, slow });
                let counts = window.add(Outcome { failed, slow });
                prop_assert_eq!(counts, model(seen.iter().rev().take(usize::try_from(size).unwrap())));
            }
        }

        #[test]
        fn a_window_of_time_holds_the_last_seconds(
            span in 1_u64..20,
            outcomes in prop::collection::vec((any::<bool>(), any::<bool>(), 0_u64..3_000), 1..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let mut window = Outcomes::new(WindowConfig::Seconds(u32::try_from(span).unwrap()));
                let (mut now, mut seen) = (0, Vec::new());
                for (failed, slow, wait) in outcomes {
                    tokio::time::advance(Duration::from_millis(wait)).await;
                    now += wait;
                    // A tenth of the span is a tenth of a second for each of its seconds.
                    let tenth = now / (span * 100);
                    seen.push((tenth, Outcome { failed, slow }));
                    let kept = seen.iter().filter(|(at, _)| at + 10 > tenth).map(|(_, outcome)| outcome);
                    prop_assert_eq!(window.add(Outcome { failed, slow }), model(kept));
                }
                Ok(())
            })?;
        }
    }
}
