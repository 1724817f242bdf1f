//! When events that could not be applied are tried again, parked, and given up.

use std::time::Duration;

use jiff::Timestamp;

use crate::ConsumerConfig;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The rules of retries.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    first_pause: Duration,
    attempts: u32,
    parked_for: Duration,
}

impl RetryPolicy {
    pub(super) fn new(config: &ConsumerConfig) -> Self {
        Self { first_pause: config.first_pause(), attempts: config.attempts.get(), parked_for: config.parked_for() }
    }

    /// The pause after that many attempts. It doubles up to 5 s.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(LONGEST_PAUSE)
    }

    /// Whether a key waits in memory for another attempt after that many; otherwise it is parked.
    pub(super) fn retries(&self, attempts: u32) -> bool {
        attempts < self.attempts
    }

    /// Whether an event that is parked since then becomes a dead letter.
    pub(super) fn gives_up(&self, parked_since_ms: i64, now: Timestamp) -> bool {
        let waited = now.as_millisecond().saturating_sub(parked_since_ms);
        i128::from(waited) > i128::try_from(self.parked_for.as_millis()).unwrap_or(i128::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy::new(&ConsumerConfig::default())
    }

    #[test]
    fn pauses_double_from_the_first_up_to_5_s() {
        let pauses = [1, 2, 3, 6, 7, u32::MAX].map(|attempts| policy().pause(attempts).as_millis());
        assert_eq!(pauses, [100, 200, 400, 3_200, 5_000, 5_000]);
    }

    #[test]
    fn a_key_is_parked_after_the_last_attempt() {
        assert!(policy().retries(4) && !policy().retries(5) && !policy().retries(6));
    }

    #[test]
    fn a_parked_event_is_given_up_after_a_day() {
        let since: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let after =
            |ms: i64| policy().gives_up(since.as_millisecond(), since + Duration::from_millis(ms.unsigned_abs()));
        assert!(!after(24 * 60 * 60 * 1_000));
        assert!(after(24 * 60 * 60 * 1_000 + 1));
        assert!(!policy().gives_up(since.as_millisecond() + 5, since));
    }
}
