//! What a process that publishes or consumes events can be told.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

const HOUR_SECONDS: u64 = 60 * 60;

/// `[kafka]`: the broker, and the topics that this platform has there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Where the brokers are: `host:port`, with commas between them. The network must be private: the connection is not
    /// encrypted.
    pub brokers: String,
    /// What the names of topics and groups begin with; `fournines`. Platforms that share a broker differ in it.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// How many partitions a topic is made with: how many processes can consume it at once; 6.
    #[serde(default = "default_partitions")]
    pub partitions: NonZeroU32,
    /// On how many brokers a topic is kept; 1 by default, for a stack with one broker. Three or more brokers should
    /// have 3.
    #[serde(default = "default_replication")]
    pub replication: NonZeroU32,
    /// How long the broker keeps events, in hours; 168 (7 days).
    #[serde(default = "default_retention_hours")]
    pub retention_hours: u32,
}

impl KafkaConfig {
    /// For a broker, with every default.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            prefix: default_prefix(),
            partitions: default_partitions(),
            replication: default_replication(),
            retention_hours: default_retention_hours(),
        }
    }
}

fn default_prefix() -> String {
    "fournines".to_owned()
}

fn default_partitions() -> NonZeroU32 {
    const { NonZeroU32::new(6).unwrap() }
}

fn default_replication() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn default_retention_hours() -> u32 {
    168
}

/// `[outbox]`: the events that are written together with changes, and the relay that publishes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboxConfig {
    /// Into how many shards the events are divided, each published by one replica at a time; 2. All replicas of a
    /// service must have the same number, and it is changed only while nothing waits to be published.
    pub shards: NonZeroU32,
    /// The most entries of one round of the relay; 500. An entry holds what one transaction wrote of a shard.
    pub round_entries: NonZeroU32,
    /// How long events are kept after they were published, in hours, so that they can be published again; 168.
    pub retention_hours: u64,
    /// How often the relay looks when nothing wakes it, in ms; 500.
    pub poll_period_ms: u64,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            shards: const { NonZeroU32::new(2).unwrap() },
            round_entries: const { NonZeroU32::new(500).unwrap() },
            retention_hours: 168,
            poll_period_ms: 500,
        }
    }
}

impl OutboxConfig {
    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_hours * HOUR_SECONDS)
    }

    pub(crate) fn poll_period(&self) -> Duration {
        Duration::from_millis(self.poll_period_ms)
    }
}
