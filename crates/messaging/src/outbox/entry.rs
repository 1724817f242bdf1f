//! An entry of the outbox as it is stored.

use jiff::Timestamp;
use mongo::{ConvertError, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{Binary, DateTime, Uuid, spec::BinarySubtype};
use primitives::EventId;
use serde::{Deserialize, Serialize};

use crate::kafka::{PublishError, Record};
use crate::{Event, Payload};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryDocument {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    source: String,
    shard: i32,
    pub(super) at: DateTime,
    /// Set until it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unsent: Option<bool>,
    pub(super) events: Vec<EventDocument>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventDocument {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) payload: Binary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) traceparent: Option<String>,
}

impl EntryDocument {
    pub(super) fn new(source: &str, shard: i32, at: Timestamp, events: Vec<EventDocument>) -> Self {
        Self {
            id: to_bson_uuid(EventId::new().as_uuid()),
            source: source.to_owned(),
            shard,
            at: to_bson_time(at),
            unsent: Some(true),
            events,
        }
    }

    /// The records to publish.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record<'_>, PublishError>> {
        self.events.iter().map(|event| event.to_record(self))
    }

    pub(super) fn at(&self) -> Result<Timestamp, ConvertError> {
        from_bson_time(self.at)
    }
}

impl EventDocument {
    pub(super) fn id(&self) -> EventId {
        from_bson_uuid(self.id).into()
    }

    fn to_record<'a>(&'a self, entry: &'a EntryDocument) -> Result<Record<'a>, PublishError> {
        let unknown = || PublishError::UnknownKind(self.kind.clone());
        Ok(Record {
            id: self.id(),
            topic: Payload::topic_of(&self.kind).ok_or_else(unknown)?,
            key: &self.key,
            kind: &self.kind,
            source: &entry.source,
            at: entry.at()?,
            payload: &self.payload.bytes,
            traceparent: self.traceparent.as_deref(),
        })
    }
}

impl From<Event> for EventDocument {
    fn from(event: Event) -> Self {
        Self {
            id: to_bson_uuid(event.id.as_uuid()),
            kind: event.kind.to_owned(),
            key: event.key,
            payload: Binary { subtype: BinarySubtype::Generic, bytes: event.payload },
            traceparent: event.traceparent,
        }
    }
}
