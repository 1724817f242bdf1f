//! Reads a topic of dead letters from one offset to another, as part of no group.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::timeout_at;

use super::{CLIENT, DeadLetterError, Letter};
use crate::kafka::{REQUEST_TIMEOUT, client_config};
use crate::{KafkaConfig, Topic};

/// The most bytes of letters that the client fetches ahead, in KiB.
const FETCHED_AHEAD_KIB: u32 = 4 * 1_024;
/// The pause before a partition without a leader is asked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// Which letters of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    All,
    /// The last of each partition.
    Last(NonZeroU32),
    One {
        partition: i32,
        offset: i64,
    },
}

/// What a partition has, and what of it is read: from the first up to, but without, the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    partition: i32,
    low: i64,
    first: i64,
    end: i64,
}

/// Letters that were there when this was made, on their way from the broker.
pub struct Letters {
    topic: Topic,
    /// Only `None` while it is dropped.
    consumer: Option<StreamConsumer>,
    /// The partitions that are still read, with their ends.
    ends: BTreeMap<i32, i64>,
    earlier: u64,
}

impl Letters {
    pub(super) async fn open(kafka: &KafkaConfig, topic: Topic, part: Part) -> Result<Self, DeadLetterError> {
        let until = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let kafka = kafka.clone();
            // The client's questions hold up their thread. Only the end of the runtime keeps them from being asked.
            let asked = tokio::task::spawn_blocking(move || ask(&kafka, topic, part, until)).await;
            match asked.unwrap_or(Err(DeadLetterError::Broker(KafkaError::Canceled))) {
                Err(DeadLetterError::Broker(error)) if passes(&error) && Instant::now() + PAUSE < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                asked => return asked,
            }
        }
    }

    /// How many letters there are before those that are read.
    pub fn earlier(&self) -> u64 {
        self.earlier
    }

    /// The next letter, in the order of its partition; `None` after the last.
    ///
    /// # Errors
    /// [`DeadLetterError::Broker`] and [`DeadLetterError::NoAnswer`], within 10 s.
    pub async fn next(&mut self) -> Result<Option<Letter>, DeadLetterError> {
        let until = tokio::time::Instant::now() + REQUEST_TIMEOUT;
        let mut failure = DeadLetterError::NoAnswer;
        while let Some(consumer) = &self.consumer
            && !self.ends.is_empty()
        {
            match timeout_at(until, consumer.recv()).await {
                Ok(Ok(message)) => {
                    let message = message.detach();
                    if let Some(letter) = self.take(message) {
                        return Ok(Some(letter));
                    }
                }
                Ok(Err(KafkaError::PartitionEOF(partition))) => {
                    self.ends.remove(&partition);
                }
                // It may be back in time: the client tries again by itself.
                Ok(Err(error)) => failure = DeadLetterError::Broker(error),
                Err(_elapsed) => return Err(failure),
            }
        }
        Ok(None)
    }

    fn take(&mut self, message: OwnedMessage) -> Option<Letter> {
        let end = *self.ends.get(&message.partition())?;
        if message.offset() + 1 >= end {
            self.ends.remove(&message.partition());
        }
        (message.offset() < end).then(|| Letter::new(self.topic, message))
    }
}

impl Drop for Letters {
    fn drop(&mut self) {
        // As with producers, ending a client waits for its thread.
        if let (Some(consumer), Ok(runtime)) = (self.consumer.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(consumer)));
        }
    }
}

/// Whether a partition only has no leader for the moment, as just after it was made or when a broker has gone.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    matches!(error.rdkafka_error_code(), Some(LeaderNotAvailable | NotLeaderForPartition))
}

fn ask(kafka: &KafkaConfig, topic: Topic, part: Part, until: Instant) -> Result<Letters, DeadLetterError> {
    let name = topic.dead_letters(&kafka.prefix);
    let consumer: StreamConsumer = client_config(kafka, CLIENT)
        // The client wants the name of a group, though it joins none and commits nothing.
        .set("group.id", format!("{}.{CLIENT}", kafka.prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", FETCHED_AHEAD_KIB.to_string())
        .create()?;
    let spans = spans(&consumer, &name, part, until)?;
    let mut assigned = TopicPartitionList::with_capacity(spans.len());
    let (mut ends, mut earlier) = (BTreeMap::new(), 0);
    for Span { partition, low, first, end } in spans {
        earlier += u64::try_from(first - low).unwrap_or_default();
        if first < end {
            assigned.add_partition_offset(&name, partition, Offset::Offset(first))?;
            ends.insert(partition, end);
        }
    }
    consumer.assign(&assigned)?;
    Ok(Letters { topic, consumer: Some(consumer), ends, earlier })
}

fn spans(consumer: &StreamConsumer, topic: &str, part: Part, until: Instant) -> Result<Vec<Span>, DeadLetterError> {
    let left = || until.saturating_duration_since(Instant::now());
    let metadata = consumer.fetch_metadata(Some(topic), left())?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let no_topic = || DeadLetterError::NoTopic(topic.to_owned());
    let found = found.ok_or_else(no_topic)?;
    match found.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            return Err(no_topic());
        }
        Some(code) => return Err(KafkaError::MetadataFetch(code).into()),
    }
    let wanted = found.partitions().iter().filter(|partition| part.includes(partition.id()));
    wanted
        .map(|partition| {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), left())?;
            Ok(part.span(partition.id(), low, high))
        })
        .collect()
}

impl Part {
    fn includes(self, partition: i32) -> bool {
        !matches!(self, Self::One { partition: wanted, .. } if wanted != partition)
    }

    /// What it is of a partition that has the offsets from `low` up to, but without, `high`.
    fn span(self, partition: i32, low: i64, high: i64) -> Span {
        let (first, end) = match self {
            Self::All => (low, high),
            Self::Last(most) => (low.max(high - i64::from(most.get())), high),
            Self::One { offset, .. } if (low..high).contains(&offset) => (offset, offset + 1),
            Self::One { .. } => (high, high),
        };
        Span { partition, low, first, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(part: Part, low: i64, high: i64) -> (i64, i64) {
        let Span { first, end, .. } = part.span(0, low, high);
        (first, end)
    }

    #[test]
    fn no_more_is_read_than_is_there_and_wanted() {
        let last = |most| Part::Last(NonZeroU32::new(most).unwrap());
        assert_eq!(span(Part::All, 5, 9), (5, 9));
        assert_eq!(span(last(3), 5, 9), (6, 9));
        assert_eq!(span(last(30), 5, 9), (5, 9));
        assert_eq!(span(last(3), 9, 9), (9, 9));
    }

    #[test]
    fn one_letter_is_read_only_where_it_is() {
        let one = |offset| Part::One { partition: 0, offset };
        assert_eq!(span(one(5), 5, 9), (5, 6));
        assert_eq!(span(one(8), 5, 9), (8, 9));
        for gone in [-1, 4, 9, i64::MAX] {
            assert_eq!(span(one(gone), 5, 9), (9, 9));
        }
        assert!(one(5).includes(0) && !one(5).includes(1) && Part::All.includes(1));
    }
}
