//! An event as a record of the broker: the Kafka protocol binding of CloudEvents 1.0 in binary mode.

use jiff::Timestamp;
use primitives::EventId;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use service::telemetry;
use tracing::Span;

use crate::Topic;

pub(crate) const HEADER_ID: &str = "ce_id";
pub(crate) const HEADER_TRACE: &str = telemetry::TRACEPARENT;
pub(crate) const HEADER_TYPE: &str = "ce_type";
const CONTENT_TYPE: &str = "application/protobuf";

/// An event to be sent.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) id: EventId,
    pub(crate) topic: Topic,
    pub(crate) key: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) source: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) payload: &'a [u8],
    pub(crate) traceparent: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// The record for the topic of that name. Consumers continue the trace of `span`, if it is recorded.
    pub(super) fn for_topic(&self, topic: &'a str, span: &Span) -> FutureRecord<'a, str, [u8]> {
        let sending = telemetry::traceparent(span);
        let traceparent = sending.as_deref().or(self.traceparent);
        let (id, time, source) = (self.id.to_string(), self.at.to_string(), format!("/fournines/{}", self.source));
        let headers = [
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", "1.0"),
            (HEADER_ID, &id),
            (HEADER_TYPE, self.kind),
            ("ce_source", &source),
            ("ce_subject", self.key),
            ("ce_time", &time),
        ];
        let headers = headers.into_iter().chain(traceparent.map(|trace| (HEADER_TRACE, trace)));
        let headers = headers
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        FutureRecord::to(topic).key(self.key).payload(self.payload).headers(headers)
    }
}
