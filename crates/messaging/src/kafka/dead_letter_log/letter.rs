//! A dead letter as it is read from the broker.

use jiff::Timestamp;
use rdkafka::message::{Headers as _, Message as _, OwnedHeaders, OwnedMessage};

use crate::kafka::dead_letters::{
    HEADER_AT, HEADER_GROUP, HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON, HEADER_TOPIC,
};
use crate::kafka::{HEADER_ID, HEADER_TYPE};
use crate::{Payload, Topic, Unreadable};

/// The position of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterPosition {
    /// The topic of the event.
    pub topic: Topic,
    /// In the topic of dead letters, counted from 0.
    pub partition: i32,
    /// In that partition, counted from 0.
    pub offset: i64,
}

/// Where an event was published before it became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The name of the topic at the broker; empty when it is unknown.
    pub topic: &'a str,
    /// Its partition and offset; `None` for an event that had been parked in a database.
    pub position: Option<(i32, i64)>,
}

/// An event that could not be applied, as it was received, and the reason. Only its position is certain: a message that
/// is no event becomes a dead letter too.
#[derive(Debug, Clone)]
pub struct Letter {
    position: LetterPosition,
    message: OwnedMessage,
}

impl Letter {
    pub(super) fn new(topic: Topic, message: OwnedMessage) -> Self {
        let position = LetterPosition { topic, partition: message.partition(), offset: message.offset() };
        Self { position, message }
    }

    /// Its position in the topic of dead letters.
    pub fn position(&self) -> LetterPosition {
        self.position
    }

    /// When it was given up; without that header, when the broker received it.
    pub fn at(&self) -> Option<Timestamp> {
        let given_up = self.text(HEADER_AT).and_then(|at| at.parse().ok());
        let received = || Timestamp::from_millisecond(self.message.timestamp().to_millis()?).ok();
        given_up.or_else(received)
    }

    /// The group that gave it up.
    pub fn group(&self) -> Option<&str> {
        self.text(HEADER_GROUP)
    }

    /// The reason, for people.
    pub fn reason(&self) -> Option<&str> {
        self.text(HEADER_REASON)
    }

    /// Where it was published.
    pub fn origin(&self) -> Origin<'_> {
        let partition = self.text(HEADER_PARTITION).and_then(|partition| partition.parse().ok());
        let offset = self.text(HEADER_OFFSET).and_then(|offset| offset.parse().ok());
        Origin { topic: self.text(HEADER_TOPIC).unwrap_or_default(), position: partition.zip(offset) }
    }

    /// The key: the aggregate of the event.
    pub fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    /// The id of the event, if it has one that is text.
    pub fn event_id(&self) -> Option<&str> {
        self.text(HEADER_ID)
    }

    /// The type of the event: the full name of its message.
    pub fn event_type(&self) -> Option<&str> {
        self.text(HEADER_TYPE)
    }

    /// All headers in their order, those of the dead letter included.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.message.headers().into_iter().flat_map(|headers| headers.iter()).map(|one| (one.key, one.value))
    }

    /// The payload as bytes.
    pub fn payload(&self) -> Option<&[u8]> {
        self.message.payload()
    }

    /// The decoded payload.
    ///
    /// # Errors
    /// When it is no known event.
    pub fn decoded(&self) -> Result<Payload, Unreadable> {
        Payload::decode(self.event_type().unwrap_or_default(), self.payload().unwrap_or_default())
    }

    pub(super) fn raw_headers(&self) -> Option<&OwnedHeaders> {
        self.message.headers()
    }

    fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers().find(|(key, _)| *key == name)?;
        std::str::from_utf8(value?).ok()
    }
}
