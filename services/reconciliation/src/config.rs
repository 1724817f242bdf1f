//! The configuration of the reconciliation service.

use std::time::Duration;

use balancer::UpstreamConfig;
use jiff::civil::Time;
use messaging::{ConsumerConfig, KafkaConfig};
use mongo::MongoConfig;
use primitives::Currency;
use serde::Deserialize;
use service::config::ServerConfig;
use service::page::PageTokensConfig;

service::process_config! {
    /// The configuration of the reconciliation service.
    pub struct Config {
        /// The gRPC server.
        pub server: ServerConfig,
        /// The database.
        pub mongo: MongoConfig,
        /// The key of page tokens.
        pub page_tokens: PageTokensConfig,
        /// Statements.
        #[serde(default)]
        pub statements: StatementsConfig,
        /// The broker that events come from.
        pub kafka: KafkaConfig,
        /// The consumer of events.
        #[serde(default)]
        pub consumer: ConsumerConfig,
        /// The services whose books are compared.
        pub upstreams: UpstreamsConfig,
        /// The schedule of the comparisons.
        #[serde(default)]
        pub reconciliation: ReconciliationConfig,
    }
}

/// `[upstreams]`: the services whose books are compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// The replicas of order.
    pub order: UpstreamConfig,
    /// The replicas of inventory.
    pub inventory: UpstreamConfig,
    /// The replicas of payment.
    pub payment: UpstreamConfig,
}

/// `[reconciliation]`: the schedule of the comparisons.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconciliationConfig {
    /// The time of day in UTC of the daily run; `03:00:00`.
    pub daily_at: Time,
    /// The period of incremental runs, in ms; 10,000.
    pub incremental_period_ms: u64,
    /// The age at which an event that has not been applied counts as lost, in ms; 60,000. After a longer outage of the
    /// broker events count as lost for a while: they are published again, which is harmless, and the next run finds no
    /// difference.
    pub settle_ms: u64,
    /// How far back events are compared, in hours; 144. It must be less than the retention of the outboxes.
    pub events_hours: u64,
}

impl Default for ReconciliationConfig {
    fn default() -> Self {
        Self {
            daily_at: Time::constant(3, 0, 0, 0),
            incremental_period_ms: 10_000,
            settle_ms: 60_000,
            events_hours: 144,
        }
    }
}

impl ReconciliationConfig {
    pub(crate) fn incremental_period(&self) -> Duration {
        Duration::from_millis(self.incremental_period_ms)
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    pub(crate) fn events_kept(&self) -> Duration {
        Duration::from_secs(self.events_hours * 60 * 60)
    }
}

/// `[statements]`: rules of statements.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatementsConfig {
    /// The single currency of the shop, as an ISO 4217 code; `USD` by default. Events in other currencies are refused,
    /// since their amounts can't be added.
    pub currency: Currency,
}

impl Default for StatementsConfig {
    fn default() -> Self {
        Self { currency: Currency::USD }
    }
}
