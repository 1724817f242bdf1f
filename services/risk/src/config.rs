//! The configuration of the risk service.

use std::num::NonZeroUsize;
use std::time::Duration;

use messaging::{ConsumerConfig, KafkaConfig};
use mongo::MongoConfig;
use serde::Deserialize;
use service::config::ServerConfig;

use crate::domain::Rules;

service::process_config! {
    /// The configuration of the risk service.
    pub struct Config {
        /// The gRPC server.
        pub server: ServerConfig,
        /// The database.
        pub mongo: MongoConfig,
        /// Version 1 of the rules, in force until an administrator replaces them. All replicas must have the same. By
        /// default nothing is counted, and only extreme amounts are refused.
        #[serde(default)]
        pub rules: Rules,
        /// The counting of orders.
        #[serde(default)]
        pub velocity: VelocityConfig,
        /// The broker of orders to be reviewed.
        pub kafka: KafkaConfig,
        /// The consumer of orders to be reviewed.
        #[serde(default)]
        pub consumer: ConsumerConfig,
    }
}

/// `[velocity]`: the counting of orders, which is active while a rule needs it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VelocityConfig {
    /// The period in which a replica reads the rules and shares its counts with the others, in ms; 1,000. Orders at
    /// other replicas count with this delay, and a killed replica loses the counts of this time.
    pub exchange_period_ms: u64,
    /// The most counts in memory, one for each subject and 5 s interval with orders; 500,000, about 50 MB. Beyond that,
    /// orders of subjects without a count in the interval are not counted.
    pub max_counts: NonZeroUsize,
    /// The most attempts in memory, so that each counts once; 500,000, about 30 MB. Beyond that, the oldest are
    /// dropped.
    pub max_attempts: NonZeroUsize,
    /// The most counts shared at once; 2,000. Beyond that, the highest ones are, and the others in turn.
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
    fn rules_are_checked_on_load() {
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
