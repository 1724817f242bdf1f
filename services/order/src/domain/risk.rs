//! The decision about the risk of an order, and the rules that the order service can apply by itself.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use primitives::{Money, UserId};

/// The decision about an order's risk. Only accepted orders exist; the source of the decision is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Risk {
    pub(crate) source: RiskSource,
}

/// The source of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RiskSource {
    /// The risk service.
    Service,
    /// The local rules, since the risk service did not answer in time.
    LocalRules,
}

impl RiskSource {
    /// Every source.
    pub(crate) const ALL: [Self; 2] = [Self::Service, Self::LocalRules];

    /// The stored name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::LocalRules => "local_rules",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Reject,
}

impl Verdict {
    /// Every verdict.
    pub(crate) const ALL: [Self; 2] = [Self::Accept, Self::Reject];
}

/// Identifies an attempt to place an order: the same for each retry of one request.
pub(crate) type Attempt = [u8; 16];

/// The facts that the risk service needs for a later review of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReviewRequest {
    pub(crate) attempt: Attempt,
    /// The client's address, when it is known.
    pub(crate) from: Option<IpAddr>,
}

/// The rules of the risk service that need only the order. Rules that count orders are left out, since a replica sees
/// only a part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalRules {
    /// The version of the rules; 0 before any were read.
    pub(crate) version: u64,
    /// An order is rejected from this many points on.
    pub(crate) reject_at: u32,
    /// The rules with their points.
    pub(crate) list: Vec<(u32, LocalRule)>,
}

/// The condition of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalRule {
    /// The total is above this, in minor units.
    AmountAbove(i64),
    /// The user registered less than this before.
    AccountYoungerThan(Duration),
}

/// Rejects nothing: the order is reviewed later.
impl Default for LocalRules {
    fn default() -> Self {
        Self { version: 0, reject_at: u32::MAX, list: Vec::new() }
    }
}

impl LocalRules {
    /// The verdict about an order of a user at a time.
    pub(crate) fn judge(&self, total: Money, user: UserId, at: Timestamp) -> Verdict {
        let met = self.list.iter().filter(|(_, rule)| rule.is_met(total, user, at));
        let score = met.fold(0_u32, |sum, (points, _)| sum.saturating_add(*points));
        if score >= self.reject_at { Verdict::Reject } else { Verdict::Accept }
    }
}

impl LocalRule {
    fn is_met(self, total: Money, user: UserId, at: Timestamp) -> bool {
        match self {
            Self::AmountAbove(amount) => total.amount() > amount,
            // The id of a user is made at the registration and carries its time.
            Self::AccountYoungerThan(age) => user.as_uuid() >= primitives::lowest_at(at - age),
        }
    }
}

#[cfg(test)]
mod tests {
    use primitives::Currency;

    use super::*;

    fn judge(rules: &LocalRules, amount: i64, age_seconds: u64) -> Verdict {
        let now = primitives::now();
        let user = UserId::from(primitives::lowest_at(now - Duration::from_secs(age_seconds)));
        rules.judge(Money::new(amount, Currency::USD), user, now)
    }

    #[test]
    fn points_add_up_and_the_order_is_refused_from_the_limit_on() {
        let list =
            vec![(60, LocalRule::AmountAbove(100)), (40, LocalRule::AccountYoungerThan(Duration::from_secs(60)))];
        let rules = LocalRules { version: 1, reject_at: 100, list };
        assert_eq!(judge(&rules, 101, 30), Verdict::Reject);
        assert_eq!(judge(&rules, 100, 30), Verdict::Accept);
        assert_eq!(judge(&rules, 101, 61), Verdict::Accept);
    }

    #[test]
    fn before_any_rules_were_read_nothing_is_refused() {
        assert_eq!(judge(&LocalRules::default(), i64::MAX, 0), Verdict::Accept);
    }
}
