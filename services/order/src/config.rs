//! The configuration of the order service.

use std::num::NonZeroUsize;
use std::time::Duration;

use balance::UpstreamConfig;
use messaging::{KafkaConfig, OutboxConfig};
use mongo::MongoConfig;
use resilience::{BreakerConfig, BulkheadConfig, PolicyConfig, RetryConfig, WindowConfig};
use serde::{Deserialize, Deserializer};
use service::ServiceConfig;
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::page::PageTokensConfig;
use service::tls::TlsConfig;

use crate::domain::LaneLimits;

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
    /// The replicas of risk. A customer waits for its verdict: unless time-out, retries, breaker, bulkhead or hedge are
    /// given, it has 200 ms and one attempt, and when half of the last 50 verdicts, of 20 at least, have failed or took
    /// that long, it is not asked for 5 s; then a single order tries whether it is well again.
    #[serde(deserialize_with = "risk_upstream")]
    pub risk: UpstreamConfig,
}

/// How long a customer waits for a verdict, in ms.
const VERDICT_MS: u64 = 200;

fn risk_upstream<'de, D: Deserializer<'de>>(from: D) -> Result<UpstreamConfig, D::Error> {
    let upstream = UpstreamConfig::deserialize(from)?;
    let is_given = upstream.policy != PolicyConfig::default();
    Ok(if is_given { upstream } else { UpstreamConfig { policy: verdict_policy(), ..upstream } })
}

/// Each probe may cost an order the whole time-out, so there is one.
fn verdict_policy() -> PolicyConfig {
    PolicyConfig {
        attempt_timeout_ms: VERDICT_MS,
        retry: RetryConfig { max_attempts: 1, ..RetryConfig::default() },
        breaker: BreakerConfig {
            window: WindowConfig::Calls(50),
            min_calls: 20,
            failure_percent: 50,
            slow_percent: 50,
            slow_ms: VERDICT_MS,
            open_ms: 5_000,
            probes: 1,
            ..BreakerConfig::default()
        },
        // Whoever would have to wait for a place is better served by the rules at hand.
        bulkhead: BulkheadConfig { max_waiting: 0, ..BulkheadConfig::default() },
        ..PolicyConfig::default()
    }
}

/// `[orders]`: rules for orders, and the pace of what happens to them without a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrdersConfig {
    /// How long an order waits to be paid, in ms; 900,000 (15 minutes).
    pub payment_window_ms: u64,
    /// How often orders are looked for that have expired, in ms; 200. Their stock is back within a second as long as
    /// this is well below it.
    pub expiry_period_ms: u64,
    /// How long an attempt to pay has an order to itself, in ms; 20,000. It must be longer than the longest request
    /// deadline together with the 5 s in which a commit may still be decided.
    pub payment_lease_ms: u64,
    /// How long a price may be sold after it has changed, in ms; 2,000.
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
    /// How many orders may wait for a batch; 4,096. Beyond, orders are refused with `OVERLOADED`.
    pub max_waiting_orders: usize,
    /// How many cancellations and expiries may wait beyond that, so that new orders don't keep stock from coming back;
    /// 1,000, which is what an expiry lines up at once.
    pub max_waiting_releases: usize,
    /// How many bytes the waiting orders may take, about; 33,554,432 (32 MiB).
    pub max_waiting_bytes: usize,
    /// The most orders in a batch; 256.
    pub max_batch_orders: NonZeroUsize,
    /// The most order lines in a batch; 2,000. An order with more goes alone.
    pub max_batch_lines: usize,
    /// The most bytes in a batch, about; 4,194,304 (4 MiB). MongoDB takes 48 MB in one command.
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

impl LanesConfig {
    pub(crate) fn limits(&self) -> LaneLimits {
        LaneLimits {
            lanes: self.count.get(),
            waiting: self.max_waiting_orders,
            reserved: self.max_waiting_releases,
            waiting_bytes: self.max_waiting_bytes,
            batch_orders: self.max_batch_orders.get(),
            batch_lines: self.max_batch_lines,
            batch_bytes: self.max_batch_bytes,
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
    use super::*;

    fn upstreams(risk: &str) -> UpstreamsConfig {
        let text = format!("inventory = 'http://a:1'\npayment = 'http://b:1'\nrisk = {risk}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn verdicts_have_a_policy_of_their_own_until_one_is_given() {
        let usual = upstreams("['http://c:1', 'http://d:1']");
        assert_eq!(usual.risk.policy, verdict_policy());
        assert_eq!(usual.payment.policy, PolicyConfig::default());
        let table = upstreams("{ endpoints = 'http://c:1', strategy = 'rendezvous' }");
        assert_eq!(table.risk.policy, verdict_policy());
        let given = upstreams("{ endpoints = 'http://c:1', attempt_timeout_ms = 300 }");
        assert_eq!(given.risk.policy, PolicyConfig { attempt_timeout_ms: 300, ..PolicyConfig::default() });
    }
}
