//! The generic cell rate algorithm (ATM Forum TM 4.1, section 4.4.2; ITU-T I.371, annex A) in its virtual scheduling
//! form.
//!
//! A bucket is one number: the theoretical arrival time, at which it is full again. Taking a token moves it forward by
//! one interval, and a request conforms if it is then no further ahead than the time in which an empty bucket fills.
//! This is a token bucket without a refill task. Any time in the past stands for a full bucket, so an unused one needs
//! no memory.
//!
//! Why not the `governor` crate, which implements the same algorithm: its keyed limiter keeps its keys in a map that an
//! attacker can grow, its quota can't follow the number of replicas ([`Share`]), and its decisions lack what the
//! `RateLimit` headers need. The one limiter that needs none of this ([`super::TokenBucket`]) uses the same code, so
//! that there is one implementation.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use super::{Decision, RateConfig, Share};

/// A rate, a burst and the clock of their buckets.
#[derive(Debug)]
pub(super) struct Gcra {
    epoch: Instant,
    period_ns: u64,
    requests: u64,
    burst: u32,
    share: Share,
}

/// One replica's part of rate and burst, for the current number of replicas.
#[derive(Debug, Clone, Copy)]
struct Portion {
    /// ns between two requests at the steady rate.
    interval: u64,
    burst: u32,
    /// ns in which an empty bucket fills.
    refill: u64,
}

impl Gcra {
    pub(super) fn new(rate: &RateConfig, share: &Share) -> Self {
        Self {
            epoch: Instant::now(),
            period_ns: rate.period_ms.max(1).saturating_mul(1_000_000),
            requests: u64::from(rate.requests.max(1)),
            burst: rate.burst().max(1),
            share: share.clone(),
        }
    }

    /// The current time, in ns since the limiter was created.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// ns between two requests of this replica at the steady rate; rounded up, so that the rate is never exceeded.
    fn interval(&self) -> u64 {
        self.period_ns.saturating_mul(u64::from(self.share.replicas())).div_ceil(self.requests)
    }

    /// Decides about a request at `now` for the bucket that is full at `full_at`. Returns the new `full_at`, which is
    /// unchanged if the request is refused.
    pub(super) fn decide(&self, full_at: u64, now: u64) -> (u64, Decision) {
        let portion = self.portion();
        let taken = full_at.max(now).saturating_add(portion.interval);
        let allowed = taken - now <= portion.refill;
        let full_at = if allowed { taken } else { full_at };
        (full_at, portion.describe(allowed, full_at.saturating_sub(now)))
    }

    /// Takes tokens at `now` from the bucket that is full at `full_at`, in advance if it has too few. Returns the new
    /// `full_at`, and the time until the bucket would have had them.
    pub(super) fn reserve(&self, full_at: u64, now: u64, tokens: NonZeroU32) -> (u64, Duration) {
        let portion = self.portion();
        let taken = full_at.max(now).saturating_add(portion.interval.saturating_mul(tokens.get().into()));
        (taken, Duration::from_nanos((taken - now).saturating_sub(portion.refill)))
    }

    fn portion(&self) -> Portion {
        let interval = self.interval();
        let burst = self.burst.div_ceil(self.share.replicas());
        Portion { interval, burst, refill: interval.saturating_mul(u64::from(burst)) }
    }
}

impl Portion {
    /// The decision for a bucket that is full in `level` ns.
    fn describe(self, allowed: bool, level: u64) -> Decision {
        let remaining = self.refill.saturating_sub(level) / self.interval;
        let next_level = self.refill.saturating_sub(remaining.saturating_add(1).saturating_mul(self.interval));
        let reset_after =
            if level == 0 { Duration::ZERO } else { Duration::from_nanos(level.saturating_sub(next_level)) };
        Decision {
            allowed,
            limit: self.burst,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset_after,
            retry_after: (!allowed).then_some(reset_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn gcra(requests: u32, period_ms: u64, burst: u32) -> Gcra {
        Gcra::new(&RateConfig { requests, period_ms, burst: Some(burst) }, &Share::alone())
    }

    #[test]
    fn a_decision_states_the_tokens_left_and_the_time_to_the_next() {
        let gcra = gcra(10, 1_000, 2);
        let (full_at, first) = gcra.decide(0, 0);
        let expected = Decision {
            allowed: true,
            limit: 2,
            remaining: 1,
            reset_after: Duration::from_millis(100),
            retry_after: None,
        };
        assert_eq!(first, expected);
        let (full_at, second) = gcra.decide(full_at, 30 * MS);
        assert!(second.allowed);
        assert_eq!((second.remaining, second.reset_after), (0, Duration::from_millis(70)));
        let (unchanged, refused) = gcra.decide(full_at, 40 * MS);
        assert_eq!(unchanged, full_at);
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        assert_eq!(refused.retry_after, Some(Duration::from_millis(60)));
        assert!(!gcra.decide(full_at, 100 * MS - 1).1.allowed);
        assert!(gcra.decide(full_at, 100 * MS).1.allowed);
    }

    #[test]
    fn a_share_divides_rate_and_burst_and_keeps_the_level_of_a_bucket() {
        let share = Share::alone();
        let gcra = Gcra::new(&RateConfig { requests: 40, period_ms: 1_000, burst: Some(8) }, &share);
        let mut full_at = 0;
        for _ in 0..4 {
            full_at = gcra.decide(full_at, 0).0;
        }
        share.set_replicas(2);
        let (_, half) = gcra.decide(full_at, 0);
        assert_eq!((half.limit, half.remaining), (4, 1), "of 2 left, one was taken");
        share.set_replicas(100);
        let (_, least) = gcra.decide(0, 0);
        assert_eq!((least.limit, least.remaining), (1, 0));
        assert_eq!(least.reset_after, Duration::from_millis(2_500));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let share = Share::alone();
        share.set_replicas(u32::MAX);
        let gcra = Gcra::new(&RateConfig { requests: 1, period_ms: u64::MAX, burst: Some(u32::MAX) }, &share);
        let (_, decision) = gcra.decide(u64::MAX, 1);
        assert_eq!(decision.remaining, 0);
    }
}
