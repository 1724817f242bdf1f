//! What was written to be published against what was applied.

use std::collections::BTreeMap;

use primitives::EventId;

use super::{Difference, Finding};
use crate::domain::{Publisher, Remedy};

/// An event that its writer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its id.
    pub id: EventId,
    /// The full name of its message.
    pub kind: String,
    /// Whether the broker has acknowledged it.
    pub sent: bool,
    /// Who keeps it.
    pub publisher: Publisher,
    /// The entry that it is part of.
    pub entry: EventId,
}

/// Something that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The event that it was applied for.
    pub event: EventId,
    /// What it is, for people.
    pub what: String,
}

/// Compares the events of one time with what was applied of that time; old enough for all of them to have been. Each
/// event has one effect, and each effect an event.
pub fn events_and_effects(kept: &[KeptEvent], effects: &[Effect]) -> Vec<Finding> {
    let mut applied: BTreeMap<EventId, &Effect> = effects.iter().map(|effect| (effect.event, effect)).collect();
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
        Finding::new(Difference::DoubledEffect, effect.event, expected, format!("only {}", effect.what))
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

    fn effect(event: EventId) -> Effect {
        Effect { event, what: "order_placed".into() }
    }

    #[test]
    fn each_event_has_one_effect() {
        let events = [kept(true), kept(true)];
        let effects = events.each_ref().map(|event| effect(event.id));
        assert_eq!(events_and_effects(&events, &effects), []);
        assert_eq!(events_and_effects(&[], &[]), []);
    }

    #[test]
    fn what_was_not_applied_is_found_and_can_be_published_again() {
        let events = [kept(true), kept(false)];
        let findings = events_and_effects(&events, &[]);
        assert!(findings.iter().all(|finding| finding.difference == Difference::LostEvent));
        assert_eq!(findings[1].found, "not published");
        assert_eq!(findings[1].remedy, Some(Remedy::PublishAgain(Publisher::Order, events[1].entry)));
    }

    #[test]
    fn what_no_event_accounts_for_is_found_and_left_to_a_person() {
        let event = kept(true);
        let doubled = effect(EventId::new());
        let findings = events_and_effects(std::slice::from_ref(&event), &[effect(event.id), doubled.clone()]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].difference, Difference::DoubledEffect);
        assert_eq!(findings[0].subject, doubled.event.to_string());
        assert_eq!(findings[0].remedy, None);
    }
}
