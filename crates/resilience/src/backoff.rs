//! Exponential backoff: the pause before each retry doubles up to a longest one, and is spread by jitter.
//!
//! Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. This is the one backoff of the
//! workspace. A library (`backon`) was used beside it for the loops that own no policy; it has no full jitter, which
//! retries of calls need, so both kinds of jitter are here.

use std::time::Duration;

/// The bounds of the pauses between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses that begin with `first`, double each time, and stop growing at `longest`, before jitter.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Full jitter: a random pause between zero and the bound of this retry, the first of which is 1.
    pub fn full_jitter(self, retry: u32) -> Duration {
        self.bound(retry).mul_f64(rand::random())
    }

    /// An endless sequence of pauses, each between its bound and twice that. The least pause grows too, which suits
    /// work that nothing else paces.
    pub fn pauses(self) -> impl Iterator<Item = Duration> {
        let bounds = std::iter::successors(Some(self.bound(1)), move |bound| Some((2 * *bound).min(self.longest)));
        bounds.map(|bound| bound + bound.mul_f64(rand::random()))
    }

    /// The doubled pause of this retry, without jitter.
    fn bound(self, retry: u32) -> Duration {
        // 2³¹ times the first is beyond every longest pause in use.
        self.first.saturating_mul(1 << retry.saturating_sub(1).min(31)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(128));

    #[test]
    fn full_jitter_spreads_pauses_from_zero_to_a_bound_that_doubles_up_to_the_longest() {
        for (retry, most) in [(1, 2), (2, 4), (6, 64), (7, 128), (40, 128), (u32::MAX, 128)] {
            let bound = Duration::from_millis(most);
            let pauses: Vec<_> = (0..200).map(|_| BACKOFF.full_jitter(retry)).collect();
            assert!(pauses.iter().all(|pause| *pause <= bound), "{retry}");
            assert!(pauses.iter().any(|pause| *pause > bound / 2), "{retry}");
            assert!(pauses.iter().any(|pause| *pause < bound / 2), "{retry}");
        }
    }

    #[test]
    fn a_sequence_of_pauses_adds_jitter_to_the_doubled_pause_and_never_ends() {
        for _ in 0..200 {
            let mut pauses = BACKOFF.pauses();
            for most in [2, 4, 8, 16, 32, 64, 128, 128, 128] {
                let bound = Duration::from_millis(most);
                let pause = pauses.next().unwrap();
                assert!((bound..=2 * bound).contains(&pause), "{pause:?}");
            }
        }
    }
}
