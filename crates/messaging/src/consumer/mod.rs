//! The one shape of all consumers: an event's offset is committed after its effect and the record of it in the inbox
//! have been, in one transaction, so that it counts once however often it comes.
//!
//! Events of a key are applied in order, by the same worker. A key whose events can't be applied at present waits
//! alone; after some attempts its events are parked in the database, in order, and tried from there. What can never be
//! applied becomes a dead letter. Two processes that have an event at once, as in a rebalance, both write its record:
//! one of them conflicts and finds it done.

mod held;
mod inbox;
mod offsets;
mod parked;
mod reader;
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
use offsets::Place;
use rdkafka::message::OwnedMessage;
use reader::BrokerClient;
pub use reader::Lag;
pub use schema::INBOX_MIGRATIONS;
use worker::Worker;

/// Why an effect can't be had at present.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What a consumer makes of events.
pub trait Effect: Send + Sync + 'static {
    /// What an event is to it.
    type Item: Clone + Send + Sync + 'static;

    /// Whether it makes anything of an event at all. What does not concern it is passed over: it is neither read nor
    /// written down.
    fn concerns(&self, _event: &Received) -> bool {
        true
    }

    /// Reads an event; an error says why it can never be applied, and makes it a dead letter.
    fn read(&self, event: &Received) -> Result<Self::Item, String>;

    /// What applying it writes to, beside what is its own: events of one place are applied by one worker, so that
    /// workers don't meet there. All events of a key must have the same place.
    fn place<'a>(&self, item: &'a Self::Item) -> &'a str;

    /// Applies events in the caller's transaction, which may run many times. Each comes once, those of a key in order.
    /// An error means that none of them was applied; it is tried again.
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
    place: Place,
    key: String,
    message: OwnedMessage,
    /// What it is, or why it can never be applied.
    event: Result<(Received, I), String>,
}

/// What the parts of a consumer share.
struct Core<E: Effect> {
    inbox: Inbox<E>,
    config: ConsumerConfig,
    client: BrokerClient,
    dead_letters: DeadLetters,
    rate: TokenBucket,
}

impl<E: Effect> Consumer<E> {
    /// A consumer of all topics. Processes of the same `group` share the work; each group has every event.
    pub fn new(db: &Db, kafka: &KafkaConfig, config: &ConsumerConfig, group: &'static str, effect: E) -> Self {
        let (db, kafka, config) = (db.clone(), kafka.clone(), config.clone());
        Self { db, kafka, config, group, topics: Topic::ALL.to_vec(), effect }
    }

    /// Of these topics only.
    pub fn of_topics(mut self, topics: &[Topic]) -> Self {
        self.topics = topics.to_vec();
        self
    }

    /// Applies events until the process stops; gives how far behind it is.
    ///
    /// # Errors
    /// When the broker's client can't be made of the configuration. A broker that is not there is waited for.
    pub fn start(self, tasks: &Tasks) -> Result<Lag, KafkaError> {
        let Self { db, kafka, config, group, topics, effect } = self;
        let client = BrokerClient::new(&kafka, group)?;
        let burst = config.max_events_per_second.max(config.max_batch);
        let rate = TokenBucket::per_second(config.max_events_per_second, burst);
        let dead_letters = DeadLetters::new(kafka.clone(), group);
        let inbox = Inbox::new(db, group, effect, &config);
        let lag = client.lag.clone();
        let core = Arc::new(Core { inbox, config, client, dead_letters, rate });
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

/// A part of a consumer, which says that it has ended by dropping its sender.
async fn as_part<T>(part: mpsc::Sender<Infallible>, work: impl Future<Output = T>) -> T {
    let done = work.await;
    drop(part);
    done
}

/// Leaves the group once all parts have ended, so that what they did is committed and others can take over. It waits
/// for the broker, so it is not for a thread that runs others' tasks.
async fn leave<E: Effect>(core: Arc<Core<E>>, mut parts: mpsc::Receiver<Infallible>) -> Result<(), JoinError> {
    let _all_have_ended = parts.recv().await;
    tokio::task::spawn_blocking(move || drop(core)).await
}
