//! What the reconciliation service can be told.

use std::time::Duration;

use balancer::UpstreamConfig;
use jiff::civil::Time;
use messaging::{ConsumerConfig, KafkaConfig};
use mongo::MongoConfig;
use primitives::Currency;
use serde::Deserialize;
use service::ServiceConfig;
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::page::PageTokensConfig;
use service::tls::TlsConfig;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gRPC server.
    pub server: ServerConfig,
    /// The admin port.
    pub admin: AdminConfig,
    /// What is logged.
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
    /// Statements.
    #[serde(default)]
    pub statements: StatementsConfig,
    /// The broker that events come from.
    pub kafka: KafkaConfig,
    /// How events are applied.
    #[serde(default)]
    pub consumer: ConsumerConfig,
    /// The services whose books are compared.
    pub upstreams: UpstreamsConfig,
    /// When they are compared.
    #[serde(default)]
    pub reconciliation: ReconciliationConfig,
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

/// `[reconciliation]`: when the books are compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconciliationConfig {
    /// The time of day in UTC from which on the daily run is made; `03:00:00`.
    pub daily_at: Time,
    /// How often what has changed is compared, in ms; 10,000.
    pub incremental_period_ms: u64,
    /// How long events may take to be applied before they count as lost, in ms; 60,000. A broker that was away for
    /// longer makes them count as lost for a while; they are published again, which does no harm, and the next run
    /// finds nothing.
    pub settle_ms: u64,
    /// How far back events are compared, in hours; 144. It must be shorter than outboxes keep them.
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

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

/// `[statements]`: what is added up.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatementsConfig {
    /// The one currency of the shop, as an ISO 4217 code; `USD` by default. Events in another are refused, since
    /// amounts of two currencies can't be added.
    pub currency: Currency,
}

impl Default for StatementsConfig {
    fn default() -> Self {
        Self { currency: Currency::USD }
    }
}
