//! A dead letter as it is read.

use jiff::Timestamp;
use rdkafka::message::{Headers as _, Message as _, OwnedHeaders, OwnedMessage};

use crate::kafka::dead_letters::{
    HEADER_AT, HEADER_GROUP, HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON, HEADER_TOPIC,
};
use crate::kafka::{HEADER_ID, HEADER_TYPE};
use crate::{Payload, Topic, Unreadable};

/// Where a letter lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterPlace {
    /// The topic of which it was an event.
    pub topic: Topic,
    /// In the topic of dead letters, counted from 0.
    pub partition: i32,
    /// In that partition, counted from 0.
    pub offset: i64,
}

/// Where an event was published before it died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The topic, by its name at the broker; empty when it is not known.
    pub topic: &'a str,
    /// Its partition and offset; `None` for an event that had been parked in a database.
    pub place: Option<(i32, i64)>,
}

/// An event that could not be applied, as it was received, and why. Nothing about it is sure but its place: a message
/// that is no event at all becomes a dead letter too.
#[derive(Debug, Clone)]
pub struct Letter {
    place: LetterPlace,
    message: OwnedMessage,
}

impl Letter {
    pub(super) fn new(topic: Topic, message: OwnedMessage) -> Self {
        let place = LetterPlace { topic, partition: message.partition(), offset: message.offset() };
        Self { place, message }
    }

    /// Where it lies.
    pub fn place(&self) -> LetterPlace {
        self.place
    }

    /// When it was given up; when the broker took it, if it does not say.
    pub fn at(&self) -> Option<Timestamp> {
        let said = self.text(HEADER_AT).and_then(|at| at.parse().ok());
        let taken = || Timestamp::from_millisecond(self.message.timestamp().to_millis()?).ok();
        said.or_else(taken)
    }

    /// The group that gave it up.
    pub fn group(&self) -> Option<&str> {
        self.text(HEADER_GROUP)
    }

    /// Why, for people.
    pub fn reason(&self) -> Option<&str> {
        self.text(HEADER_REASON)
    }

    /// Where it was published.
    pub fn origin(&self) -> Origin<'_> {
        let partition = self.text(HEADER_PARTITION).and_then(|partition| partition.parse().ok());
        let offset = self.text(HEADER_OFFSET).and_then(|offset| offset.parse().ok());
        Origin { topic: self.text(HEADER_TOPIC).unwrap_or_default(), place: partition.zip(offset) }
    }

    /// The aggregate that it is about.
    pub fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    /// What names the event, when it has a name that is text.
    pub fn event_id(&self) -> Option<&str> {
        self.text(HEADER_ID)
    }

    /// The full name of the payload's message, when it is said.
    pub fn event_type(&self) -> Option<&str> {
        self.text(HEADER_TYPE)
    }

    /// Its headers, with those that tell of its death, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.message.headers().into_iter().flat_map(|headers| headers.iter()).map(|one| (one.key, one.value))
    }

    /// What it tells, as bytes.
    pub fn payload(&self) -> Option<&[u8]> {
        self.message.payload()
    }

    /// What it tells.
    ///
    /// # Errors
    /// When it is no event that is known here.
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
