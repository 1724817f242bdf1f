//! The configuration of processes that publish or consume events.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use service::config::within;

const HOUR_SECONDS: u64 = 60 * 60;

/// `[kafka]`: the broker, and this platform's topics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// The brokers as `host:port`, separated by commas. The network must be private: connections are not encrypted.
    pub brokers: String,
    /// The prefix of the names of topics and groups; `fournines`. Platforms that share a broker need different ones.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// The number of partitions of a new topic, which bounds the processes that can consume it in parallel; 6.
    #[serde(default = "default_partitions")]
    pub partitions: NonZeroU32,
    /// The replication factor of a new topic; 1 by default, for a stack with one broker. Use 3 with three or more
    /// brokers.
    #[serde(default = "default_replication")]
    pub replication: NonZeroU32,
    /// How long the broker keeps events, in hours; 168 (7 days).
    #[serde(default = "default_retention_hours")]
    pub retention_hours: u32,
}

impl KafkaConfig {
    /// For a broker, with all defaults.
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

/// `[outbox]`: the events that are written with changes, and the relay that publishes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboxConfig {
    /// The number of shards of the events, each published by one replica at a time; 2. All replicas of a service must
    /// have the same number. Change it only while no event waits to be published.
    pub shards: NonZeroU32,
    /// The most entries of one round of the relay; 500. An entry holds the events that one transaction wrote to a
    /// shard.
    pub round_entries: NonZeroU32,
    /// How long events are kept after they were published, in hours, so that they can be published again; 168.
    pub retention_hours: u64,
    /// How often the relay polls when nothing wakes it, in ms; 500.
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
    /// The number of workers, each of which applies a batch at a time; 4. The events of a key have the same worker.
    pub workers: NonZeroU32,
    /// The most events that wait for all workers; 1,000. Further events stay at the broker.
    pub max_waiting: NonZeroU32,
    /// The most events that are applied in one transaction; 200.
    pub max_batch: NonZeroU32,
    /// How long a worker gathers events before it applies them together, in ms; 250, 5,000 at most. A longer time makes
    /// fewer transactions, which leaves more of the database to orders. A full batch is applied at once.
    #[serde(deserialize_with = "within::<0, 5_000, _, _>")]
    pub linger_ms: u64,
    /// The most events per second that all workers together apply; 5,000. A burst becomes lag rather than load on the
    /// database.
    pub max_events_per_second: NonZeroU32,
    /// The attempts to apply the events of a key before the key is parked; 5.
    pub attempts: NonZeroU32,
    /// The first pause between two attempts, in ms; 100. It doubles up to 5 s.
    pub first_pause_ms: u64,
    /// How often parked keys are retried, in ms; 5,000.
    pub parked_period_ms: u64,
    /// How long an event stays parked before it becomes a dead letter, in hours; 24.
    pub parked_hours: u64,
    /// How long the inbox keeps the record of an event, in days; 35. It must be longer than the broker keeps events and
    /// outboxes keep entries.
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
    /// The most events that wait for one worker.
    pub(crate) fn share(&self) -> usize {
        usize::try_from(self.max_waiting.get().div_ceil(self.workers.get())).unwrap_or(usize::MAX)
    }

    /// The most events that a worker applies at once: a batch, or its share if that is smaller.
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
    fn the_linger_is_5_s_at_most() {
        let load =
            |ms: u64| ConsumerConfig::deserialize(MapDeserializer::<_, Error>::new([("linger_ms", ms)].into_iter()));
        assert_eq!(load(5_000).unwrap().linger(), Duration::from_secs(5));
        assert!(load(0).is_ok() && load(5_001).is_err());
    }
}
