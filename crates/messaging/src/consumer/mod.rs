//! Consumers: an event's effect and its record in the inbox commit in one transaction, and its offset is committed
//! after that. So an event is applied once, however often it is delivered.
//!
//! Events of a key are applied in order, by the same worker. A key whose events can't be applied at present waits
//! without holding up others; after some attempts its events are parked in the database, in order, and retried from
//! there. An event that can never be applied becomes a dead letter. When two processes have the same event, as in a
//! rebalance, both write its record: one of them conflicts, retries, and finds the event applied.

mod held;
mod inbox;
mod offsets;
mod parked;
mod reader;
mod retry_policy;
mod schema;
mod worker;

use std::convert::Infallible;
use std::sync::Arc;

use futures::future::BoxFuture;
use mongo::{Abort, Db};
use mongodb::ClientSession;
use rdkafka::error::KafkaError;
use service::{OnFailure, Tasks, TokenBucket};
use tokio::sync::mpsc;
use tokio::task::JoinError;

use crate::kafka::DeadLetters;
use crate::{ConsumerConfig, KafkaConfig, Received, Topic};
use inbox::Inbox;
pub use inbox::recorded;
use offsets::Position;
use rdkafka::message::OwnedMessage;
use reader::BrokerClient;
pub use reader::Lag;
use retry_policy::RetryPolicy;
pub use schema::INBOX_MIGRATIONS;
use worker::Worker;

/// Why events can't be applied at present.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// The effect of events on a consumer's own data.
pub trait Effect: Send + Sync + 'static {
    /// An event as the consumer reads it.
    type Item: Clone + Send + Sync + 'static;

    /// Whether an event has an effect at all. Others are skipped: they are neither read nor recorded.
    fn concerns(&self, _event: &Received) -> bool {
        true
    }

    /// Reads an event. An error is the reason why it can never be applied, and makes it a dead letter.
    fn read(&self, event: &Received) -> Result<Self::Item, String>;

    /// Selects the worker: events with the same routing key are applied by one worker, so that workers don't conflict
    /// on the documents that these events share. All events of a key must have the same routing key.
    fn routing_key<'a>(&self, item: &'a Self::Item) -> &'a str;

    /// Applies events in the caller's transaction, which may run many times. Each event comes once, those of a key in
    /// order. On an error none of them is applied, and they are retried.
    fn apply<'a>(
        &'a self,
        session: &'a mut ClientSession,
        items: &'a [Self::Item],
    ) -> BoxFuture<'a, Result<(), Abort<Refused>>>;
}

/// Applies the events of topics, once each.
pub struct Consumer<E> {
    db: Db,
    kafka: KafkaConfig,
    config: ConsumerConfig,
    group: &'static str,
    topics: Vec<Topic>,
    effect: E,
}

/// A message on its way to its effect.
#[derive(Debug)]
struct Delivered<I> {
    position: Position,
    key: String,
    message: OwnedMessage,
    /// The event, or why it can never be applied.
    event: Result<(Received, I), String>,
}

/// Shared by the parts of a consumer.
struct Core<E: Effect> {
    inbox: Inbox<E>,
    config: ConsumerConfig,
    client: BrokerClient,
    dead_letters: DeadLetters,
    rate: TokenBucket,
    retries: RetryPolicy,
}

impl<E: Effect> Consumer<E> {
    /// A consumer of all topics. Processes of the same `group` share the events; each group gets every event.
    pub fn new(db: &Db, kafka: &KafkaConfig, config: &ConsumerConfig, group: &'static str, effect: E) -> Self {
        let (db, kafka, config) = (db.clone(), kafka.clone(), config.clone());
        Self { db, kafka, config, group, topics: Topic::ALL.to_vec(), effect }
    }

    /// Consumes these topics only.
    pub fn of_topics(mut self, topics: &[Topic]) -> Self {
        self.topics = topics.to_vec();
        self
    }

    /// Applies events until the process stops; returns the lag, which it keeps up to date.
    ///
    /// # Errors
    /// When the configuration is invalid for the broker's client. It waits for a broker that can't be reached.
    pub fn start(self, tasks: &Tasks) -> Result<Lag, KafkaError> {
        let Self { db, kafka, config, group, topics, effect } = self;
        let client = BrokerClient::new(&kafka, group)?;
        let burst = config.max_events_per_second.max(config.max_batch);
        let rate = TokenBucket::per_second(config.max_events_per_second, burst);
        let dead_letters = DeadLetters::new(kafka.clone(), group);
        let inbox = Inbox::new(db, group, effect, &config);
        let lag = client.lag.clone();
        let retries = RetryPolicy::new(&config);
        let core = Arc::new(Core { inbox, config, client, dead_letters, rate, retries });
        let (part, ended) = mpsc::channel(1);
        let mut queues = Vec::new();
        for _ in 0..core.config.workers.get() {
            let (queue, waiting) = mpsc::channel(core.config.share());
            queues.push(queue);
            let worker = Worker::new(core.clone(), waiting).run(tasks.clone());
            tasks.spawn("consumer", OnFailure::Stop, as_part(part.clone(), worker));
        }
        let parked = parked::retry(core.clone(), tasks.clone());
        tasks.spawn("parked-events", OnFailure::Stop, as_part(part.clone(), parked));
        let reader = reader::read(core.clone(), kafka, topics, queues, tasks.clone());
        tasks.spawn("consumer-reader", OnFailure::Stop, as_part(part, reader));
        tasks.spawn("consumer-leave", OnFailure::Stop, leave(core, ended));
        Ok(lag)
    }
}

/// A part of a consumer. It drops its sender when it has ended.
async fn as_part<T>(part: mpsc::Sender<Infallible>, work: impl Future<Output = T>) -> T {
    let done = work.await;
    drop(part);
    done
}

/// Leaves the group once all parts have ended, so that their offsets are committed and other processes can take over.
/// It waits for the broker, so it runs on a blocking thread.
async fn leave<E: Effect>(core: Arc<Core<E>>, mut parts: mpsc::Receiver<Infallible>) -> Result<(), JoinError> {
    let _all_have_ended = parts.recv().await;
    tokio::task::spawn_blocking(move || drop(core)).await
}
