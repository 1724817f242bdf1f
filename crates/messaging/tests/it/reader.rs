//! Reads a topic from its beginning, as any consumer might.

use std::time::Duration;

use messaging::{KafkaConfig, Payload, Topic};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use tokio::time::Instant;

use crate::world::PATIENCE;

/// How long nothing may come before it is taken that nothing more does.
const SILENCE: Duration = Duration::from_secs(2);

/// An event as it was read.
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

pub(crate) struct Reader(StreamConsumer);

impl Reader {
    /// It joins no group, so nothing has to be agreed upon with others, or left; the client wants a name all the same.
    pub(crate) fn new(kafka: &KafkaConfig, topic: Topic) -> Self {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", &kafka.brokers)
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("topic.metadata.refresh.interval.ms", "200")
            .set("allow.auto.create.topics", "false")
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        for partition in 0..i32::try_from(kafka.partitions.get()).unwrap() {
            partitions
                .add_partition_offset(&topic.name(&kafka.prefix), partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&partitions).unwrap();
        Self(consumer)
    }

    /// So many events, in the order in which they came.
    pub(crate) async fn read(&self, count: usize) -> Vec<Read> {
        let reading = async {
            let mut events = Vec::new();
            while events.len() < count {
                // Until the topic is made, there is only the error that it is not.
                if let Ok(message) = self.0.recv().await {
                    events.push(read(&message));
                }
            }
            events
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.unwrap_or_else(|_| panic!("{count} events did not come within {PATIENCE:?}"))
    }

    /// What still comes until nothing comes any more.
    pub(crate) async fn rest(&self) -> Vec<Read> {
        let mut events = Vec::new();
        let mut until = Instant::now() + SILENCE;
        while let Ok(received) = tokio::time::timeout_at(until, self.0.recv()).await {
            if let Ok(message) = received {
                events.push(read(&message));
                until = Instant::now() + SILENCE;
            }
        }
        events
    }
}

fn read(message: &BorrowedMessage<'_>) -> Read {
    let headers = message.headers().unwrap().iter();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers: Vec<_> =
        headers.map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect();
    let kind = headers.iter().find(|(name, _)| name == "ce_type").unwrap().1.clone();
    Read {
        key: text(message.key().unwrap()),
        payload: Payload::decode(&kind, message.payload().unwrap()).unwrap(),
        headers,
    }
}
