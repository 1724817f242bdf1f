//! The configuration of the order service.

use std::time::Duration;

use mongo::MongoConfig;
use serde::Deserialize;
use service::ServiceConfig;
use service::config::{AdminConfig, Endpoints, LogConfig, ServerConfig};
use service::page::PageTokensConfig;

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
    /// The database.
    pub mongo: MongoConfig,
    /// The key of page tokens.
    pub page_tokens: PageTokensConfig,
    /// The services that this one calls.
    pub upstreams: UpstreamsConfig,
    /// Rules for orders.
    #[serde(default)]
    pub orders: OrdersConfig,
}

/// `[upstreams]`: the services that this one calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// The replicas of inventory.
    pub inventory: Endpoints,
    /// The replicas of payment.
    pub payment: Endpoints,
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
    /// The largest order that the local risk rules accept, in minor units; none by default.
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

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }
}
