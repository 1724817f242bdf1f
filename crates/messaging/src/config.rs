//! What a process that publishes or consumes events can be told.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use service::config::within;

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

/// `[consumer]`: how events are applied.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerConfig {
    /// How many batches are applied at once; the events of a key always have the same one's turn; 4.
    pub workers: NonZeroU32,
    /// The most events that wait for a worker; 1,000. Beyond, the broker keeps them.
    pub max_waiting: NonZeroU32,
    /// The most events that are applied in one transaction; 200.
    pub max_batch: NonZeroU32,
    /// How long a worker gathers events before it applies them together, in ms; 250, 5,000 at most. What is applied
    /// later is applied in fewer transactions, which leaves more of the database to orders; a batch that is full is not
    /// held up.
    #[serde(deserialize_with = "within::<0, 5_000, _, _>")]
    pub linger_ms: u64,
    /// The most events a second that all workers together apply, so that a burst becomes lag rather than load on the
    /// database; 5,000.
    pub max_events_per_second: NonZeroU32,
    /// How often the events of a key are tried before the key is parked; 5.
    pub attempts: NonZeroU32,
    /// The first pause between two attempts, in ms; 100. It doubles up to 5 s.
    pub first_pause_ms: u64,
    /// How often keys that are parked are tried again, in ms; 5,000.
    pub parked_period_ms: u64,
    /// How long an event stays parked before it becomes a dead letter, in hours; 24.
    pub parked_hours: u64,
    /// How long it is remembered that an event was applied, in days; 35. It must be longer than the broker keeps events
    /// and outboxes keep entries.
    pub remember_days: u64,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            workers: const { NonZeroU32::new(4).unwrap() },
            max_waiting: const { NonZeroU32::new(1_000).unwrap() },
            max_batch: const { NonZeroU32::new(200).unwrap() },
            linger_ms: 250,
            max_events_per_second: const { NonZeroU32::new(5_000).unwrap() },
            attempts: const { NonZeroU32::new(5).unwrap() },
            first_pause_ms: 100,
            parked_period_ms: 5_000,
            parked_hours: 24,
            remember_days: 35,
        }
    }
}

impl ConsumerConfig {
    /// What a worker may have waiting.
    pub(crate) fn share(&self) -> usize {
        usize::try_from(self.max_waiting.get().div_ceil(self.workers.get())).unwrap_or(usize::MAX)
    }

    /// The most that a worker applies at once: a batch, or all that it may have.
    pub(crate) fn batch(&self) -> usize {
        usize::try_from(self.max_batch.get()).unwrap_or(usize::MAX).min(self.share())
    }

    pub(crate) fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms)
    }

    pub(crate) fn first_pause(&self) -> Duration {
        Duration::from_millis(self.first_pause_ms)
    }

    pub(crate) fn parked_period(&self) -> Duration {
        Duration::from_millis(self.parked_period_ms)
    }

    pub(crate) fn parked_for(&self) -> Duration {
        Duration::from_secs(self.parked_hours * HOUR_SECONDS)
    }

    pub(crate) fn remember_for(&self) -> Duration {
        Duration::from_secs(self.remember_days * 24 * HOUR_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    #[test]
    fn events_are_gathered_for_5_s_at_most() {
        let load =
            |ms: u64| ConsumerConfig::deserialize(MapDeserializer::<_, Error>::new([("linger_ms", ms)].into_iter()));
        assert_eq!(load(5_000).unwrap().linger(), Duration::from_secs(5));
        assert!(load(0).is_ok() && load(5_001).is_err());
    }
}
