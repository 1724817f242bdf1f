//! When a failed attempt is followed by another one, and how long the pause between them is.

use std::time::Duration;

use serde::Deserialize;

use crate::config::within;
use crate::failure::Failure;

/// How calls to a peer are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Attempts a call, the first and a hedge among them, 1 to 10; 3 by default. With 1 nothing is tried again.
    #[serde(deserialize_with = "within::<1, 10, _, _>")]
    pub max_attempts: u32,
    /// The bound of the first pause, in milliseconds, 1 to 60,000; 20 by default. It doubles with each pause.
    #[serde(deserialize_with = "within::<1, 60_000, _, _>")]
    pub base_ms: u64,
    /// The bound of every pause, in milliseconds, 1 to 60,000; 1,000 by default.
    #[serde(deserialize_with = "within::<1, 60_000, _, _>")]
    pub cap_ms: u64,
    /// How many retries and hedges the calls of the last 10 s pay for, in percent of them, 0 to 100; 20 by default.
    #[serde(deserialize_with = "within::<0, 100, _, _>")]
    pub budget_percent: u32,
    /// How many more are free, a second, 0 to 1,000; 3 by default. A peer with few calls needs them.
    #[serde(deserialize_with = "within::<0, 1_000, _, _>")]
    pub budget_floor_per_second: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { max_attempts: 3, base_ms: 20, cap_ms: 1_000, budget_percent: 20, budget_floor_per_second: 3 }
    }
}

impl RetryConfig {
    /// The pause after that failure of the attempt of that number, the first of which is 1.
    ///
    /// Exponential backoff with full jitter: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    /// The first retry of a failure without effect has no pause, as another replica is asked; and what one replica
    /// says of itself does not hold for that other one. From then on the peer's word is the least pause; the jitter
    /// comes on top, so that those who were sent away together do not come back together.
    pub(crate) fn pause(&self, failure: &Failure, number: u32) -> Duration {
        let asks_another = number == 1 && failure.is_of_one_replica();
        if asks_another && failure.had_no_effect() {
            return Duration::ZERO;
        }
        let told = if asks_another { None } else { failure.told_pause() };
        let doubled = self.base_ms.saturating_mul(1_u64 << number.saturating_sub(1).min(32));
        let jitter = Duration::from_millis(doubled.min(self.cap_ms)).mul_f64(rand::random());
        told.unwrap_or_default().saturating_add(jitter)
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
    fn another_replica_is_asked_at_once_and_then_the_word_of_the_peer_holds() {
        let config = RetryConfig::default();
        let told = Duration::from_secs(2);
        let said = |reason| Failure::from(Error::new(reason, "text").with_retry_after(told));
        assert_eq!(config.pause(&said(Reason::Overloaded), 1), Duration::ZERO);
        assert!(config.pause(&said(Reason::Overloaded), 2) >= told);
        assert!(config.pause(&said(Reason::Unavailable), 1) < told);
        assert!(config.pause(&said(Reason::Unavailable), 2) >= told);
        for everywhere in [Reason::RateLimited, Reason::IdempotencyInFlight] {
            assert!(config.pause(&said(everywhere), 1) >= told, "{everywhere:?}");
        }
        // A Retry-After that was made up here for the client.
        assert!(config.pause(&Failure::from(Error::unavailable("broken")), 2) < told);
        let forever = said(Reason::RateLimited).with_retry_after(Duration::MAX);
        assert_eq!(config.pause(&forever, 3), Duration::MAX);
    }
}
