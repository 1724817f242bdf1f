//! Retries of failed attempts: their number, and the pauses between them.

use std::time::Duration;

use serde::Deserialize;

use crate::backoff::Backoff;
use crate::config::within;
use crate::failure::Failure;

/// How calls to a peer are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Attempts of a call, including the first and a hedge, 1 to 10; 3 by default. With 1 nothing is retried.
    #[serde(deserialize_with = "within::<1, 10, _, _>")]
    pub max_attempts: u32,
    /// The bound of the first pause, in milliseconds, 1 to 60,000; 20 by default. It doubles with each pause.
    #[serde(deserialize_with = "within::<1, 60_000, _, _>")]
    pub base_ms: u64,
    /// The bound of every pause, in milliseconds, 1 to 60,000; 1,000 by default.
    #[serde(deserialize_with = "within::<1, 60_000, _, _>")]
    pub cap_ms: u64,
    /// The retry budget: retries and hedges in percent of the calls of the last 10 s, 0 to 100; 20 by default.
    #[serde(deserialize_with = "within::<0, 100, _, _>")]
    pub budget_percent: u32,
    /// Retries and hedges per second beyond that, 0 to 1,000; 3 by default. A peer with few calls needs them.
    #[serde(deserialize_with = "within::<0, 1_000, _, _>")]
    pub budget_floor_per_second: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { max_attempts: 3, base_ms: 20, cap_ms: 1_000, budget_percent: 20, budget_floor_per_second: 3 }
    }
}

impl RetryConfig {
    /// The pause after this failure of the attempt with this number, counted from 1.
    ///
    /// The pause has full jitter ([`Backoff`]). The first retry goes to another replica: it has no pause if the failed
    /// attempt had no effect, and ignores the pause that the first replica asked for. From then on the requested pause
    /// is the minimum; the jitter is added to it, so that callers that were refused together do not return together.
    pub(crate) fn pause(&self, failure: &Failure, number: u32) -> Duration {
        let asks_another = number == 1 && failure.is_of_one_replica();
        if asks_another && failure.had_no_effect() {
            return Duration::ZERO;
        }
        let requested = if asks_another { None } else { failure.requested_pause() };
        let backoff = Backoff::new(Duration::from_millis(self.base_ms), Duration::from_millis(self.cap_ms));
        let jitter = backoff.full_jitter(number);
        requested.unwrap_or_default().saturating_add(jitter)
    }
}

#[cfg(test)]
mod tests {
    use envelope::{Error, Reason};
    use tonic::Status;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_are_spread() {
        let config = RetryConfig { cap_ms: 100, ..RetryConfig::default() };
        let broken = Failure::from(Status::unavailable("a proxy"));
        for (number, most) in [(1, 20), (2, 40), (3, 80), (4, 100), (40, 100), (u32::MAX, 100)] {
            let pauses: Vec<_> = (0..200).map(|_| config.pause(&broken, number)).collect();
            let bound = Duration::from_millis(most);
            assert!(pauses.iter().all(|pause| *pause <= bound), "{number}");
            assert!(pauses.iter().any(|pause| *pause > bound / 2), "{number}");
            assert!(pauses.iter().any(|pause| *pause < bound / 2), "{number}");
        }
    }

    #[test]
    fn the_first_retry_is_immediate_and_later_ones_respect_the_requested_pause() {
        let config = RetryConfig::default();
        let requested = Duration::from_secs(2);
        let failure = |reason| Failure::from(Error::new(reason, "text").with_retry_after(requested));
        assert_eq!(config.pause(&failure(Reason::Overloaded), 1), Duration::ZERO);
        assert!(config.pause(&failure(Reason::Overloaded), 2) >= requested);
        assert!(config.pause(&failure(Reason::Unavailable), 1) < requested);
        assert!(config.pause(&failure(Reason::Unavailable), 2) >= requested);
        for everywhere in [Reason::RateLimited, Reason::IdempotencyInFlight] {
            assert!(config.pause(&failure(everywhere), 1) >= requested, "{everywhere:?}");
        }
        // The Retry-After of an error made in this process is for the client only.
        assert!(config.pause(&Failure::from(Error::unavailable("broken")), 2) < requested);
        let forever = failure(Reason::RateLimited).with_retry_after(Duration::MAX);
        assert_eq!(config.pause(&forever, 3), Duration::MAX);
    }
}
