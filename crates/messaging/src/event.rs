//! An event, as its writer makes it.

use jiff::Timestamp;
use primitives::EventId;

use crate::Payload;

/// Something that happened, to be published.
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
    /// A new event that happened at `at`, which is what its payload says too. It continues the trace of the current
    /// span.
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

    /// The same in the trace of another span than the current one.
    #[must_use]
    pub fn continuing(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }

    /// What names it wherever it goes.
    pub fn id(&self) -> EventId {
        self.id
    }
}
