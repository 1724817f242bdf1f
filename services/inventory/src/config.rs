//! The configuration of the inventory service.

use messaging::{KafkaConfig, OutboxConfig};
use mongo::MongoConfig;
use primitives::Currency;
use serde::Deserialize;
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
    /// The catalogue.
    #[serde(default)]
    pub catalogue: CatalogueConfig,
    /// Events that are written together with changes.
    #[serde(default)]
    pub outbox: OutboxConfig,
    /// The broker that they are published to.
    pub kafka: KafkaConfig,
}

/// `[catalogue]`: rules of the shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogueConfig {
    /// The currency of all prices, so that the lines of an order add up; USD by default.
    pub currency: Currency,
}

impl Default for CatalogueConfig {
    fn default() -> Self {
        Self { currency: Currency::USD }
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
