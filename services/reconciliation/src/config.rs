//! What the reconciliation service can be told.

use ids::Currency;
use mongo::MongoConfig;
use serde::Deserialize;
use service::ServiceConfig;
use service::config::{AdminConfig, LogConfig, ServerConfig};
use service::page::PageTokensConfig;

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
    /// The database.
    pub mongo: MongoConfig,
    /// The key of page tokens.
    pub page_tokens: PageTokensConfig,
    /// Statements.
    #[serde(default)]
    pub statements: StatementsConfig,
}

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
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
