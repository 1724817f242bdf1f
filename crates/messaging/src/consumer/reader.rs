//! Takes messages from the broker and hands each to the worker of its key.

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

use super::offsets::{Offsets, Partition, Place};
use super::{Core, Delivered, Effect};
use crate::kafka::{client_config, ensure_topics};
use crate::{KafkaConfig, Received, Topic};

/// The pause after the broker could not be asked.
const PAUSE: Duration = Duration::from_secs(1);
/// The most messages that the client fetches ahead, and their bytes in KiB.
const FETCHED_AHEAD: u32 = 2_000;
const FETCHED_AHEAD_KIB: u32 = 16 * 1_024;

/// How many events the broker has that a process has not applied yet, of the partitions that are its own.
#[derive(Debug, Clone, Default)]
pub struct Lag(Arc<Mutex<State>>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_reading: bool,
    events: Option<u64>,
}

impl Lag {
    /// As the client last told it, 5 s ago at most; `None` before it first did, and while no partition is its own: then
    /// nobody here knows.
    pub fn events(&self) -> Option<u64> {
        self.state().events
    }

    /// Whether any partition is its own.
    pub fn is_reading(&self) -> bool {
        self.state().is_reading
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The broker's client and what was taken through it.
pub(super) struct BrokerClient {
    consumer: Arc<StreamConsumer<Watcher>>,
    offsets: Arc<Offsets>,
    pub(super) lag: Lag,
}

/// Hears of rebalances and of how much waits.
struct Watcher {
    group: &'static str,
    offsets: Arc<Offsets>,
    lag: Lag,
}

impl Watcher {
    fn new(group: &'static str, offsets: Arc<Offsets>, lag: Lag) -> Self {
        let watcher = Self { group, offsets, lag };
        watcher.own(0);
        watcher
    }

    fn own(&self, partitions: usize) {
        *self.lag.state() = State { is_reading: partitions > 0, events: None };
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        metrics::gauge!("consumer_partitions", "group" => self.group).set(partitions);
    }
}

impl ClientContext for Watcher {
    fn stats(&self, statistics: Statistics) {
        let mut all = 0_u64;
        for (topic, told) in statistics.topics {
            let lags = told.partitions.values().map(|partition| partition.consumer_lag.max(0));
            let lag = i32::try_from(lags.sum::<i64>()).unwrap_or(i32::MAX);
            let labels = [("group", self.group.to_owned()), ("topic", topic)];
            metrics::gauge!("consumer_lag_events", &labels).set(f64::from(lag));
            all = all.saturating_add(u64::try_from(lag).unwrap_or_default());
        }
        // Without a partition that is 0, however much waits.
        let mut lag = self.lag.state();
        lag.events = lag.is_reading.then_some(all);
    }
}

impl ConsumerContext for Watcher {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        tracing::info!(group = self.group, ?rebalance, "partitions are shared out anew");
        match rebalance {
            Rebalance::Assign(partitions) => self.own(partitions.count()),
            Rebalance::Revoke(partitions) => {
                let elements = partitions.elements();
                self.offsets.forget(elements.iter().map(|one| (one.topic().to_owned(), one.partition())));
                self.own(0);
            }
            Rebalance::Error(_) => self.own(0),
        }
    }
}

impl BrokerClient {
    pub(super) fn new(kafka: &KafkaConfig, group: &'static str) -> Result<Self, KafkaError> {
        let (offsets, lag) = (Arc::new(Offsets::default()), Lag::default());
        let consumer = client_config(kafka, group)
            .set("group.id", format!("{}.{group}", kafka.prefix))
            .set("auto.offset.reset", "earliest")
            // What is stored is committed every second, and when partitions or the process go.
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("enable.auto.offset.store", "false")
            .set("allow.auto.create.topics", "false")
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("queued.min.messages", FETCHED_AHEAD.to_string())
            .set("queued.max.messages.kbytes", FETCHED_AHEAD_KIB.to_string())
            // Whoever is given partitions is given all of its own anew.
            .set("partition.assignment.strategy", "range,roundrobin")
            // A process that is gone is noticed after 10 s.
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "1000")
            .set("fetch.wait.max.ms", "100")
            .set("statistics.interval.ms", "5000")
            .create_with_context(Watcher::new(group, offsets.clone(), lag.clone()))?;
        Ok(Self { consumer: Arc::new(consumer), offsets, lag })
    }

    /// Messages are done: their offsets are committed as soon as all below them are.
    pub(super) fn done<'a>(&self, places: impl IntoIterator<Item = &'a Place>) {
        for place in places {
            if let Some(next) = self.offsets.done(place)
                && let Err(error) = self.store(&place.partition, next)
            {
                // The partition has just gone elsewhere, where its events are found in the inbox.
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

/// Reads until the process stops. A queue that is full holds all up: the broker keeps what waits.
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
    let from = core.client.offsets.take(message.topic(), message.partition(), message.offset());
    let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
    let event = Received::read(&message).map_err(|unreadable| unreadable.to_string());
    if event.as_ref().is_ok_and(|event| !core.inbox.effect().concerns(event)) {
        core.client.done([&from]);
        return;
    }
    let event = event.and_then(|event| Ok((event.clone(), core.inbox.effect().read(&event)?)));
    let place = event.as_ref().map_or(key.as_str(), |(_, item)| core.inbox.effect().place(item));
    let hash = rapidhash_v3(place.as_bytes());
    let turn = usize::try_from(hash % u64::try_from(queues.len()).unwrap_or(u64::MAX)).unwrap_or_default();
    if let Some(queue) = queues.get(turn)
        && queue.send(Delivered { place: from, key, message, event }).await.is_err()
    {
        tracing::debug!("an event came after its worker had ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_partition_it_is_not_known_what_waits() {
        let lag = Lag::default();
        let watcher = Watcher::new("test", Arc::default(), lag.clone());
        watcher.stats(Statistics::default());
        assert_eq!(lag.events(), None);
        watcher.own(2);
        assert!(lag.is_reading() && lag.events().is_none());
        watcher.stats(Statistics::default());
        assert_eq!(lag.events(), Some(0));
        watcher.own(0);
        assert!(!lag.is_reading() && lag.events().is_none());
    }
}
