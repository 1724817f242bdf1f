//! When the risk service is asked for its verdict about an order that was accepted without one.

use std::time::Duration;

use jiff::Timestamp;

use super::{Order, Risk, RiskSource};

/// How long the risk service has to assess an order before it is first asked for its verdict.
const FIRST_REVIEW: Duration = Duration::from_secs(1);
/// The shortest and the longest wait before it is asked again.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The age at which an order is no longer reviewed: the default retention of its event at the broker.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When an order with this decision, placed at this time, is reviewed first; `None` when the service has decided.
pub(crate) fn first_review_at(risk: Risk, placed_at: Timestamp) -> Option<Timestamp> {
    match risk.source {
        RiskSource::Service => None,
        RiskSource::LocalRules => Some(placed_at + FIRST_REVIEW),
    }
}

/// When an order without a verdict is reviewed next: after a quarter of its age, within bounds, in whole seconds so
/// that orders share a time. `None` when it is too old.
pub(crate) fn next_review_at(order: &Order, now: Timestamp) -> Option<Timestamp> {
    if order.created_at + MAX_AGE < now {
        return None;
    }
    let age = Duration::try_from(now.duration_since(order.created_at)).unwrap_or_default();
    Some(now + Duration::from_secs(age.as_secs() / 4).clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    #[test]
    fn a_review_waits_for_a_quarter_of_the_age_within_bounds() {
        let order = order();
        let wait = |age_seconds| {
            let now = order.created_at + Duration::from_secs(age_seconds);
            next_review_at(&order, now).map(|next| next.duration_since(now).as_secs())
        };
        assert_eq!([wait(0), wait(3), wait(40), wait(100_000)], [Some(1), Some(1), Some(10), Some(60)]);
        assert_eq!(wait(MAX_AGE.as_secs()), Some(60));
        assert_eq!(wait(MAX_AGE.as_secs() + 1), None);
    }

    #[test]
    fn only_what_the_local_rules_accepted_is_reviewed() {
        let now = primitives::now();
        assert_eq!(first_review_at(Risk { source: RiskSource::Service }, now), None);
        assert_eq!(first_review_at(Risk { source: RiskSource::LocalRules }, now), Some(now + FIRST_REVIEW));
    }
}
