//! The configuration of an adaptive limit, checked on load.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// How a concurrency limit adapts. The defaults fit a gateway; a deployment may want to set `max`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct AdaptiveLimitConfig {
    /// The limit at the start; 32, from `min` to `max`. Low, so that the first latencies are those of an idle service
    /// even after a start under overload; it grows quickly while requests are refused at baseline latency.
    pub initial: u32,
    /// The lowest limit; 16, at least 1.
    pub min: u32,
    /// The highest limit; 2,000, at most 1,000,000. Beyond it, memory and file descriptors would run out.
    pub max: u32,
    /// The factor by which latency may exceed its baseline before the limit falls; 2, from 1 to 10. A service that
    /// works in batches is slower but more efficient with larger ones, so a higher tolerance gives more throughput and
    /// longer queues.
    pub tolerance: f64,
    /// The part of the way to a new limit in one window; 0.2, above 0, at most 1. Downwards it is at least a half.
    pub smoothing: f64,
    /// The shortest window between two changes of the limit, in ms; 100, from 10 to 10,000.
    pub window_ms: u64,
    /// The fewest requests of a window; 20, from 1 to 10,000. A window lasts until it has them.
    pub min_samples: u32,
    /// A rise of latency that does not matter, in µs; 2,000, at most 1,000,000. A read of 0.2 ms may take 0.6 ms for a
    /// while without any overload.
    pub slack_us: u64,
    /// The part of the limit that each priority may fill.
    pub shares: PriorityShares,
    /// The separate limit of payments.
    pub payments: PaymentsLimitConfig,
}

/// The limit of payments in flight. It adapts like the shared limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentsLimitConfig {
    /// The limit at the start; 256, from `min` to `max`. High, since payments wait for a card network.
    pub initial: u32,
    /// The lowest limit; 64, at least 1. Well above the shared one, so that payments take precedence when both wait for
    /// the same servers; low enough that they still finish within a request's deadline.
    pub min: u32,
    /// The highest limit; 2,000, at most 1,000,000. It should be at least the highest expected rate of payments times
    /// the seconds that one takes.
    pub max: u32,
}

/// The most requests in flight, browsing and orders together, for one more of a priority to be admitted; in percent of
/// the limit. Payments do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriorityShares {
    /// For browsing; 75, from 1 to `order`.
    pub browse: u32,
    /// For orders; 100, from `browse` to 100.
    pub order: u32,
}

impl AdaptiveLimitConfig {
    fn check(&self) -> Result<(), &'static str> {
        let checks = [
            (1 <= self.min && self.min <= self.initial, "`min` must be from 1 to `initial`"),
            (self.initial <= self.max && self.max <= 1_000_000, "`max` must be from `initial` to 1,000,000"),
            ((1.0..=10.0).contains(&self.tolerance), "`tolerance` must be from 1 to 10"),
            (self.smoothing > 0.0 && self.smoothing <= 1.0, "`smoothing` must be above 0 and at most 1"),
            ((10..=10_000).contains(&self.window_ms), "`window_ms` must be from 10 to 10,000"),
            ((1..=10_000).contains(&self.min_samples), "`min_samples` must be from 1 to 10,000"),
            (self.slack_us <= 1_000_000, "`slack_us` must be at most 1,000,000"),
            (1 <= self.shares.browse, "`shares.browse` must be at least 1"),
            (self.shares.browse <= self.shares.order, "`shares.browse` must be at most `shares.order`"),
            (self.shares.order <= 100, "`shares.order` must be at most 100"),
            (
                1 <= self.payments.min && self.payments.min <= self.payments.initial,
                "`payments.min` must be from 1 to `payments.initial`",
            ),
            (
                self.payments.initial <= self.payments.max && self.payments.max <= 1_000_000,
                "`payments.max` must be from `payments.initial` to 1,000,000",
            ),
        ];
        checks.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, otherwise)| Err(*otherwise))
    }
}

impl Default for AdaptiveLimitConfig {
    fn default() -> Self {
        Self {
            initial: 32,
            min: 16,
            max: 2_000,
            tolerance: 2.0,
            smoothing: 0.2,
            window_ms: 100,
            min_samples: 20,
            slack_us: 2_000,
            shares: PriorityShares::default(),
            payments: PaymentsLimitConfig::default(),
        }
    }
}

impl Default for PaymentsLimitConfig {
    fn default() -> Self {
        Self { initial: 256, min: 64, max: 2_000 }
    }
}

impl Default for PriorityShares {
    fn default() -> Self {
        Self { browse: 75, order: 100 }
    }
}

impl<'de> Deserialize<'de> for AdaptiveLimitConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        config.check().map_err(D::Error::custom)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_bad_values_do_not_load() {
        let default: AdaptiveLimitConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(default, AdaptiveLimitConfig::default());
        for bad in [
            r#"{"min": 0}"#,
            r#"{"min": 33}"#,
            r#"{"max": 31}"#,
            r#"{"max": 1000001}"#,
            r#"{"tolerance": 0.9}"#,
            r#"{"smoothing": 0}"#,
            r#"{"window_ms": 1}"#,
            r#"{"min_samples": 0}"#,
            r#"{"slack_us": 1000001}"#,
            r#"{"shares": {"order": 101}}"#,
            r#"{"shares": {"browse": 95, "order": 90}}"#,
            r#"{"payments": {"min": 0}}"#,
            r#"{"payments": {"min": 257}}"#,
            r#"{"payments": {"max": 255}}"#,
            r#"{"shares": {"pay": 1}}"#,
            r#"{"limit": 1}"#,
        ] {
            assert!(serde_json::from_str::<AdaptiveLimitConfig>(bad).is_err(), "{bad}");
        }
    }
}
