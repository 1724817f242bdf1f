//! Rate limiters, all by the generic cell rate algorithm (`gcra`).
//!
//! [`Keyed`] refuses: it has a token bucket for each of many keys, in bounded memory, and holds across replicas by
//! dividing the limit among them ([`Share`]). [`TokenBucket`] waits: it paces a process's own background work.

mod config;
mod gcra;
mod headers;
mod keyed;
mod share;
mod token_bucket;

use std::time::Duration;

pub use config::{KeyedConfig, RateConfig};
pub use headers::{rate_limit_header, rate_limit_policy_header};
pub use keyed::Keyed;
pub use share::Share;
pub use token_bucket::TokenBucket;

/// The decision about one request, with the numbers that its client may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is admitted. If so, its token is taken.
    pub allowed: bool,
    /// The most requests that this replica admits at once; at least 1.
    pub limit: u32,
    /// How many more requests this replica would admit now; 0 after a refusal.
    pub remaining: u32,
    /// The time until `remaining` grows by one; zero when the bucket is full.
    pub reset_after: Duration,
    /// After a refusal: the time until one more request is admitted, if none comes before it.
    pub retry_after: Option<Duration>,
}

impl Decision {
    /// The error for the client, `RATE_LIMITED`, if the request was refused.
    pub fn refusal(&self) -> Option<envelope::Error> {
        let refused = || envelope::Error::new(envelope::Reason::RateLimited, "too many requests; slow down");
        self.retry_after.map(|retry_after| refused().with_retry_after(retry_after))
    }
}

#[cfg(test)]
mod testing {
    use std::future::Future;
    use std::time::Duration;

    use proptest::prelude::Strategy;
    use tokio::time::Instant;

    use super::RateConfig;

    /// Runs on its own paused clock.
    pub(super) fn paused<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
    }

    pub(super) fn rates() -> impl Strategy<Value = RateConfig> {
        (1_u32..50, 1_u64..5_000, 1_u32..20).prop_map(|(requests, period_ms, burst)| RateConfig {
            requests,
            period_ms,
            burst: Some(burst),
        })
    }

    /// Whether no window, from any admission to any later one, holds more than the burst plus the rate.
    pub(super) fn conforms(admitted: &[Instant], rate: &RateConfig, burst: u32) -> bool {
        let within = |window: Duration, count: usize| {
            let beyond_burst = (count as u128).saturating_sub(u128::from(burst));
            beyond_burst * u128::from(rate.period_ms) * 1_000_000 <= window.as_nanos() * u128::from(rate.requests)
        };
        (0..admitted.len())
            .all(|from| (from..admitted.len()).all(|to| within(admitted[to] - admitted[from], to - from + 1)))
    }
}
