//! Which lost events are published again, and whether an incremental run waits for them.

use std::collections::HashSet;

use primitives::EventId;

use super::backlog::Backlog;
use super::comparison::Comparison;
use super::finding::Finding;
use super::history::ExceptionHistories;

/// Withholds the remedies of lost events that publishing again would not help: those that the inbox has recorded, which
/// are parked or were applied after the cut; and all of them while the consumer may still deliver them.
pub fn withhold_remedies(findings: &mut [Finding], recorded: &HashSet<EventId>, backlog: Backlog) {
    for finding in findings {
        let Some(event) = finding.lost_event() else { continue };
        if recorded.contains(&event) {
            finding.remedy = None;
            finding.found = "parked, or applied since".to_owned();
        }
        if backlog.may_deliver() {
            finding.remedy = None;
        }
    }
}

/// Whether a window has to be compared again, once its events could be applied: there are lost events whose remedy is
/// not given up, or more differences than were kept.
pub fn awaits_events(events: &Comparison, histories: &ExceptionHistories) -> bool {
    !events.is_complete() || healable(events).any(|finding| !histories.is_given_up(finding))
}

/// The lost events that have a remedy: those whose histories [`awaits_events`] needs.
pub fn healable_events(events: &Comparison) -> Vec<Finding> {
    healable(events).cloned().collect()
}

fn healable(events: &Comparison) -> impl Iterator<Item = &Finding> {
    let lost = events.findings.iter().filter(|finding| finding.lost_event().is_some());
    lost.filter(|finding| finding.remedy.is_some())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use primitives::OrderId;

    use super::*;
    use crate::domain::{Check, Difference, Publisher, Remedy};

    const IDLE: Backlog = Backlog { is_reading: true, events: Some(0) };

    fn lost(event: EventId) -> Finding {
        let remedy = Remedy::PublishAgain(Publisher::Order, EventId::new());
        Finding::new(Difference::LostEvent, event, "applied", "not published").with_remedy(Some(remedy))
    }

    fn refundable() -> Finding {
        let order = OrderId::new();
        Finding::new(Difference::PaymentWithoutOrder, order, "", "").with_remedy(Some(Remedy::Refund(order)))
    }

    fn comparison(findings: impl IntoIterator<Item = Finding>) -> Comparison {
        let mut comparison = Comparison::new(Check::Events, Timestamp::UNIX_EPOCH);
        comparison.found(findings);
        comparison
    }

    #[test]
    fn an_event_that_the_inbox_has_is_not_published_again() {
        let (parked, missing) = (EventId::new(), EventId::new());
        let mut findings = [lost(parked), lost(missing), refundable()];
        withhold_remedies(&mut findings, &[parked].into(), IDLE);
        assert_eq!(findings.each_ref().map(|finding| finding.remedy.is_some()), [false, true, true]);
        assert_eq!(findings[0].found, "parked, or applied since");
        assert_eq!(findings[1].found, "not published");
    }

    #[test]
    fn no_event_is_published_again_that_may_still_be_delivered() {
        for backlog in [Backlog { is_reading: false, events: None }, Backlog { events: Some(u64::MAX), ..IDLE }] {
            let mut findings = [lost(EventId::new()), refundable()];
            withhold_remedies(&mut findings, &HashSet::new(), backlog);
            assert_eq!(findings.map(|finding| finding.remedy.is_some()), [false, true]);
        }
    }

    #[test]
    fn a_run_waits_for_events_that_are_published_again_until_they_are_given_up() {
        let (finding, mut histories) = (lost(EventId::new()), ExceptionHistories::default());
        assert!(awaits_events(&comparison([finding.clone()]), &histories));
        for _ in 0..3 {
            histories.add(finding.key(), Timestamp::UNIX_EPOCH, true);
        }
        assert!(!awaits_events(&comparison([finding]), &histories));
        let withheld = lost(EventId::new()).with_remedy(None);
        assert!(!awaits_events(&comparison([withheld, refundable()]), &histories));
        assert!(!awaits_events(&comparison([]), &histories));
    }

    #[test]
    fn a_run_waits_when_not_every_difference_was_kept() {
        let withheld = || lost(EventId::new()).with_remedy(None);
        let many = comparison((0..=10_000).map(|_| withheld()));
        assert!(!many.is_complete() && awaits_events(&many, &ExceptionHistories::default()));
    }
}
