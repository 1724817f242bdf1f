//! The configuration of the payment service.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use messaging::{KafkaConfig, OutboxConfig};
use mongo::MongoConfig;
use primitives::Currency;
use serde::Deserialize;
use service::config::ServerConfig;

service::process_config! {
    /// The configuration of the payment service.
    pub struct Config {
        /// The gRPC server.
        pub server: ServerConfig,
        /// The database.
        pub mongo: MongoConfig,
        /// Customers' accounts.
        #[serde(default)]
        pub accounts: AccountsConfig,
        /// The card provider.
        pub card: CardConfig,
        /// The resolver of card payments whose outcome is unknown.
        #[serde(default)]
        pub resolver: ResolverConfig,
        /// The outbox of events.
        #[serde(default)]
        pub outbox: OutboxConfig,
        /// The broker that events are published to.
        pub kafka: KafkaConfig,
    }
}

impl Config {
    /// Checks constraints between sections.
    ///
    /// # Errors
    /// When the resolver would give up a payment that may still be captured at the provider, or a bound is 0.
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
    /// The single currency of the shop, as an ISO 4217 code; `USD` by default. It can't be changed once there are
    /// accounts: their payments would fail with `INTERNAL`.
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
    /// A file with the provider's API key.
    pub api_key_file: PathBuf,
    /// The time-out of a call to the provider, in ms; 3,000 by default. The caller's deadline bounds it too.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

impl CardConfig {
    /// The time-out of a call to the provider.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn default_timeout_ms() -> u64 {
    3_000
}

/// `[resolver]`: the resolution of card payments whose outcome is unknown.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResolverConfig {
    /// The period of the search for due payments, in ms; 1,000 by default.
    pub period_ms: u64,
    /// How long a new payment is left to its request, in ms; 2,000 by default. Earlier checks are safe but mostly
    /// useless.
    pub first_look_ms: u64,
    /// The age, in ms, at which a payment unknown to the provider is given up, after the provider has been told to
    /// refuse it from then on; 60,000 by default. It must exceed `[card] timeout_ms`.
    pub grace_ms: u64,
}

impl ResolverConfig {
    /// The period of the search for due payments.
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.period_ms)
    }

    /// How long a new payment is left to its request.
    pub fn first_look(&self) -> Duration {
        Duration::from_millis(self.first_look_ms)
    }

    /// The age at which a payment unknown to the provider is given up.
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self { period_ms: 1_000, first_look_ms: 2_000, grace_ms: 60_000 }
    }
}
