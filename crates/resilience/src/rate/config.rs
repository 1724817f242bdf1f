//! The numbers of a rate limit, checked when they are loaded.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The longest period, in ms: a day.
const MAX_PERIOD_MS: u64 = 86_400_000;
/// The most requests a period, and the largest burst.
const MAX_REQUESTS: u32 = 1_000_000;
/// The most keys of a keyed limiter; its memory, 34 bytes a key, is taken at the start.
const MAX_KEYS: u32 = 16_777_216;
/// The longest wait of a leaky bucket, in ms.
const MAX_WAIT_MS: u64 = 60_000;

/// So many requests a period, over all replicas, and how many of them may come at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct RateConfig {
    /// Requests a period; 100, from 1 to 1,000,000.
    pub requests: u32,
    /// The period in ms; 1,000, from 1 to a day. A bucket must be full again within a day.
    pub period_ms: u64,
    /// How many may come at once after a quiet time, from 1 to 1,000,000; the same as `requests` by default.
    pub burst: Option<u32>,
}

impl RateConfig {
    /// So many requests a second, with a burst of the same size.
    pub fn per_second(requests: u32) -> Self {
        Self { requests, ..Self::default() }
    }

    /// The burst, with its default filled in.
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.requests)
    }

    /// The time in which an empty bucket becomes full.
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
            return Err("`burst` is so large that an empty bucket needs more than a day to fill");
        }
        Ok(())
    }
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { requests: 100, period_ms: 1_000, burst: None }
    }
}

impl<'de> Deserialize<'de> for RateConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        config.check().map_err(D::Error::custom)?;
        Ok(config)
    }
}

/// A rate limit for each of many keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct KeyedConfig {
    /// Requests a period of one key; 100, from 1 to 1,000,000.
    pub requests: u32,
    /// The period in ms; 1,000, from 1 to a day. A bucket must be full again within a day.
    pub period_ms: u64,
    /// How many of one key may come at once, from 1 to 1,000,000; the same as `requests` by default.
    pub burst: Option<u32>,
    /// For how many keys whose bucket is not full there is a bucket of their own; 65,536 (2 MiB), from 16 to
    /// 16,777,216.
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

/// An even flow of requests, over all replicas, and how long a request may wait for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct LeakyBucketConfig {
    /// Requests a period; 100, from 1 to 1,000,000.
    pub requests: u32,
    /// The period in ms; 1,000, from 1 to a day.
    pub period_ms: u64,
    /// The longest wait in ms; 100, at most 60,000. It bounds the queue too.
    pub max_wait_ms: u64,
}

impl LeakyBucketConfig {
    /// The flow: every request at its own moment.
    pub(super) fn rate(&self) -> RateConfig {
        RateConfig { requests: self.requests, period_ms: self.period_ms, burst: Some(1) }
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.max_wait_ms > MAX_WAIT_MS {
            return Err("`max_wait_ms` must be at most 60,000");
        }
        self.rate().check()
    }
}

impl Default for LeakyBucketConfig {
    fn default() -> Self {
        Self { requests: 100, period_ms: 1_000, max_wait_ms: 100 }
    }
}

impl<'de> Deserialize<'de> for LeakyBucketConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        config.check().map_err(D::Error::custom)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails<T: serde::de::DeserializeOwned>(text: &str) -> bool {
        serde_json::from_str::<T>(text).is_err()
    }

    #[test]
    fn defaults_fill_what_is_not_given() {
        let config: RateConfig = serde_json::from_str(r#"{"requests": 5, "period_ms": 60000}"#).unwrap();
        assert_eq!(config, RateConfig { requests: 5, period_ms: 60_000, burst: None });
        assert_eq!(config.burst(), 5);
        assert_eq!(serde_json::from_str::<KeyedConfig>("{}").unwrap(), KeyedConfig::default());
        assert_eq!(serde_json::from_str::<LeakyBucketConfig>("{}").unwrap(), LeakyBucketConfig::default());
    }

    #[test]
    fn bad_values_do_not_load() {
        assert!(fails::<RateConfig>(r#"{"requests": 0}"#));
        assert!(fails::<RateConfig>(r#"{"period_ms": 0}"#));
        assert!(fails::<RateConfig>(r#"{"burst": 0}"#));
        assert!(fails::<RateConfig>(r#"{"rate": 1}"#));
        assert!(fails::<RateConfig>(r#"{"requests": 1, "period_ms": 86400000, "burst": 2}"#));
        assert!(fails::<KeyedConfig>(r#"{"max_keys": 1}"#));
        assert!(fails::<KeyedConfig>(r#"{"requests": 0}"#));
        assert!(fails::<LeakyBucketConfig>(r#"{"max_wait_ms": 60001}"#));
    }
}
