//! Reads a topic of dead letters from one offset to another, without joining a group.

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
/// The pause before a partition without a leader is queried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Which letters of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) enum Selection {
    All,
    /// The last of each partition.
    Last(NonZeroU32),
    One {
        partition: i32,
        offset: i64,
    },
}

/// The lowest offset of a partition, and the offsets that are read: from the first up to, but without, the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OffsetRange {
    partition: i32,
    low: i64,
    first: i64,
    end: i64,
}

/// The letters that existed when this was opened, as a stream.
pub struct Letters {
    topic: Topic,
    /// `None` only while it is being dropped.
    consumer: Option<StreamConsumer>,
    /// The partitions that are still being read, with their ends.
    ends: BTreeMap<i32, i64>,
    earlier: u64,
}

impl Letters {
    pub(super) async fn open(kafka: &KafkaConfig, topic: Topic, selection: Selection) -> Result<Self, DeadLetterError> {
        let until = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let kafka = kafka.clone();
            // The client's queries block their thread. The task is cancelled only at the end of the runtime.
            let opened = tokio::task::spawn_blocking(move || open_blocking(&kafka, topic, selection, until)).await;
            match opened.unwrap_or(Err(DeadLetterError::Broker(KafkaError::Canceled))) {
                Err(DeadLetterError::Broker(error)) if is_transient(&error) && Instant::now() + PAUSE < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    /// The number of letters before those that are read.
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
                // It may recover in time: the client retries by itself.
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
        // Dropping a client waits for its thread, as with producers.
        if let (Some(consumer), Ok(runtime)) = (self.consumer.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(consumer)));
        }
    }
}

/// Whether a partition has no leader for the moment, as just after it was created or while a broker is down.
fn is_transient(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    matches!(error.rdkafka_error_code(), Some(LeaderNotAvailable | NotLeaderForPartition))
}

fn open_blocking(
    kafka: &KafkaConfig,
    topic: Topic,
    selection: Selection,
    until: Instant,
) -> Result<Letters, DeadLetterError> {
    let name = topic.dead_letters(&kafka.prefix);
    let consumer: StreamConsumer = client_config(kafka, CLIENT)
        // The client needs the name of a group, though it joins none and commits nothing.
        .set("group.id", format!("{}.{CLIENT}", kafka.prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", FETCHED_AHEAD_KIB.to_string())
        .create()?;
    let ranges = ranges(&consumer, &name, selection, until)?;
    let mut assigned = TopicPartitionList::with_capacity(ranges.len());
    let (mut ends, mut earlier) = (BTreeMap::new(), 0);
    for OffsetRange { partition, low, first, end } in ranges {
        earlier += u64::try_from(first - low).unwrap_or_default();
        if first < end {
            assigned.add_partition_offset(&name, partition, Offset::Offset(first))?;
            ends.insert(partition, end);
        }
    }
    consumer.assign(&assigned)?;
    Ok(Letters { topic, consumer: Some(consumer), ends, earlier })
}

fn ranges(
    consumer: &StreamConsumer,
    topic: &str,
    selection: Selection,
    until: Instant,
) -> Result<Vec<OffsetRange>, DeadLetterError> {
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
    let wanted = found.partitions().iter().filter(|partition| selection.includes(partition.id()));
    wanted
        .map(|partition| {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), left())?;
            Ok(selection.range(partition.id(), low, high))
        })
        .collect()
}

impl Selection {
    fn includes(self, partition: i32) -> bool {
        !matches!(self, Self::One { partition: wanted, .. } if wanted != partition)
    }

    /// The selected offsets of a partition that has those from `low` up to, but without, `high`.
    fn range(self, partition: i32, low: i64, high: i64) -> OffsetRange {
        let (first, end) = match self {
            Self::All => (low, high),
            Self::Last(most) => (low.max(high - i64::from(most.get())), high),
            Self::One { offset, .. } if (low..high).contains(&offset) => (offset, offset + 1),
            Self::One { .. } => (high, high),
        };
        OffsetRange { partition, low, first, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(selection: Selection, low: i64, high: i64) -> (i64, i64) {
        let OffsetRange { first, end, .. } = selection.range(0, low, high);
        (first, end)
    }

    #[test]
    fn at_most_the_selected_letters_that_exist_are_read() {
        let last = |most| Selection::Last(NonZeroU32::new(most).unwrap());
        assert_eq!(range(Selection::All, 5, 9), (5, 9));
        assert_eq!(range(last(3), 5, 9), (6, 9));
        assert_eq!(range(last(30), 5, 9), (5, 9));
        assert_eq!(range(last(3), 9, 9), (9, 9));
    }

    #[test]
    fn one_letter_is_read_only_at_its_offset() {
        let one = |offset| Selection::One { partition: 0, offset };
        assert_eq!(range(one(5), 5, 9), (5, 6));
        assert_eq!(range(one(8), 5, 9), (8, 9));
        for gone in [-1, 4, 9, i64::MAX] {
            assert_eq!(range(one(gone), 5, 9), (9, 9));
        }
        assert!(one(5).includes(0) && !one(5).includes(1) && Selection::All.includes(1));
    }
}
