//! An event as it was received from the broker.

use jiff::Timestamp;
use primitives::EventId;
use rdkafka::message::{Headers as _, Message as _, OwnedMessage};

use super::record::{HEADER_ID, HEADER_TRACE, HEADER_TYPE};
use crate::{Payload, Unreadable};

/// An event that was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Its id; consumers apply each id once.
    pub id: EventId,
    /// The aggregate.
    pub key: String,
    /// When it happened.
    pub at: Timestamp,
    /// The payload.
    pub payload: Payload,
    /// The trace that it belongs to.
    pub(crate) traceparent: Option<String>,
}

impl Received {
    /// Reads a message of the broker.
    pub(crate) fn read(message: &OwnedMessage) -> Result<Self, Unreadable> {
        let id = header(message, HEADER_ID).and_then(|id| id.parse().ok()).ok_or(Unreadable::Id)?;
        let kind = header(message, HEADER_TYPE).unwrap_or_default();
        let received = Self::decode(id, kind, message.payload().unwrap_or_default())?;
        let traceparent = header(message, HEADER_TRACE).map(str::to_owned);
        Ok(Self { traceparent, ..received })
    }

    pub(crate) fn decode(id: EventId, kind: &str, bytes: &[u8]) -> Result<Self, Unreadable> {
        let payload = Payload::decode(kind, bytes)?;
        Ok(Self { id, key: payload.key().to_owned(), at: payload.occurred_at()?, payload, traceparent: None })
    }
}

fn header<'a>(message: &'a OwnedMessage, name: &str) -> Option<&'a str> {
    let found = message.headers()?.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}
