//! Dead letters as they lie at the broker: reading them, and publishing them again where they came from.

mod letter;
mod letters;

use std::num::NonZeroU32;

use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::OnceCell;

use super::dead_letters::own_headers;
use super::{REQUEST_TIMEOUT, client_config, publisher};
use crate::{KafkaConfig, Topic};
pub use letter::{Letter, LetterPlace, Origin};
pub use letters::Letters;
use letters::Part;

/// What its clients call themselves.
const CLIENT: &str = "dead-letter-log";

/// Why dead letters can't be read or published again.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There is no such topic; services make theirs when they start.
    #[error("the broker has no topic {0:?}")]
    NoTopic(String),
    /// Nothing is there, or no longer.
    #[error("the topic {topic:?} has no letter at partition {partition}, offset {offset}")]
    NoLetter {
        /// The topic of dead letters.
        topic: String,
        /// Counted from 0.
        partition: i32,
        /// Counted from 0.
        offset: i64,
    },
    /// It names no topic of this platform, so there is nowhere to publish it.
    #[error("the topic that it came from, {0:?}, is none of this platform's")]
    UnknownOrigin(String),
    /// The broker could not be reached, or refused.
    #[error("the broker can't be asked")]
    Broker(#[from] KafkaError),
    /// The broker was reached and then said nothing for 10 s.
    #[error("the broker has not answered in time")]
    NoAnswer,
    /// The broker has not said that it has the event. It may have it all the same; publishing it again is safe.
    #[error("the broker has not acknowledged the event")]
    NotAcknowledged(#[source] KafkaError),
}

/// Where a letter was published again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republished {
    /// The topic, by its name at the broker.
    pub topic: String,
    /// Counted from 0.
    pub partition: i32,
    /// Counted from 0.
    pub offset: i64,
}

/// The topics of dead letters. Reading changes nothing there: no group is joined and nothing is marked as read. What
/// was published again stays too, as topics only grow, until its retention ends.
pub struct DeadLetterLog {
    kafka: KafkaConfig,
    producer: OnceCell<FutureProducer>,
}

impl DeadLetterLog {
    /// Of the platform that has this prefix at this broker. Connects when first asked.
    pub fn new(kafka: &KafkaConfig) -> Self {
        Self { kafka: kafka.clone(), producer: OnceCell::new() }
    }

    /// All letters of a topic's events that there are now, the oldest of each partition first.
    ///
    /// # Errors
    /// [`DeadLetterError::NoTopic`], and [`DeadLetterError::Broker`] within 10 s.
    pub async fn all(&self, topic: Topic) -> Result<Letters, DeadLetterError> {
        Letters::open(&self.kafka, topic, Part::All).await
    }

    /// The same, but no more than the last `most` of each partition.
    ///
    /// # Errors
    /// Those of [`Self::all`].
    pub async fn last(&self, topic: Topic, most: NonZeroU32) -> Result<Letters, DeadLetterError> {
        Letters::open(&self.kafka, topic, Part::Last(most)).await
    }

    /// One letter.
    ///
    /// # Errors
    /// [`DeadLetterError::NoLetter`], and those of [`Self::all`] and [`Letters::next`].
    pub async fn get(&self, place: LetterPlace) -> Result<Letter, DeadLetterError> {
        let LetterPlace { topic, partition, offset } = place;
        let mut letters = Letters::open(&self.kafka, topic, Part::One { partition, offset }).await?;
        let nothing = || DeadLetterError::NoLetter { topic: topic.dead_letters(&self.kafka.prefix), partition, offset };
        letters.next().await?.ok_or_else(nothing)
    }

    /// Publishes a letter to the topic that it came from, as it was: its key, its payload, and its headers without
    /// those that tell of its death. Returns when all replicas of the broker that are in sync have it. It comes behind
    /// everything that was published since; consumers that have applied it drop it.
    ///
    /// # Errors
    /// [`DeadLetterError::UnknownOrigin`]; [`DeadLetterError::NotAcknowledged`] within 10 s.
    pub async fn replay(&self, letter: &Letter) -> Result<Republished, DeadLetterError> {
        let topic = letter.origin().topic;
        if !Topic::ALL.iter().any(|known| known.name(&self.kafka.prefix) == topic) {
            return Err(DeadLetterError::UnknownOrigin(topic.to_owned()));
        }
        let mut record = FutureRecord::<[u8], [u8]>::to(topic);
        record.key = letter.key();
        record.payload = letter.payload();
        record.headers = letter.raw_headers().map(own_headers);
        let producer = self.producer.get_or_try_init(async || self.make_producer()).await?;
        match producer.send(record, REQUEST_TIMEOUT).await {
            Ok(sent) => Ok(Republished { topic: topic.to_owned(), partition: sent.partition, offset: sent.offset }),
            Err((error, _)) => Err(DeadLetterError::NotAcknowledged(error)),
        }
    }

    fn make_producer(&self) -> Result<FutureProducer, KafkaError> {
        client_config(&self.kafka, CLIENT)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", REQUEST_TIMEOUT.as_millis().to_string())
            // Letters are sent one at a time: there is nothing to wait for.
            .set("linger.ms", "0")
            .create()
    }
}

impl Drop for DeadLetterLog {
    fn drop(&mut self) {
        publisher::end(self.producer.take());
    }
}
