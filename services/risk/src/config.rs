//! The configuration of the risk service.

use std::num::NonZeroUsize;
use std::time::Duration;

use messaging::{ConsumerConfig, KafkaConfig};
use mongo::MongoConfig;
use serde::Deserialize;
use service::ServiceConfig;
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::tls::TlsConfig;

use crate::domain::Rules;

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
    /// Version 1 of the rules: those that hold until an administrator replaces them. All replicas must have the same.
    /// By default nothing is counted and no usual order is refused.
    #[serde(default)]
    pub rules: Rules,
    /// Counting orders.
    #[serde(default)]
    pub velocity: VelocityConfig,
    /// The broker that orders to be looked at again come from.
    pub kafka: KafkaConfig,
    /// How they are looked at.
    #[serde(default)]
    pub consumer: ConsumerConfig,
}

/// `[velocity]`: how orders are counted, while a rule asks for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VelocityConfig {
    /// How often a replica reads the rules, and tells the others what it has counted, in ms; 1,000. Others' orders
    /// count that much later, and a replica that is killed takes the counts of that time with it.
    pub exchange_period_ms: u64,
    /// The most counts in memory, one a subject and 5 s in which it has ordered; 500,000, about 50 MB. Beyond, orders
    /// of those that have not been counted in those 5 s are not.
    pub max_counts: NonZeroUsize,
    /// The most attempts that are remembered in order to count each once; 500,000, about 30 MB. Beyond, the oldest are
    /// forgotten.
    pub max_attempts: NonZeroUsize,
    /// The most counts that are told at once; 2,000. Beyond, the highest are, and the others in their turn.
    pub max_told: NonZeroUsize,
}

impl Default for VelocityConfig {
    fn default() -> Self {
        Self {
            exchange_period_ms: 1_000,
            max_counts: const { NonZeroUsize::new(500_000).unwrap() },
            max_attempts: const { NonZeroUsize::new(500_000).unwrap() },
            max_told: const { NonZeroUsize::new(2_000).unwrap() },
        }
    }
}

impl VelocityConfig {
    pub(crate) fn exchange_period(&self) -> Duration {
        Duration::from_millis(self.exchange_period_ms.max(1))
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
    use crate::domain::{Rule, When};

    fn config(rules: &str) -> Result<Config, toml::de::Error> {
        let rest = r#"
            server.listen = "127.0.0.1:0"
            admin.listen = "127.0.0.1:0"
            mongo = { uri = "mongodb://localhost", database = "x" }
            kafka.brokers = "localhost:9092"
        "#;
        toml::from_str(&format!("{rest}\n{rules}"))
    }

    #[test]
    fn rules_are_read_and_checked_when_loaded() {
        assert_eq!(config("").unwrap().rules, Rules::default());
        let given = r#"
            [rules]
            reject_at = 50
            [[rules.list]]
            points = 50
            when = { kind = "orders_of_user", most = 20, within_seconds = 60 }
        "#;
        let rule = Rule { points: 50, when: When::OrdersOfUser { most: 20, within_seconds: 60 } };
        assert_eq!(config(given).unwrap().rules, Rules::new(50, vec![rule]).unwrap());
        for (good, bad) in [("points = 50", "points = 0"), ("most", "least"), ("= 60", "= 61"), ("reject_at", "reject")]
        {
            assert!(config(&given.replace(good, bad)).is_err(), "{bad}");
        }
    }
}
