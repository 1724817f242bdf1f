//! The configuration of rate limits, checked on load.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The longest period, in ms: a day.
const MAX_PERIOD_MS: u64 = 86_400_000;
/// The most requests per period, and the largest burst.
const MAX_REQUESTS: u32 = 1_000_000;
/// The most keys of a keyed limiter. Its memory, 34 bytes a key, is allocated at the start.
const MAX_KEYS: u32 = 16_777_216;

/// A rate over all replicas, and a burst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateConfig {
    /// Requests per period; 100, from 1 to 1,000,000.
    pub requests: u32,
    /// The period in ms; 1,000, from 1 to a day. An empty bucket must fill within a day.
    pub period_ms: u64,
    /// The burst after a quiet time, from 1 to 1,000,000; the same as `requests` by default.
    pub burst: Option<u32>,
}

impl RateConfig {
    /// The burst or its default.
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.requests)
    }

    /// The time in which an empty bucket fills.
    pub(super) fn refill(&self) -> Duration {
        let ms = self.period_ms.saturating_mul(u64::from(self.burst()));
        Duration::from_millis(ms.div_ceil(u64::from(self.requests.max(1))))
    }

    fn check(&self) -> Result<(), &'static str> {
        if !(1..=MAX_REQUESTS).contains(&self.requests) {
            return Err("`requests` must be from 1 to 1,000,000");
        }
        if !(1..=MAX_PERIOD_MS).contains(&self.period_ms) {
            return Err("`period_ms` must be from 1 to 86,400,000");
        }
        if !(1..=MAX_REQUESTS).contains(&self.burst()) {
            return Err("`burst` must be from 1 to 1,000,000");
        }
        if self.refill() > Duration::from_millis(MAX_PERIOD_MS) {
            return Err("`burst` is too large: an empty bucket would take more than a day to fill");
        }
        Ok(())
    }
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { requests: 100, period_ms: 1_000, burst: None }
    }
}

/// A rate limit for each of many keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct KeyedConfig {
    /// Requests of one key per period; 100, from 1 to 1,000,000.
    pub requests: u32,
    /// The period in ms; 1,000, from 1 to a day. An empty bucket must fill within a day.
    pub period_ms: u64,
    /// The burst of one key, from 1 to 1,000,000; the same as `requests` by default.
    pub burst: Option<u32>,
    /// The most keys in use at once that have a bucket of their own; 65,536 (2 MiB), from 16 to 16,777,216. A key is in
    /// use while its bucket is not full.
    pub max_keys: u32,
}

impl KeyedConfig {
    /// The limit of one key.
    pub fn rate(&self) -> RateConfig {
        RateConfig { requests: self.requests, period_ms: self.period_ms, burst: self.burst }
    }

    fn check(&self) -> Result<(), &'static str> {
        if !(16..=MAX_KEYS).contains(&self.max_keys) {
            return Err("`max_keys` must be from 16 to 16,777,216");
        }
        self.rate().check()
    }
}

impl Default for KeyedConfig {
    fn default() -> Self {
        let RateConfig { requests, period_ms, burst } = RateConfig::default();
        Self { requests, period_ms, burst, max_keys: 65_536 }
    }
}

impl<'de> Deserialize<'de> for KeyedConfig {
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
    fn omitted_settings_have_defaults() {
        let config: KeyedConfig = serde_json::from_str(r#"{"requests": 5, "period_ms": 60000}"#).unwrap();
        assert_eq!(config.rate(), RateConfig { requests: 5, period_ms: 60_000, burst: None });
        assert_eq!(config.rate().burst(), 5);
        assert_eq!(serde_json::from_str::<KeyedConfig>("{}").unwrap(), KeyedConfig::default());
    }

    #[test]
    fn bad_values_do_not_load() {
        for bad in [
            r#"{"requests": 0}"#,
            r#"{"period_ms": 0}"#,
            r#"{"burst": 0}"#,
            r#"{"rate": 1}"#,
            r#"{"requests": 1, "period_ms": 86400000, "burst": 2}"#,
            r#"{"max_keys": 1}"#,
        ] {
            assert!(serde_json::from_str::<KeyedConfig>(bad).is_err(), "{bad}");
        }
    }
}
