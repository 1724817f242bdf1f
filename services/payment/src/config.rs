//! What the payment service can be told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use messaging::{KafkaConfig, OutboxConfig};
use mongo::MongoConfig;
use primitives::Currency;
use serde::Deserialize;
use service::ServiceConfig;
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
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
    /// Customers' accounts.
    #[serde(default)]
    pub accounts: AccountsConfig,
    /// The card provider.
    pub card: CardConfig,
    /// The background work on card payments whose outcome is unknown.
    #[serde(default)]
    pub resolver: ResolverConfig,
    /// Events that are written together with changes.
    #[serde(default)]
    pub outbox: OutboxConfig,
    /// The broker that they are published to.
    pub kafka: KafkaConfig,
}

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

impl Config {
    /// Checks what one section asks of another.
    ///
    /// # Errors
    /// When the resolver would give a payment up while the provider may still be asked to capture it, or a bound is 0.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.card.timeout_ms > 0, "[card] timeout_ms must be at least 1");
        ensure!(self.resolver.period_ms > 0, "[resolver] period_ms must be at least 1");
        ensure!(
            self.resolver.grace_ms > self.card.timeout_ms,
            "[resolver] grace_ms must be longer than [card] timeout_ms, the longest call to the provider"
        );
        Ok(())
    }
}

/// `[accounts]`: customers' balances.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountsConfig {
    /// The one currency of the shop, as an ISO 4217 code; `USD` by default. Changing it once there are accounts is not
    /// supported: their payments are then refused as a fault of ours.
    pub currency: Currency,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self { currency: Currency::USD }
    }
}

/// `[card]`: the card provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardConfig {
    /// The root of the provider's API: `https://…`, or `http://…` for the sandbox or a proxy on the same host.
    pub provider_url: String,
    /// A file with the key that the provider knows us by.
    pub api_key_file: PathBuf,
    /// How long one call to the provider may take, in ms; 3,000 by default. The caller's deadline bounds it too.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

impl CardConfig {
    /// How long one call to the provider may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn default_timeout_ms() -> u64 {
    3_000
}

/// `[resolver]`: how card payments whose outcome is unknown are brought to an end.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResolverConfig {
    /// How often payments that are due are looked for, in ms; 1,000 by default.
    pub period_ms: u64,
    /// How long a new payment is left to the request that made it, in ms; 2,000 by default. Earlier looks are safe
    /// but mostly wasted.
    pub first_look_ms: u64,
    /// The age, in ms, at which a payment that the provider has never heard of is given up, after the provider has
    /// been told to refuse it from then on; 60,000 by default. Longer than `[card] timeout_ms`.
    pub grace_ms: u64,
}

impl ResolverConfig {
    /// How often payments that are due are looked for.
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.period_ms)
    }

    /// How long a new payment is left to the request that made it.
    pub fn first_look(&self) -> Duration {
        Duration::from_millis(self.first_look_ms)
    }

    /// The age at which a payment that the provider has never heard of is given up.
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self { period_ms: 1_000, first_look_ms: 2_000, grace_ms: 60_000 }
    }
}
