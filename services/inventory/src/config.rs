//! The configuration of the inventory service.

use messaging::{KafkaConfig, OutboxConfig};
use mongo::MongoConfig;
use primitives::Currency;
use serde::Deserialize;
use service::config::ServerConfig;
use service::page::PageTokensConfig;

service::process_config! {
    /// The configuration of the inventory service.
    pub struct Config {
        /// The gRPC server.
        pub server: ServerConfig,
        /// The database.
        pub mongo: MongoConfig,
        /// The key of page tokens.
        pub page_tokens: PageTokensConfig,
        /// Rules of the catalogue.
        #[serde(default)]
        pub catalogue: CatalogueConfig,
        /// The outbox of events.
        #[serde(default)]
        pub outbox: OutboxConfig,
        /// The broker that events are published to.
        pub kafka: KafkaConfig,
    }
}

/// `[catalogue]`: rules of the catalogue.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogueConfig {
    /// The currency of all prices, so that order lines can be summed; USD by default.
    pub currency: Currency,
}

impl Default for CatalogueConfig {
    fn default() -> Self {
        Self { currency: Currency::USD }
    }
}
