//! The topics of dead letters: reads them, and publishes dead letters to their original topic again.

mod letter;
mod letters;

use std::num::NonZeroU32;

use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::OnceCell;

use super::dead_letters::own_headers;
use super::{REQUEST_TIMEOUT, client_config, publisher};
use crate::{KafkaConfig, Topic};
pub use letter::{Letter, LetterPosition, Origin};
pub use letters::Letters;
use letters::Selection;

/// The id of its clients at the broker.
const CLIENT: &str = "dead-letter-log";

/// Why dead letters can't be read or published again.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There is no such topic; services create their topics when they start.
    #[error("the broker has no topic {0:?}")]
    NoTopic(String),
    /// There is no letter, or no longer.
    #[error("the topic {topic:?} has no letter at partition {partition}, offset {offset}")]
    NoLetter {
        /// The topic of dead letters.
        topic: String,
        /// Counted from 0.
        partition: i32,
        /// Counted from 0.
        offset: i64,
    },
    /// Its original topic is none of this platform's, so it can't be published.
    #[error("the topic that it came from, {0:?}, is none of this platform's")]
    UnknownOrigin(String),
    /// The broker could not be reached, or refused.
    #[error("the broker can't be reached or has refused")]
    Broker(#[from] KafkaError),
    /// The broker was reached and has not answered for 10 s.
    #[error("the broker has not answered in time")]
    NoAnswer,
    /// The broker has not acknowledged the event. It may have it all the same; publishing it again is safe.
    #[error("the broker has not acknowledged the event")]
    NotAcknowledged(#[source] KafkaError),
}

/// Where a letter was published again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republished {
    /// The name of the topic at the broker.
    pub topic: String,
    /// Counted from 0.
    pub partition: i32,
    /// Counted from 0.
    pub offset: i64,
}

/// The topics of dead letters. Reading changes nothing: no group is joined and no offset is committed. A letter that
/// was published again stays until its retention ends, since topics are append-only.
pub struct DeadLetterLog {
    kafka: KafkaConfig,
    producer: OnceCell<FutureProducer>,
}

impl DeadLetterLog {
    /// That of the platform with this prefix at this broker. Connects on first use.
    pub fn new(kafka: &KafkaConfig) -> Self {
        Self { kafka: kafka.clone(), producer: OnceCell::new() }
    }

    /// All current letters of a topic's events, the oldest of each partition first.
    ///
    /// # Errors
    /// [`DeadLetterError::NoTopic`], and [`DeadLetterError::Broker`] within 10 s.
    pub async fn all(&self, topic: Topic) -> Result<Letters, DeadLetterError> {
        Letters::open(&self.kafka, topic, Selection::All).await
    }

    /// The same, but no more than the last `most` of each partition.
    ///
    /// # Errors
    /// Those of [`Self::all`].
    pub async fn last(&self, topic: Topic, most: NonZeroU32) -> Result<Letters, DeadLetterError> {
        Letters::open(&self.kafka, topic, Selection::Last(most)).await
    }

    /// One letter.
    ///
    /// # Errors
    /// [`DeadLetterError::NoLetter`], and those of [`Self::all`] and [`Letters::next`].
    pub async fn get(&self, position: LetterPosition) -> Result<Letter, DeadLetterError> {
        let LetterPosition { topic, partition, offset } = position;
        let mut letters = Letters::open(&self.kafka, topic, Selection::One { partition, offset }).await?;
        let missing = || DeadLetterError::NoLetter { topic: topic.dead_letters(&self.kafka.prefix), partition, offset };
        letters.next().await?.ok_or_else(missing)
    }

    /// Publishes a letter to its original topic, unchanged: its key, its payload, and its headers without those of the
    /// dead letter. Returns when all in-sync replicas of the broker have it. It is ordered behind everything that was
    /// published since; consumers that have applied it drop it.
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
            // Letters are sent one at a time, so there is nothing to gather.
            .set("linger.ms", "0")
            .create()
    }
}

impl Drop for DeadLetterLog {
    fn drop(&mut self) {
        publisher::end(self.producer.take());
    }
}
