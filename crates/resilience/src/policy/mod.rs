//! The template of every outgoing call: its deadline, its retries and hedges, and what it may cost the peer.

mod call;
#[cfg(test)]
mod tests;
mod window;

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
pub(crate) use window::Window;

/// How calls to one peer are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// How long one attempt may take, in milliseconds, 1 to 600,000; 2,000 by default.
    #[serde(deserialize_with = "within::<1, 600_000, _, _>")]
    pub attempt_timeout_ms: u64,
    /// When failed attempts are followed by another.
    pub retry: RetryConfig,
    /// When calls are refused here, because they would fail there.
    pub breaker: BreakerConfig,
    /// How many calls may be under way.
    pub bulkhead: BulkheadConfig,
    /// When a read is asked of a second replica.
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

/// What all calls to one peer share. Cheap to clone; clones are the same policy.
///
/// The parts apply in this order, the outermost first: the fallback; the deadline, so that expired work never starts;
/// the bulkhead, with one place for a call however often it is tried; the breaker, which judges the peer by whole
/// calls, since what a second replica does well is no reason to open; retries and hedges, paid for from the budget; the
/// attempt's own timeout; the attempt.
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
    /// For the peer of that name, which labels metrics and log lines.
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

    /// A call that must be done by then. It is made once, unless [`Call::safety`] says more.
    pub fn call(&self, deadline: Deadline) -> Call<'_> {
        Call::new(&self.shared, deadline)
    }

    /// Whether the breaker is closed. While it is not, whoever has something that stands in can use that at once, and
    /// make the call beside it: it is refused, or finds out whether the peer is well, at nobody's expense.
    pub fn is_closed(&self) -> bool {
        self.shared.breaker.is_closed()
    }

    /// The peer's name.
    pub fn peer(&self) -> &str {
        &self.shared.peer
    }
}

impl Shared {
    /// Adds one to a counter of this peer.
    fn count(&self, counter: &'static str) {
        metrics::counter!(counter, "peer" => self.peer.clone()).increment(1);
    }
}

/// One attempt of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which one, from 1.
    pub number: u32,
    /// When it is given up: the call's deadline, or earlier.
    pub deadline: Deadline,
}
