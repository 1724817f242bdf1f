//! Takes messages from the broker and sends each to the worker of its routing key.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rapidhash::v3::rapidhash_v3;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};
use service::Tasks;
use tokio::sync::mpsc;

use super::offsets::{Offsets, Partition, Position};
use super::{Core, Delivered, Effect};
use crate::kafka::{client_config, ensure_topics};
use crate::{KafkaConfig, Received, Topic};

/// The pause after a failed call of the broker.
const PAUSE: Duration = Duration::from_secs(1);
/// The most messages that the client fetches ahead, and their bytes in KiB.
const FETCHED_AHEAD: u32 = 2_000;
const FETCHED_AHEAD_KIB: u32 = 16 * 1_024;

/// How many events of its assigned partitions a process has not applied yet.
#[derive(Debug, Clone, Default)]
pub struct Lag(Arc<Mutex<LagState>>);

#[derive(Debug, Clone, Copy, Default)]
struct LagState {
    is_reading: bool,
    events: Option<u64>,
}

impl Lag {
    /// The number by the client's latest statistics, which are 5 s old at most. `None` before the first, and while no
    /// partition is assigned, since it is not known then.
    pub fn events(&self) -> Option<u64> {
        self.state().events
    }

    /// Whether any partition is assigned.
    pub fn is_reading(&self) -> bool {
        self.state().is_reading
    }

    fn state(&self) -> MutexGuard<'_, LagState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The broker's client, and the offsets that were taken through it.
pub(super) struct BrokerClient {
    consumer: Arc<StreamConsumer<Watcher>>,
    offsets: Arc<Offsets>,
    pub(super) lag: Lag,
}

/// Follows rebalances and statistics.
struct Watcher {
    group: &'static str,
    offsets: Arc<Offsets>,
    lag: Lag,
}

impl Watcher {
    fn new(group: &'static str, offsets: Arc<Offsets>, lag: Lag) -> Self {
        let watcher = Self { group, offsets, lag };
        watcher.assigned(0);
        watcher
    }

    fn assigned(&self, partitions: usize) {
        *self.lag.state() = LagState { is_reading: partitions > 0, events: None };
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        metrics::gauge!("consumer_partitions", "group" => self.group).set(partitions);
    }
}

impl ClientContext for Watcher {
    fn stats(&self, statistics: Statistics) {
        let mut all = 0_u64;
        for (topic, statistics) in statistics.topics {
            let lags = statistics.partitions.values().map(|partition| partition.consumer_lag.max(0));
            let lag = i32::try_from(lags.sum::<i64>()).unwrap_or(i32::MAX);
            let labels = [("group", self.group.to_owned()), ("topic", topic)];
            metrics::gauge!("consumer_lag_events", &labels).set(f64::from(lag));
            all = all.saturating_add(u64::try_from(lag).unwrap_or_default());
        }
        // Without a partition the sum is 0, whatever the lag of the group.
        let mut lag = self.lag.state();
        lag.events = lag.is_reading.then_some(all);
    }
}

impl ConsumerContext for Watcher {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        tracing::info!(group = self.group, ?rebalance, "partitions are being rebalanced");
        match rebalance {
            Rebalance::Assign(partitions) => self.assigned(partitions.count()),
            Rebalance::Revoke(partitions) => {
                let elements = partitions.elements();
                self.offsets.forget(elements.iter().map(|one| (one.topic().to_owned(), one.partition())));
                self.assigned(0);
            }
            Rebalance::Error(_) => self.assigned(0),
        }
    }
}

impl BrokerClient {
    pub(super) fn new(kafka: &KafkaConfig, group: &'static str) -> Result<Self, KafkaError> {
        let (offsets, lag) = (Arc::new(Offsets::default()), Lag::default());
        let consumer = client_config(kafka, group)
            .set("group.id", format!("{}.{group}", kafka.prefix))
            .set("auto.offset.reset", "earliest")
            // Stored offsets are committed every second, on revocation and on shutdown.
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("enable.auto.offset.store", "false")
            .set("allow.auto.create.topics", "false")
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("queued.min.messages", FETCHED_AHEAD.to_string())
            .set("queued.max.messages.kbytes", FETCHED_AHEAD_KIB.to_string())
            // Eager assignors: each rebalance assigns all partitions of a process again.
            .set("partition.assignment.strategy", "range,roundrobin")
            // A process that has died is detected after 10 s.
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "1000")
            .set("fetch.wait.max.ms", "100")
            .set("statistics.interval.ms", "5000")
            .create_with_context(Watcher::new(group, offsets.clone(), lag.clone()))?;
        Ok(Self { consumer: Arc::new(consumer), offsets, lag })
    }

    /// Marks messages as done. Their offsets are committed as soon as all messages below are done.
    pub(super) fn done<'a>(&self, positions: impl IntoIterator<Item = &'a Position>) {
        for position in positions {
            if let Some(next) = self.offsets.done(position)
                && let Err(error) = self.store(&position.partition, next)
            {
                // The partition was just revoked. Its next process finds the events in the inbox.
                tracing::debug!(%error, "an offset was not stored");
            }
        }
    }

    fn store(&self, (topic, partition): &Partition, next: i64) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::with_capacity(1);
        offsets.add_partition_offset(topic, *partition, Offset::Offset(next))?;
        self.consumer.store_offsets(&offsets)
    }
}

/// Reads until the process stops. A full queue holds up all others; further messages stay at the broker.
pub(super) async fn read<E: Effect>(
    core: Arc<Core<E>>,
    kafka: KafkaConfig,
    topics: Vec<Topic>,
    queues: Vec<mpsc::Sender<Delivered<E::Item>>>,
    tasks: Tasks,
) -> Result<(), Infallible> {
    let stop = tasks.stop_signal();
    let consumer = core.client.consumer.clone();
    let reading = async {
        subscribe(&consumer, &kafka, &topics).await;
        loop {
            match consumer.recv().await {
                Ok(message) => deliver(&core, &queues, message.detach()).await,
                Err(error) => {
                    tracing::warn!(%error, "events can't be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(reading).await;
    Ok(())
}

async fn subscribe(consumer: &StreamConsumer<Watcher>, kafka: &KafkaConfig, topics: &[Topic]) {
    let names: Vec<_> = topics.iter().map(|topic| topic.name(&kafka.prefix)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    loop {
        let ready = match ensure_topics(kafka, "consumer").await {
            Ok(()) => consumer.subscribe(&names),
            Err(error) => Err(error),
        };
        match ready {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "topics can't be subscribed to"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn deliver<E: Effect>(core: &Core<E>, queues: &[mpsc::Sender<Delivered<E::Item>>], message: OwnedMessage) {
    let position = core.client.offsets.take(message.topic(), message.partition(), message.offset());
    let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
    let event = Received::read(&message).map_err(|unreadable| unreadable.to_string());
    if event.as_ref().is_ok_and(|event| !core.inbox.effect().concerns(event)) {
        core.client.done([&position]);
        return;
    }
    let event = event.and_then(|event| Ok((event.clone(), core.inbox.effect().read(&event)?)));
    let routing_key = event.as_ref().map_or(key.as_str(), |(_, item)| core.inbox.effect().routing_key(item));
    let hash = rapidhash_v3(routing_key.as_bytes());
    let worker = usize::try_from(hash % u64::try_from(queues.len()).unwrap_or(u64::MAX)).unwrap_or_default();
    if let Some(queue) = queues.get(worker)
        && queue.send(Delivered { position, key, message, event }).await.is_err()
    {
        tracing::debug!("an event was received after its worker had ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_unknown_without_a_partition() {
        let lag = Lag::default();
        let watcher = Watcher::new("test", Arc::default(), lag.clone());
        watcher.stats(Statistics::default());
        assert_eq!(lag.events(), None);
        watcher.assigned(2);
        assert!(lag.is_reading() && lag.events().is_none());
        watcher.stats(Statistics::default());
        assert_eq!(lag.events(), Some(0));
        watcher.assigned(0);
        assert!(!lag.is_reading() && lag.events().is_none());
    }
}
