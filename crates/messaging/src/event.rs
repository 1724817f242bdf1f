//! An event as its publisher makes it.

use jiff::Timestamp;
use primitives::EventId;

use crate::Payload;

/// An event to be published.
#[derive(Debug, Clone)]
pub struct Event {
    pub(crate) id: EventId,
    pub(crate) key: String,
    pub(crate) kind: &'static str,
    pub(crate) at: Timestamp,
    pub(crate) payload: Vec<u8>,
    pub(crate) traceparent: Option<String>,
}

impl Event {
    /// A new event that happened at `at`, the time of its payload. It continues the trace of the current span.
    pub fn new(payload: &Payload, at: Timestamp) -> Self {
        Self {
            id: EventId::new(),
            key: payload.key().to_owned(),
            kind: payload.kind(),
            at,
            payload: payload.encode(),
            traceparent: service::telemetry::traceparent(&tracing::Span::current()),
        }
    }

    /// The same event in another trace.
    #[must_use]
    pub fn continuing(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }

    /// Its id, which stays the same wherever it is copied.
    pub fn id(&self) -> EventId {
        self.id
    }
}
