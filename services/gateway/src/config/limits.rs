//! `[limits]`

use balancer::discovery::{DnsConfig, Targets};
use resilience::rate::KeyedConfig;
use resilience::{AdaptiveLimitConfig, within};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;

/// `[limits]`: limits on concurrency and on the requests of one client.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The limit on concurrent requests, which adapts to their latency: from 16 to 2,000 by default, of which browsing
    /// may fill 75 %. Payments have a separate limit, up to 2,000.
    pub concurrency: AdaptiveLimitConfig,
    /// The most concurrent requests of one connection; 32, from 1 to 10,000. HTTP/1.1 has one at a time.
    #[serde(deserialize_with = "within::<1, 10_000, _, _>")]
    pub max_in_flight_per_connection: u32,
    /// Rate limits of one client, over all gateways.
    pub rates: RatesConfig,
    /// The number of gateways, among which the rates are divided; 1, from 1 to 1,024. With `peers`, it applies until
    /// they are found.
    #[serde(deserialize_with = "within::<1, 1_024, _, _>")]
    pub replicas: u32,
    /// All gateways, including this one: `"dns://gateway-headless:8080"`, or other targets as of an upstream. None by
    /// default. They are counted, never called.
    pub peers: Option<Targets>,
    /// DNS lookups of `peers`.
    pub dns: DnsConfig,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            concurrency: AdaptiveLimitConfig::default(),
            max_in_flight_per_connection: 32,
            rates: RatesConfig::default(),
            replicas: 1,
            peers: None,
            dns: DnsConfig::default(),
        }
    }
}

/// `[limits.rates]`: rate limits of one client, by kind of request. The client is the user of the access token, or else
/// the address (for IPv6 its /64). Each is a table such as `{ requests = 50, period_ms = 1000 }`, whose omitted
/// settings keep the defaults here: `requests` from 1 to 1,000,000, `period_ms` from 1 to a day, `burst`, by default
/// the same as `requests`, and `max_keys`, the most clients with their own bucket, from 16 to 16,777,216.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RatesConfig {
    /// Login and registration, by address: 60 a minute, which costs at most a few seconds of password hashing and still
    /// admits a whole office. The user service limits wrong passwords.
    #[serde(deserialize_with = "sessions")]
    pub sessions: KeyedConfig,
    /// Placing, cancelling and paying orders: 50 a second, for shops that order for many customers.
    #[serde(deserialize_with = "orders")]
    pub orders: KeyedConfig,
    /// Products and stock: 200 a second, for all clients behind one address.
    #[serde(deserialize_with = "browse")]
    pub browse: KeyedConfig,
    /// Every other call: 100 a second.
    #[serde(rename = "default", deserialize_with = "other")]
    pub other: KeyedConfig,
}

impl Default for RatesConfig {
    fn default() -> Self {
        let rate = |requests, period_ms| KeyedConfig { requests, period_ms, ..KeyedConfig::default() };
        Self {
            sessions: rate(60, MINUTE_MS),
            orders: rate(50, SECOND_MS),
            browse: rate(200, SECOND_MS),
            other: rate(100, SECOND_MS),
        }
    }
}

fn sessions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyedConfig, D::Error> {
    changed(RatesConfig::default().sessions, deserializer)
}

fn orders<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyedConfig, D::Error> {
    changed(RatesConfig::default().orders, deserializer)
}

fn browse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyedConfig, D::Error> {
    changed(RatesConfig::default().browse, deserializer)
}

fn other<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyedConfig, D::Error> {
    changed(RatesConfig::default().other, deserializer)
}

/// Overrides single settings of this limit's default. Without it `{ requests = 5 }` would also reset the period to that
/// of `KeyedConfig`.
fn changed<'de, D: Deserializer<'de>>(default: KeyedConfig, deserializer: D) -> Result<KeyedConfig, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Changes {
        requests: Option<u64>,
        period_ms: Option<u64>,
        burst: Option<u64>,
        max_keys: Option<u64>,
    }
    let changes = Changes::deserialize(deserializer)?;
    let changed = serde_json::json!({
        "requests": changes.requests.unwrap_or(default.requests.into()),
        "period_ms": changes.period_ms.unwrap_or(default.period_ms),
        "burst": changes.burst,
        "max_keys": changes.max_keys.unwrap_or(default.max_keys.into()),
    });
    // Deserialization checks the bounds.
    serde_json::from_value(changed).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn load(value: serde_json::Value) -> Result<LimitsConfig, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn omitted_settings_keep_their_defaults() {
        let rates = load(json!({ "rates": { "sessions": { "requests": 5 } } })).unwrap().rates;
        assert_eq!((rates.sessions.requests, rates.sessions.period_ms), (5, MINUTE_MS));
        assert_eq!(rates.sessions.rate().burst(), 5);
        assert_eq!(rates.browse, RatesConfig::default().browse);
        let rates = load(json!({ "rates": { "default": { "burst": 7 } } })).unwrap().rates;
        assert_eq!((rates.other.requests, rates.other.rate().burst()), (100, 7));
    }

    #[test]
    fn values_out_of_bounds_do_not_load() {
        assert!(load(json!({ "peers": "dns://gateway-headless:8080", "replicas": 3 })).is_ok());
        for bad in [
            json!({ "replicas": 0 }),
            json!({ "replicas": 1_025 }),
            json!({ "peers": "gateway" }),
            json!({ "max_in_flight_per_connection": 0 }),
            json!({ "rates": { "orders": { "requests": 0 } } }),
            json!({ "rates": { "orders": { "requests": 1, "period_ms": 86_400_000, "burst": 2 } } }),
            json!({ "rates": { "orders": { "rate": 5 } } }),
            json!({ "rates": { "payments": { "requests": 5 } } }),
            json!({ "concurrency": { "min": 0 } }),
            json!({ "global": {} }),
        ] {
            assert!(load(bad.clone()).is_err(), "{bad}");
        }
    }
}
