//! What earlier runs have found of a difference, and when its remedy is given up.

use std::collections::HashMap;

use jiff::Timestamp;

use super::finding::{ExceptionKey, Finding};

/// How often the remedy of a difference is applied between two full runs.
const MAX_HEALINGS: u32 = 3;

/// What earlier runs have found of one difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceptionHistory {
    /// When it was first found.
    pub first_seen_at: Timestamp,
    /// How often its remedy was accepted.
    pub healed: u32,
}

/// What earlier runs have found, by difference. It goes back to the start of the last full run that was completed:
/// that run would have found each difference that there was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExceptionHistories(HashMap<ExceptionKey, ExceptionHistory>);

impl ExceptionHistories {
    /// Adds one exception of an earlier run.
    pub fn add(&mut self, key: ExceptionKey, first_seen_at: Timestamp, healed: bool) {
        let history = self.0.entry(key).or_insert(ExceptionHistory { first_seen_at, healed: 0 });
        history.first_seen_at = history.first_seen_at.min(first_seen_at);
        history.healed = history.healed.saturating_add(u32::from(healed));
    }

    /// That of a finding's difference; `None` when it is new.
    pub fn get(&self, finding: &Finding) -> Option<ExceptionHistory> {
        self.0.get(&finding.key()).copied()
    }

    /// Whether a difference was healed so often that a person has to look at it: an event that can never be applied
    /// would otherwise become a dead letter again and again.
    pub fn is_given_up(&self, finding: &Finding) -> bool {
        self.get(finding).is_some_and(|history| history.healed >= MAX_HEALINGS)
    }

    /// Withholds the remedies that are given up.
    pub fn give_up(&self, findings: &mut [Finding]) {
        for finding in findings {
            if self.is_given_up(finding) {
                finding.remedy = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use primitives::OrderId;

    use super::*;
    use crate::domain::{Difference, Remedy};

    fn finding() -> Finding {
        let order = OrderId::new();
        Finding::new(Difference::PaymentWithoutOrder, order, "", "").with_remedy(Some(Remedy::Refund(order)))
    }

    fn time(text: &str) -> Timestamp {
        format!("2026-11-{text}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_history_has_the_first_sighting_and_all_healings() {
        let (found, mut histories) = (finding(), ExceptionHistories::default());
        histories.add(found.key(), time("23"), true);
        histories.add(found.key(), time("22"), false);
        histories.add(found.key(), time("24"), true);
        assert_eq!(histories.get(&found), Some(ExceptionHistory { first_seen_at: time("22"), healed: 2 }));
        assert_eq!(histories.get(&finding()), None);
    }

    #[test]
    fn a_remedy_is_given_up_after_three_healings() {
        let (found, mut histories) = (finding(), ExceptionHistories::default());
        let mut findings = [found.clone(), finding()];
        for _ in 0..2 {
            histories.add(found.key(), time("24"), true);
        }
        histories.add(found.key(), time("24"), false);
        histories.give_up(&mut findings);
        assert!(findings.iter().all(|finding| finding.remedy.is_some()));
        histories.add(found.key(), time("24"), true);
        histories.give_up(&mut findings);
        assert_eq!(findings.map(|finding| finding.remedy.is_some()), [false, true]);
    }
}
