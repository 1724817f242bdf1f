//! The events that publishers keep against those that were applied.

use std::collections::BTreeMap;

use primitives::EventId;

use crate::domain::finding::{Difference, Finding};
use crate::domain::remedy::{Publisher, Remedy};

/// An event in the outbox of its publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its id.
    pub id: EventId,
    /// The full name of its message.
    pub kind: String,
    /// Whether the broker has acknowledged it.
    pub sent: bool,
    /// Its publisher.
    pub publisher: Publisher,
    /// The entry of the outbox that it is part of.
    pub entry: EventId,
}

/// The effect of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedEffect {
    /// The event.
    pub event: EventId,
    /// A description, for people.
    pub description: String,
}

/// Compares the events of one moment with their effects; the moment must be old enough for all of them to have been
/// applied. Each event has one effect, and each effect an event.
pub fn events_and_effects(kept: &[KeptEvent], effects: &[AppliedEffect]) -> Vec<Finding> {
    let mut applied: BTreeMap<EventId, &AppliedEffect> = effects.iter().map(|effect| (effect.event, effect)).collect();
    let mut findings = Vec::new();
    for event in kept {
        if applied.remove(&event.id).is_none() {
            let found = if event.sent { "published, not applied" } else { "not published" };
            let finding = Finding::new(Difference::LostEvent, event.id, format!("{} applied", event.kind), found);
            findings.push(finding.with_remedy(Some(Remedy::PublishAgain(event.publisher, event.entry))));
        }
    }
    findings.extend(applied.into_values().map(|effect| {
        let expected = "an event that it was applied for";
        Finding::new(Difference::DoubledEffect, effect.event, expected, format!("only {}", effect.description))
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sent: bool) -> KeptEvent {
        let (id, entry) = (EventId::new(), EventId::new());
        KeptEvent { id, kind: "OrderEvent".into(), sent, publisher: Publisher::Order, entry }
    }

    fn effect(event: EventId) -> AppliedEffect {
        AppliedEffect { event, description: "order_placed".into() }
    }

    #[test]
    fn each_event_has_one_effect() {
        let events = [kept(true), kept(true)];
        let effects = events.each_ref().map(|event| effect(event.id));
        assert_eq!(events_and_effects(&events, &effects), []);
        assert_eq!(events_and_effects(&[], &[]), []);
    }

    #[test]
    fn an_event_that_was_not_applied_is_found_and_can_be_published_again() {
        let events = [kept(true), kept(false)];
        let findings = events_and_effects(&events, &[]);
        assert!(findings.iter().all(|finding| finding.difference == Difference::LostEvent));
        assert_eq!(findings[1].found, "not published");
        assert_eq!(findings[1].remedy, Some(Remedy::PublishAgain(Publisher::Order, events[1].entry)));
    }

    #[test]
    fn an_effect_without_an_event_is_found_and_left_to_a_person() {
        let event = kept(true);
        let doubled = effect(EventId::new());
        let findings = events_and_effects(std::slice::from_ref(&event), &[effect(event.id), doubled.clone()]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].difference, Difference::DoubledEffect);
        assert_eq!(findings[0].subject, doubled.event.to_string());
        assert_eq!(findings[0].remedy, None);
    }
}
