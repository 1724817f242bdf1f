//! What was written to be published against what was applied.

use std::collections::BTreeSet;

use ids::EventId;

use super::{Difference, Finding};

/// An event that its writer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its id.
    pub id: EventId,
    /// The full name of its message.
    pub kind: String,
    /// Whether the broker has acknowledged it.
    pub sent: bool,
}

/// The events that were not applied although they are old enough to have been.
pub fn lost(kept: &[KeptEvent], applied: &BTreeSet<EventId>) -> Vec<Finding> {
    let missing = kept.iter().filter(|event| !applied.contains(&event.id));
    let finding = |event: &KeptEvent| {
        let found = if event.sent { "published, not applied" } else { "not published" };
        Finding::new(Difference::LostEvent, event.id, format!("{} applied", event.kind), found)
    };
    missing.map(finding).collect()
}
