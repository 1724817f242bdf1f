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
use service::ServiceConfig;
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::page::PageTokensConfig;
use service::tls::TlsConfig;

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gRPC server.
    pub server: ServerConfig,
    /// The admin port.
    pub admin: AdminConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
    /// Where traces go.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// Mutual TLS with other services; without it calls between them are plain.
    pub tls: Option<TlsConfig>,
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
    /// Events that are written together with changes.
    #[serde(default)]
    pub outbox: OutboxConfig,
    /// The broker that they are published to.
    pub kafka: KafkaConfig,
}

/// `[upstreams]`: the services that this one calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// The replicas of inventory.
    pub inventory: UpstreamConfig,
    /// The replicas of payment.
    pub payment: UpstreamConfig,
    /// The replicas of risk. A customer waits for its verdict, so what is not given of time-out, retries, breaker and
    /// bulkhead is not as for other upstreams: 200 ms and one attempt, and when half of the last 50 verdicts, of 20 at
    /// least, have failed or took that long, no order waits for one; every 5 s a single one is asked for, beside an
    /// order, to see whether it is well again.
    #[serde(deserialize_with = "risk_upstream")]
    pub risk: UpstreamConfig,
}

fn risk_upstream<'de, D: Deserializer<'de>>(from: D) -> Result<UpstreamConfig, D::Error> {
    let mut upstream = match Value::deserialize(from)? {
        table @ Value::Object(_) => table,
        endpoints => json!({ "endpoints": endpoints }),
    };
    let of_verdicts = json!({
        "attempt_timeout_ms": 200,
        "retry": { "max_attempts": 1 },
        "breaker": {
            // Ten late verdicts open it, each of which a customer waited 200 ms for.
            "window": { "calls": 20 },
            "min_calls": 10,
            "failure_percent": 50,
            "slow_percent": 50,
            "slow_ms": 200,
            "open_ms": 5_000,
            "probes": 1,
        },
        // Whoever would have to wait for a place is better served by the rules at hand.
        "bulkhead": { "max_waiting": 0 },
    });
    lay_under(&mut upstream, of_verdicts);
    UpstreamConfig::deserialize(upstream).map_err(D::Error::custom)
}

/// Adds what is not there.
fn lay_under(over: &mut Value, under: Value) {
    let (Value::Object(over), Value::Object(under)) = (over, under) else { return };
    for (name, value) in under {
        match over.get_mut(&name) {
            // Either calls or seconds.
            Some(_given) if name == "window" => {}
            Some(given) => lay_under(given, value),
            None => {
                over.insert(name, value);
            }
        }
    }
}

/// `[orders]`: rules for orders, and the pace of what happens to them without a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrdersConfig {
    /// How long an order waits to be paid, in ms; 900,000 (15 minutes), from 1 to 2,592,000,000 (30 days).
    #[serde(deserialize_with = "within::<1, 2_592_000_000, _, _>")]
    pub payment_window_ms: u64,
    /// How often orders are looked for that have expired, in ms; 200, from 10 to 60,000. Their stock is back within a
    /// second as long as this is well below it.
    #[serde(deserialize_with = "within::<10, 60_000, _, _>")]
    pub expiry_period_ms: u64,
    /// How long an attempt to pay has an order to itself, in ms; 20,000, up to 600,000. It must be longer than the
    /// longest request deadline together with the 5 s in which a commit may still be decided.
    #[serde(deserialize_with = "within::<1, 600_000, _, _>")]
    pub payment_lease_ms: u64,
    /// How long a price may be sold after it has changed, in ms; 2,000, up to 3,600,000.
    #[serde(deserialize_with = "within::<0, 3_600_000, _, _>")]
    pub price_cache_ms: u64,
    /// The largest order that is accepted, whatever the risk service says, in minor units; none by default.
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
    /// How many batches are committed at once; 2. One for each connection to MongoDB that may be busy with commits.
    pub count: NonZeroUsize,
    /// How many orders may wait for a batch; 4,096, from 1 to 1,000,000. Beyond, orders are refused with `OVERLOADED`.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_waiting_orders: usize,
    /// How many cancellations and expiries may wait beyond that, so that new orders don't keep stock from coming back;
    /// 1,000, which is what an expiry lines up at once, from 1 to 1,000,000.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_waiting_releases: usize,
    /// How many bytes the waiting orders may take, about; 33,554,432 (32 MiB), from 1 MiB to 16 GiB.
    #[serde(deserialize_with = "within::<1_048_576, 17_179_869_184, _, _>")]
    pub max_waiting_bytes: usize,
    /// The most orders in a batch; 256.
    pub max_batch_orders: NonZeroUsize,
    /// The most order lines in a batch; 2,000, from 1 to 100,000. An order with more goes alone.
    #[serde(deserialize_with = "within::<1, 100_000, _, _>")]
    pub max_batch_lines: usize,
    /// The most bytes in a batch, about; 4,194,304 (4 MiB), from 64 KiB to 32 MiB. MongoDB takes 48 MB in one command.
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

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
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
    fn verdicts_have_defaults_of_their_own_for_what_is_not_given() {
        let usual = risk("['http://c:1', 'http://d:1']");
        assert_eq!((usual.attempt_timeout_ms, usual.retry.max_attempts), (200, 1));
        assert_eq!((usual.breaker.slow_ms, usual.bulkhead.max_waiting), (200, 0));
        assert_eq!(risk("{ endpoints = 'http://c:1', strategy = 'rendezvous' }"), usual);
        // Even what is the default elsewhere.
        let attempt_timeout_ms = PolicyConfig::default().attempt_timeout_ms;
        let given = format!("{{ endpoints = 'http://c:1', attempt_timeout_ms = {attempt_timeout_ms} }}");
        assert_eq!(risk(&given), PolicyConfig { attempt_timeout_ms, ..usual });
        let breaker = BreakerConfig { open_ms: 9_000, window: WindowConfig::Seconds(3), ..usual.breaker };
        let given = "{ endpoints = 'http://c:1', breaker = { open_ms = 9000, window = { seconds = 3 } } }";
        assert_eq!(risk(given), PolicyConfig { breaker, ..usual });
    }

    #[test]
    fn what_would_stop_the_service_is_refused() {
        for bad in ["expiry_period_ms = 0", "payment_window_ms = 0", "payment_lease_ms = 0"] {
            assert!(toml::from_str::<OrdersConfig>(bad).is_err(), "{bad}");
        }
        for bad in ["max_waiting_orders = 0", "max_batch_lines = 0", "max_batch_bytes = 1"] {
            assert!(toml::from_str::<LanesConfig>(bad).is_err(), "{bad}");
        }
    }
}
