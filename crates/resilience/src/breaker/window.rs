//! What a breaker remembers of recent attempts.

use std::time::Duration;

use crate::breaker::WindowConfig;
use crate::policy::Window;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// It failed, and the peer is to blame.
    pub failed: bool,
    /// It took too long, whatever came of it.
    pub slow: bool,
}

/// How many calls there were, and how many of them were bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub attempts: u64,
    pub failed: u64,
    pub slow: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.attempts += 1;
        self.failed += u64::from(outcome.failed);
        self.slow += u64::from(outcome.slow);
    }

    fn remove(&mut self, outcome: Outcome) {
        self.attempts -= 1;
        self.failed -= u64::from(outcome.failed);
        self.slow -= u64::from(outcome.slow);
    }
}

/// The outcomes of the last so many calls, or of the last so many seconds.
#[derive(Debug)]
pub(crate) enum Outcomes {
    /// A ring of outcomes, `next` the oldest once it is full.
    Attempts { ring: Vec<Outcome>, size: usize, next: usize, counts: Counts },
    /// Counts in buckets of time.
    Time(Box<Window<3>>),
}

impl Outcomes {
    /// An empty window.
    pub(crate) fn new(config: WindowConfig) -> Self {
        match config {
            WindowConfig::Calls(size) => {
                let size = usize::try_from(size.clamp(1, WindowConfig::MOST_CALLS)).unwrap_or(1);
                Self::Attempts { ring: Vec::with_capacity(size), size, next: 0, counts: Counts::default() }
            }
            WindowConfig::Seconds(span) => {
                let span = Duration::from_secs(span.max(1).into());
                Self::Time(Box::new(Window::new(span)))
            }
        }
    }

    /// Adds one; gives the counts with it.
    pub(crate) fn add(&mut self, outcome: Outcome) -> Counts {
        match self {
            Self::Attempts { ring, size, next, counts } => {
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
                let [attempts, failed, slow] = window.total();
                Counts { attempts, failed, slow }
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
        fn a_window_of_attempts_holds_the_last_ones(
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
