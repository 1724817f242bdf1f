//! The template of every outgoing call: its deadline, bulkhead, breaker, retries and hedge.

mod call;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::breaker::{Breaker, BreakerConfig};
use crate::budget::Budget;
use crate::bulkhead::{Bulkhead, BulkheadConfig};
use crate::config::within;
use crate::deadline::Deadline;
use crate::hedge::{Hedge, HedgeConfig};
use crate::retry::RetryConfig;
pub use call::Call;

/// How calls to one peer are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// The time-out of one attempt, in milliseconds, 1 to 600,000; 2,000 by default.
    #[serde(deserialize_with = "within::<1, 600_000, _, _>")]
    pub attempt_timeout_ms: u64,
    /// Retries of failed attempts.
    pub retry: RetryConfig,
    /// The circuit breaker.
    pub breaker: BreakerConfig,
    /// The bounds of calls in flight.
    pub bulkhead: BulkheadConfig,
    /// Hedging of reads.
    pub hedge: HedgeConfig,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            attempt_timeout_ms: 2_000,
            retry: RetryConfig::default(),
            breaker: BreakerConfig::default(),
            bulkhead: BulkheadConfig::default(),
            hedge: HedgeConfig::default(),
        }
    }
}

/// The state that all calls to one peer share. Cheap to clone; clones are the same policy.
///
/// The parts apply in this order, outermost first: the fallback; the deadline, so that expired work never starts; the
/// bulkhead, with one permit for a call and all of its attempts; the breaker, which counts whole calls, since a call
/// that succeeds at a second replica is a success; retries and hedges, paid from the budget; the time-out of the
/// attempt; the attempt.
///
/// ```
/// use std::time::Duration;
///
/// use envelope::Error;
/// use resilience::{Answer, Attempt, Deadline, Failure, Policy, PolicyConfig, Safety};
///
/// async fn fetch(_: Attempt) -> Result<u32, Failure> {
///     Err(Error::unavailable("no connection").into())
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let policy = Policy::new("risk", &PolicyConfig::default());
/// let deadline = Deadline::after(Duration::from_secs(5));
/// let call = policy.call(deadline).safety(Safety::Idempotent).attempt_timeout(Duration::from_millis(200));
/// let answer = call.run_or(fetch, |_| async { Ok(42) }).await;
/// assert_eq!(answer.unwrap(), Answer { value: 42, degraded: true });
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    peer: Arc<str>,
    attempt_timeout: Duration,
    retry: RetryConfig,
    budget: Budget,
    breaker: Breaker,
    bulkhead: Bulkhead,
    hedge: Hedge,
}

impl Policy {
    /// A policy for the peer with this name, the label of metrics and log lines.
    pub fn new(peer: impl Into<Arc<str>>, config: &PolicyConfig) -> Self {
        let peer = peer.into();
        let shared = Shared {
            attempt_timeout: Duration::from_millis(config.attempt_timeout_ms),
            retry: config.retry,
            budget: Budget::new(&config.retry),
            breaker: Breaker::new(peer.clone(), &config.breaker),
            bulkhead: Bulkhead::new(&config.bulkhead),
            hedge: Hedge::new(&config.hedge),
            peer,
        };
        Self { shared: Arc::new(shared) }
    }

    /// A call with this deadline. It is not repeated unless [`Call::safety`] permits it.
    pub fn call(&self, deadline: Deadline) -> Call<'_> {
        Call::new(&self.shared, deadline)
    }

    /// Whether the breaker is closed. While it is not, a caller with a substitute can use it at once and make the call
    /// in the background, where it is refused or serves as a probe without making anyone wait.
    pub fn is_closed(&self) -> bool {
        self.shared.breaker.is_closed()
    }

    /// The peer's name.
    pub fn peer(&self) -> &str {
        &self.shared.peer
    }
}

impl Shared {
    /// Increments a counter of this peer.
    fn count(&self, counter: &'static str) {
        metrics::counter!(counter, "peer" => self.peer.clone()).increment(1);
    }
}

/// One attempt of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// When the attempt is given up: the deadline of the call, or earlier.
    pub deadline: Deadline,
}
