//! The configuration of DNS lookups.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `dns`: how names are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct DnsConfig {
    /// The least time between the starts of two lookups of a name, in ms; 1,000 by default, from 10 to 3,600,000. It
    /// bounds shorter times to live, and the lookups that failed connections request.
    pub min_refresh_ms: u64,
    /// The longest time between two lookups, in ms; 30,000 by default, from `min_refresh_ms` to 3,600,000. It bounds
    /// longer times to live.
    pub max_refresh_ms: u64,
    /// The time-out of a query, in ms; 2,000 by default, from 10 to 60,000. A lookup of SRV records takes two: one for
    /// the records, one for the addresses of all their hosts.
    pub timeout_ms: u64,
    /// The pause after a failed or empty lookup, in ms; 1,000 by default, from 10 to 3,600,000.
    pub failure_retry_ms: u64,
    /// The name server; by default those of `resolv.conf`, with its search list and the hosts file.
    pub nameserver: Option<SocketAddr>,
    /// The most replicas of one upstream; 256 by default, from 1 to 4,096. More are ignored.
    pub max_endpoints: usize,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            min_refresh_ms: 1_000,
            max_refresh_ms: 30_000,
            timeout_ms: 2_000,
            failure_retry_ms: 1_000,
            nameserver: None,
            max_endpoints: 256,
        }
    }
}

impl DnsConfig {
    pub(super) fn min_refresh(&self) -> Duration {
        Duration::from_millis(self.min_refresh_ms)
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn failure_retry(&self) -> Duration {
        Duration::from_millis(self.failure_retry_ms)
    }

    /// How long an answer with this time to live, in seconds, is used.
    pub(super) fn lifetime(&self, ttl: u32) -> Duration {
        let most = Duration::from_millis(self.max_refresh_ms);
        Duration::from_secs(ttl.into()).min(most).max(self.min_refresh())
    }
}

impl<'de> Deserialize<'de> for DnsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived function, which `remote` turns into an inherent one.
        let config = Self::deserialize(deserializer)?;
        let bounds: [(&str, u64, RangeInclusive<u64>); 4] = [
            ("min_refresh_ms", config.min_refresh_ms, 10..=3_600_000),
            ("max_refresh_ms", config.max_refresh_ms, config.min_refresh_ms..=3_600_000),
            ("timeout_ms", config.timeout_ms, 10..=60_000),
            ("failure_retry_ms", config.failure_retry_ms, 10..=3_600_000),
        ];
        for (field, value, allowed) in bounds {
            if !allowed.contains(&value) {
                let (least, most) = allowed.into_inner();
                return Err(D::Error::custom(format_args!("{field} must be from {least} to {most}, not {value}")));
            }
        }
        if !(1..=4_096).contains(&config.max_endpoints) {
            return Err(D::Error::custom("max_endpoints must be from 1 to 4096"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn load(value: serde_json::Value) -> Result<DnsConfig, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn values_out_of_bounds_do_not_load() {
        assert_eq!(load(json!({})).unwrap(), DnsConfig::default());
        let some = load(json!({"min_refresh_ms": 500, "nameserver": "127.0.0.1:53"})).unwrap();
        assert_eq!((some.min_refresh_ms, some.max_refresh_ms), (500, 30_000));
        for bad in [
            json!({"min_refresh_ms": 0}),
            json!({"min_refresh_ms": 30_001}),
            json!({"max_refresh_ms": 999}),
            json!({"timeout_ms": 60_001}),
            json!({"failure_retry_ms": 1}),
            json!({"max_endpoints": 0}),
            json!({"nameserver": "localhost"}),
            json!({"refresh_ms": 1}),
        ] {
            assert!(load(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_to_live_are_bounded() {
        let config = DnsConfig::default();
        let lifetimes = [0, 5, u32::MAX].map(|ttl| config.lifetime(ttl).as_secs());
        assert_eq!(lifetimes, [1, 5, 30]);
    }
}
