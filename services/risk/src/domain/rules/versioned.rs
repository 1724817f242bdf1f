//! Rules with their version: which ones replace which, and the assessment of an order by them.

use jiff::Timestamp;

use super::Rules;
use crate::domain::{Assessment, Candidate, Counts, bucket_at};

/// The rules of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionedRules {
    /// Version 1 is the configured one; each replacement adds 1.
    pub(crate) version: u64,
    pub(crate) rules: Rules,
}

impl VersionedRules {
    /// The configured rules, which apply until an administrator replaces them.
    pub(crate) fn configured(rules: Rules) -> Self {
        Self { version: 1, rules }
    }

    /// The next version; `None` if the caller has not seen the current one.
    pub(crate) fn replaced(&self, expected_version: u64, rules: Rules) -> Option<Self> {
        (self.version == expected_version).then(|| Self { version: expected_version.saturating_add(1), rules })
    }

    /// Whether these rules replace the current ones.
    pub(crate) fn supersedes(&self, current: Option<&Self>) -> bool {
        current.is_none_or(|current| current.version < self.version)
    }

    /// Judges an order by the rules and by the orders counted up to when it was placed, itself included.
    pub(crate) fn assess(&self, order: &Candidate, counts: &Counts, now: Timestamp) -> Assessment {
        let placed = bucket_at(order.at);
        let (score, decision, reasons) =
            self.rules.judge(order, |subject, window| counts.count(subject, window, placed));
        Assessment {
            order_id: order.order_id,
            user_id: order.user_id,
            decision,
            score,
            rules_version: self.version,
            reasons: reasons.into_iter().map(str::to_owned).collect(),
            at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::tests::{order, rules};
    use crate::domain::{Counter, Decision, When};

    fn version(version: u64) -> VersionedRules {
        VersionedRules { version, rules: Rules::default() }
    }

    #[test]
    fn rules_are_replaced_only_by_a_caller_who_has_seen_them() {
        let first = VersionedRules::configured(Rules::default());
        assert_eq!(first.version, 1);
        assert_eq!(first.replaced(1, Rules::default()), Some(version(2)));
        for unseen in [0, 2, u64::MAX] {
            assert_eq!(first.replaced(unseen, Rules::default()), None);
        }
    }

    #[test]
    fn only_newer_rules_supersede() {
        assert!(version(1).supersedes(None));
        assert!(version(3).supersedes(Some(&version(2))));
        assert!(!version(2).supersedes(Some(&version(2))));
        assert!(!version(1).supersedes(Some(&version(2))));
    }

    #[test]
    fn an_assessment_has_the_verdict_and_the_version_of_the_rules() {
        let window = When::OrdersOfUser { most: 1, within_seconds: 60 };
        let rules = VersionedRules { version: 7, rules: rules(&[(100, window)]) };
        let (order, mut counts, now) = (order(5), Counts::new(Counter(1), 10), primitives::now());
        counts.add(order.user(), bucket_at(order.at));
        let accepted = rules.assess(&order, &counts, now);
        assert_eq!((accepted.decision, accepted.score, accepted.rules_version), (Decision::Accept, 0, 7));
        // An order after this one does not count.
        counts.add(order.user(), bucket_at(order.at) + 1);
        assert_eq!(rules.assess(&order, &counts, now), accepted);
        counts.add(order.user(), bucket_at(order.at));
        let refused = rules.assess(&order, &counts, now);
        assert_eq!((refused.decision, refused.score), (Decision::Reject, 100));
        assert_eq!((&refused.reasons[..], refused.at), (&["orders_of_user".to_owned()][..], now));
        assert_eq!((refused.order_id, refused.user_id), (order.order_id, order.user_id));
    }
}
