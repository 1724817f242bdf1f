//! Publishes events that can't be applied as dead letters, with the reason.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Mutex;

use super::{REQUEST_TIMEOUT, client_config};
use crate::{KafkaConfig, Payload};

/// The prefix of the headers that a dead letter adds. Events have no such headers of their own.
const HEADER_PREFIX: &str = "dlt_";
/// The reason, for people.
pub(super) const HEADER_REASON: &str = "dlt_reason";
/// Where the event was published.
pub(super) const HEADER_TOPIC: &str = "dlt_topic";
pub(super) const HEADER_PARTITION: &str = "dlt_partition";
pub(super) const HEADER_OFFSET: &str = "dlt_offset";
/// Which group gave it up, and when.
pub(super) const HEADER_GROUP: &str = "dlt_group";
pub(super) const HEADER_AT: &str = "dlt_at";

/// An event that is given up, as it was received.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) headers: OwnedHeaders,
    /// Its partition and offset, if it comes directly from the broker.
    pub(crate) position: Option<(i32, i64)>,
    pub(crate) reason: &'a str,
}

/// Publishes dead letters. Its producer is created on first use.
pub(crate) struct DeadLetters {
    kafka: KafkaConfig,
    group: String,
    producer: Mutex<Option<FutureProducer>>,
}

impl DeadLetters {
    pub(crate) fn new(kafka: KafkaConfig, group: &str) -> Self {
        Self { kafka, group: group.to_owned(), producer: Mutex::default() }
    }

    /// Returns when the broker has it; within 10 s, or as an error.
    pub(crate) async fn send(&self, letter: DeadLetter<'_>) -> Result<(), KafkaError> {
        let producer = self.producer().await?;
        let topic = format!("{}.dlt", letter.topic);
        let send = async |payload: &[u8]| {
            let record = FutureRecord::to(&topic).key(letter.key).payload(payload).headers(self.headers(&letter));
            producer.send(record, REQUEST_TIMEOUT).await.map_err(|(error, _)| error)
        };
        match send(letter.payload).await {
            // The added headers make it larger than the broker accepts: without payload it still says where the event
            // is.
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge)) => send(&[]).await,
            sent => sent,
        }
        .map(drop)
    }

    /// The name of the topic of a kind; empty for an unknown kind.
    pub(crate) fn topic_of(&self, kind: &str) -> String {
        Payload::topic_of(kind).map(|topic| topic.name(&self.kafka.prefix)).unwrap_or_default()
    }

    async fn producer(&self) -> Result<FutureProducer, KafkaError> {
        let mut kept = self.producer.lock().await;
        if let Some(producer) = &*kept {
            return Ok(producer.clone());
        }
        let producer: FutureProducer = client_config(&self.kafka, &self.group)
            .set("acks", "all")
            .set("message.timeout.ms", REQUEST_TIMEOUT.as_millis().to_string())
            .create()?;
        *kept = Some(producer.clone());
        Ok(producer)
    }

    /// The event's own headers, without those of an earlier dead letter, and those of this one.
    fn headers(&self, letter: &DeadLetter<'_>) -> OwnedHeaders {
        let (partition, offset) = letter.position.unzip();
        let added = [
            (HEADER_REASON, Some(letter.reason.to_owned())),
            (HEADER_TOPIC, Some(letter.topic.to_owned())),
            (HEADER_PARTITION, partition.map(|partition| partition.to_string())),
            (HEADER_OFFSET, offset.map(|offset| offset.to_string())),
            (HEADER_GROUP, Some(self.group.clone())),
            (HEADER_AT, Some(primitives::now().to_string())),
        ];
        added
            .iter()
            .filter_map(|(key, value)| Some((key, value.as_ref()?)))
            .fold(own_headers(&letter.headers), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value) })
            })
    }
}

/// The headers of an event without those of a dead letter.
pub(super) fn own_headers(headers: &OwnedHeaders) -> OwnedHeaders {
    let own = headers.iter().filter(|header| !header.key.starts_with(HEADER_PREFIX));
    own.fold(OwnedHeaders::new(), |headers, header| headers.insert(header))
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        super::publisher::end(self.producer.get_mut().take());
    }
}
