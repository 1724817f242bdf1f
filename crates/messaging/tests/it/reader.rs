//! Reads a topic from its beginning.

use std::time::Duration;

use messaging::{KafkaConfig, Payload, Topic};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use tokio::time::Instant;

use crate::world::PATIENCE;

/// The silence after which a topic counts as read to its end.
const SILENCE: Duration = Duration::from_secs(2);

/// An event that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Payload,
}

impl Read {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn id(&self) -> &str {
        self.header("ce_id").unwrap()
    }
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raw {
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Vec<u8>,
}

impl Raw {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads events.
pub(crate) struct Reader(RawReader);

impl Reader {
    pub(crate) fn new(kafka: &KafkaConfig, topic: Topic) -> Self {
        let partitions = i32::try_from(kafka.partitions.get()).unwrap();
        Self(RawReader::new(kafka, &topic.name(&kafka.prefix), partitions))
    }

    /// Reads `count` events, in the order in which they are received.
    pub(crate) async fn read(&self, count: usize) -> Vec<Read> {
        self.0.read(count).await.into_iter().map(read).collect()
    }

    /// Reads to the end.
    pub(crate) async fn rest(&self) -> Vec<Read> {
        self.0.rest().await.into_iter().map(read).collect()
    }
}

fn read(raw: Raw) -> Read {
    let kind = raw.header("ce_type").unwrap();
    Read { payload: Payload::decode(kind, &raw.payload).unwrap(), key: raw.key, headers: raw.headers }
}

/// Reads messages of any kind.
pub(crate) struct RawReader(StreamConsumer);

impl RawReader {
    /// Joins no group, so there is no rebalance to wait for. The client needs a name all the same.
    pub(crate) fn new(kafka: &KafkaConfig, topic: &str, partition_count: i32) -> Self {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", &kafka.brokers)
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("topic.metadata.refresh.interval.ms", "200")
            .set("allow.auto.create.topics", "false")
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        for partition in 0..partition_count {
            partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&partitions).unwrap();
        Self(consumer)
    }

    /// Reads `count` events, in the order in which they are received.
    pub(crate) async fn read(&self, count: usize) -> Vec<Raw> {
        let reading = async {
            let mut events = Vec::new();
            while events.len() < count {
                // Until the topic is created, reading it fails.
                if let Ok(message) = self.0.recv().await {
                    events.push(raw(&message));
                }
            }
            events
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.unwrap_or_else(|_| panic!("{count} events did not come within {PATIENCE:?}"))
    }

    /// Reads to the end.
    pub(crate) async fn rest(&self) -> Vec<Raw> {
        let mut events = Vec::new();
        let mut until = Instant::now() + SILENCE;
        while let Ok(received) = tokio::time::timeout_at(until, self.0.recv()).await {
            if let Ok(message) = received {
                events.push(raw(&message));
                until = Instant::now() + SILENCE;
            }
        }
        events
    }
}

fn raw(message: &BorrowedMessage<'_>) -> Raw {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = message.headers().unwrap().iter();
    Raw {
        key: text(message.key().unwrap()),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect(),
        payload: message.payload().unwrap().to_vec(),
    }
}
