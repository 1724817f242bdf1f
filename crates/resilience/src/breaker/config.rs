//! The configuration of a circuit breaker.

use serde::Deserialize;

use crate::config::within;

/// When calls to a peer are refused, because they would probably fail.
///
/// The rates count whole calls with all of their attempts, over all replicas of the peer: a call that succeeds at a
/// second replica is a success. A single bad replica is the balancer's concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Whether the breaker is active; true by default.
    pub enabled: bool,
    /// The window of the rates; the last 10 s by default.
    pub window: WindowConfig,
    /// The fewest calls in the window for it to count, 1 to 10,000; 10 by default.
    #[serde(deserialize_with = "within::<1, 10_000, _, _>")]
    pub min_calls: u32,
    /// The share of failures that opens the breaker, in percent, 1 to 100; 70 by default. One bad replica of two stays
    /// below.
    #[serde(deserialize_with = "within::<1, 100, _, _>")]
    pub failure_percent: u32,
    /// The share of slow calls that opens the breaker, in percent, 1 to 100; 100 by default.
    #[serde(deserialize_with = "within::<1, 100, _, _>")]
    pub slow_percent: u32,
    /// The duration from which a call is slow, in milliseconds, 1 to 600,000; 2,000 by default.
    #[serde(deserialize_with = "within::<1, 600_000, _, _>")]
    pub slow_ms: u64,
    /// How long it stays open, in milliseconds, 1 to 600,000; 5,000 by default.
    #[serde(deserialize_with = "within::<1, 600_000, _, _>")]
    pub open_ms: u64,
    /// The probes of a half-open breaker, 1 to 1,000; 5 by default.
    #[serde(deserialize_with = "within::<1, 1_000, _, _>")]
    pub probes: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            window: WindowConfig::default(),
            min_calls: 10,
            failure_percent: 70,
            slow_percent: 100,
            slow_ms: 2_000,
            open_ms: 5_000,
            probes: 5,
        }
    }
}

/// The window of a breaker: `{ seconds = 10 }` or `{ calls = 100 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowConfig {
    /// The last calls, 1 to 10,000.
    #[serde(deserialize_with = "within::<1, 10_000, _, _>")]
    Calls(u32),
    /// The calls of the last seconds, 1 to 3,600.
    #[serde(deserialize_with = "within::<1, 3_600, _, _>")]
    Seconds(u32),
}

impl WindowConfig {
    /// The largest window of calls; each call takes a few bytes.
    pub(crate) const MOST_CALLS: u32 = 10_000;
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self::Seconds(10)
    }
}
