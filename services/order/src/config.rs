//! The configuration of the order service.

use std::num::NonZeroUsize;
use std::time::Duration;

use balancer::UpstreamConfig;
use messaging::{KafkaConfig, OutboxConfig};
use mongo::MongoConfig;
use resilience::within;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use service::config::ServerConfig;
use service::page::PageTokensConfig;

service::process_config! {
    /// The configuration of the order service.
    pub struct Config {
        /// The gRPC server.
        pub server: ServerConfig,
        /// The database.
        pub mongo: MongoConfig,
        /// The key of page tokens.
        pub page_tokens: PageTokensConfig,
        /// The services that this one calls.
        pub upstreams: UpstreamsConfig,
        /// Rules for orders.
        #[serde(default)]
        pub orders: OrdersConfig,
        /// The commit lanes.
        #[serde(default)]
        pub lanes: LanesConfig,
        /// The outbox of events.
        #[serde(default)]
        pub outbox: OutboxConfig,
        /// The broker that events are published to.
        pub kafka: KafkaConfig,
    }
}

/// `[upstreams]`: the services that this one calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// The replicas of inventory.
    pub inventory: UpstreamConfig,
    /// The replicas of payment.
    pub payment: UpstreamConfig,
    /// The replicas of risk. Customers wait for its verdict, so the defaults of its policy differ from other upstreams:
    /// 200 ms and one attempt; the breaker opens when half of the last 20 verdicts, of at least 10, failed or took that
    /// long, and sends a single probe every 5 s, for which no order waits; no call waits for the bulkhead.
    #[serde(deserialize_with = "risk_upstream")]
    pub risk: UpstreamConfig,
}

fn risk_upstream<'de, D: Deserializer<'de>>(from: D) -> Result<UpstreamConfig, D::Error> {
    let mut upstream = match Value::deserialize(from)? {
        table @ Value::Object(_) => table,
        endpoints => json!({ "endpoints": endpoints }),
    };
    let defaults = json!({
        "attempt_timeout_ms": 200,
        "retry": { "max_attempts": 1 },
        "breaker": {
            // Opened by ten late verdicts, for each of which a customer waited 200 ms.
            "window": { "calls": 20 },
            "min_calls": 10,
            "failure_percent": 50,
            "slow_percent": 50,
            "slow_ms": 200,
            "open_ms": 5_000,
            "probes": 1,
        },
        // Instead of waiting for a permit, an order is judged by the local rules.
        "bulkhead": { "max_waiting": 0 },
    });
    add_defaults(&mut upstream, defaults);
    UpstreamConfig::deserialize(upstream).map_err(D::Error::custom)
}

/// Adds the defaults of missing settings.
fn add_defaults(settings: &mut Value, defaults: Value) {
    let (Value::Object(settings), Value::Object(defaults)) = (settings, defaults) else { return };
    for (name, value) in defaults {
        match settings.get_mut(&name) {
            // An enum of calls or seconds, which can't be merged.
            Some(_given) if name == "window" => {}
            Some(given) => add_defaults(given, value),
            None => {
                settings.insert(name, value);
            }
        }
    }
}

/// `[orders]`: rules for orders, and the periods of background work.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrdersConfig {
    /// How long an order waits to be paid, in ms; 900,000 (15 minutes), from 1 to 2,592,000,000 (30 days).
    #[serde(deserialize_with = "within::<1, 2_592_000_000, _, _>")]
    pub payment_window_ms: u64,
    /// The period of the search for expired orders, in ms; 200, from 10 to 60,000. Their stock is released within a
    /// second if this is well below a second.
    #[serde(deserialize_with = "within::<10, 60_000, _, _>")]
    pub expiry_period_ms: u64,
    /// The lease of a payment attempt on its order, in ms; 20,000, up to 600,000. It must exceed the longest request
    /// deadline by more than the 5 s in which the outcome of a commit may still be open.
    #[serde(deserialize_with = "within::<1, 600_000, _, _>")]
    pub payment_lease_ms: u64,
    /// How long an old price may be sold after a change, in ms; 2,000, up to 3,600,000.
    #[serde(deserialize_with = "within::<0, 3_600_000, _, _>")]
    pub price_cache_ms: u64,
    /// The largest accepted order, regardless of risk verdicts, in minor units; no limit by default.
    pub max_order_amount: Option<i64>,
}

impl Default for OrdersConfig {
    fn default() -> Self {
        Self {
            payment_window_ms: 900_000,
            expiry_period_ms: 200,
            payment_lease_ms: 20_000,
            price_cache_ms: 2_000,
            max_order_amount: None,
        }
    }
}

impl OrdersConfig {
    pub(crate) fn payment_window(&self) -> Duration {
        Duration::from_millis(self.payment_window_ms)
    }

    pub(crate) fn expiry_period(&self) -> Duration {
        Duration::from_millis(self.expiry_period_ms)
    }

    pub(crate) fn payment_lease(&self) -> Duration {
        Duration::from_millis(self.payment_lease_ms)
    }

    pub(crate) fn price_cache(&self) -> Duration {
        Duration::from_millis(self.price_cache_ms)
    }
}

/// `[lanes]`: the commit lanes, which commit waiting orders in batches.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanesConfig {
    /// The number of lanes: batches that are committed concurrently, each on its own connection to MongoDB; 2.
    pub count: NonZeroUsize,
    /// The most orders that wait for a batch; 4,096, from 1 to 1,000,000. More are refused with `OVERLOADED`.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_waiting_orders: usize,
    /// The most cancellations and expiries that wait in addition, so that new orders do not block the release of stock;
    /// 1,000, the batch size of expiries, from 1 to 1,000,000.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_waiting_releases: usize,
    /// The approximate size of all waiting orders, in bytes; 33,554,432 (32 MiB), from 1 MiB to 16 GiB.
    #[serde(deserialize_with = "within::<1_048_576, 17_179_869_184, _, _>")]
    pub max_waiting_bytes: usize,
    /// The most orders in a batch; 256.
    pub max_batch_orders: NonZeroUsize,
    /// The most order lines in a batch; 2,000, from 1 to 100,000. A larger order has a batch of its own.
    #[serde(deserialize_with = "within::<1, 100_000, _, _>")]
    pub max_batch_lines: usize,
    /// The approximate size of a batch, in bytes; 4,194,304 (4 MiB), from 64 KiB to 32 MiB. A MongoDB command is
    /// limited to 48 MB.
    #[serde(deserialize_with = "within::<65_536, 33_554_432, _, _>")]
    pub max_batch_bytes: usize,
}

impl Default for LanesConfig {
    fn default() -> Self {
        Self {
            count: const { NonZeroUsize::new(2).unwrap() },
            max_waiting_orders: 4_096,
            max_waiting_releases: 1_000,
            max_waiting_bytes: 32 << 20,
            max_batch_orders: const { NonZeroUsize::new(256).unwrap() },
            max_batch_lines: 2_000,
            max_batch_bytes: 4 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use resilience::{BreakerConfig, PolicyConfig, WindowConfig};

    use super::*;

    fn risk(upstream: &str) -> PolicyConfig {
        let text = format!("inventory = 'http://a:1'\npayment = 'http://b:1'\nrisk = {upstream}");
        let upstreams: UpstreamsConfig = toml::from_str(&text).unwrap();
        assert_eq!(upstreams.payment.policy, PolicyConfig::default());
        upstreams.risk.policy
    }

    #[test]
    fn the_risk_upstream_has_its_own_defaults() {
        let usual = risk("['http://c:1', 'http://d:1']");
        assert_eq!((usual.attempt_timeout_ms, usual.retry.max_attempts), (200, 1));
        assert_eq!((usual.breaker.slow_ms, usual.bulkhead.max_waiting), (200, 0));
        assert_eq!(risk("{ endpoints = 'http://c:1', strategy = 'rendezvous' }"), usual);
        // Also if the value is the default of other upstreams.
        let attempt_timeout_ms = PolicyConfig::default().attempt_timeout_ms;
        let given = format!("{{ endpoints = 'http://c:1', attempt_timeout_ms = {attempt_timeout_ms} }}");
        assert_eq!(risk(&given), PolicyConfig { attempt_timeout_ms, ..usual });
        let breaker = BreakerConfig { open_ms: 9_000, window: WindowConfig::Seconds(3), ..usual.breaker };
        let given = "{ endpoints = 'http://c:1', breaker = { open_ms = 9000, window = { seconds = 3 } } }";
        assert_eq!(risk(given), PolicyConfig { breaker, ..usual });
    }

    #[test]
    fn values_out_of_bounds_do_not_load() {
        for bad in ["expiry_period_ms = 0", "payment_window_ms = 0", "payment_lease_ms = 0"] {
            assert!(toml::from_str::<OrdersConfig>(bad).is_err(), "{bad}");
        }
        for bad in ["max_waiting_orders = 0", "max_batch_lines = 0", "max_batch_bytes = 1"] {
            assert!(toml::from_str::<LanesConfig>(bad).is_err(), "{bad}");
        }
    }
}
