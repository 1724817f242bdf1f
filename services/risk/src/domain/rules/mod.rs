//! The rules: what gives an order points, and from how many points on it is refused.

use std::time::Duration;

use serde::Deserialize;

use super::{Candidate, Subject};

/// The most rules.
const MAX_RULES: usize = 32;
/// The most points of a rule, and the highest score that can be asked for.
const MAX_POINTS: u32 = 1_000;
/// The most seconds that an account's age is compared with: a year.
const MAX_AGE: u32 = 31_536_000;
/// The most orders that a velocity may allow.
const MAX_ORDERS: u32 = 1_000_000;
/// The times that a velocity may be of, in seconds; multiples of [`WINDOW_STEP`].
const WINDOWS: std::ops::RangeInclusive<u32> = 10..=3_600;
/// The length of what is counted together, in seconds.
pub(super) const WINDOW_STEP: u32 = 5;

/// The rules of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionedRules {
    /// Counts from 1, which is what the process is configured with.
    pub(crate) version: u64,
    pub(crate) rules: Rules,
}

/// Rules that have been checked. An order is refused when the points of those that it meets add up to `reject_at`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawRules")]
pub struct Rules {
    reject_at: u32,
    list: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it adds to the score, 1 to 1,000.
    pub points: u32,
    /// What meets it.
    pub when: When,
}

/// What an order has to be to meet a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// The total is above this.
    AmountAbove {
        /// Minor units, 1 or more.
        amount: i64,
    },
    /// The user registered less than this before.
    AccountYoungerThan {
        /// 1 to 31,536,000 (a year).
        seconds: u32,
    },
    /// The user has placed more orders, this one included, in the time before.
    OrdersOfUser {
        /// 1 to 1,000,000.
        most: u32,
        /// 10 to 3,600, a multiple of 5.
        within_seconds: u32,
    },
    /// More orders, this one included, have come from the client's address in the time before.
    OrdersOfAddress {
        /// 1 to 1,000,000.
        most: u32,
        /// 10 to 3,600, a multiple of 5.
        within_seconds: u32,
    },
}

/// What is wrong with rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct InvalidRules {
    /// Where, such as `rules[2].points`.
    pub field: String,
    /// What it must be.
    pub rule: String,
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Accept,
    Reject,
}

/// Rules as they are written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    #[serde(default = "default_reject_at")]
    reject_at: u32,
    #[serde(default)]
    list: Vec<Rule>,
}

fn default_reject_at() -> u32 {
    100
}

impl TryFrom<RawRules> for Rules {
    type Error = InvalidRules;

    fn try_from(raw: RawRules) -> Result<Self, InvalidRules> {
        Self::new(raw.reject_at, raw.list)
    }
}

/// No shop is like another in how fast its customers order, so nothing is counted by default; only what no order of a
/// shop of this kind costs is refused: 10,000,000.00 and more. The other two show in scores.
impl Default for Rules {
    fn default() -> Self {
        let rule = |points, when| Rule { points, when };
        Self {
            reject_at: default_reject_at(),
            list: vec![
                rule(100, When::AmountAbove { amount: 1_000_000_000 }),
                rule(40, When::AmountAbove { amount: 100_000_000 }),
                rule(20, When::AccountYoungerThan { seconds: 3_600 }),
            ],
        }
    }
}

impl Rules {
    /// Checks rules.
    ///
    /// # Errors
    /// The first field that is out of its bounds.
    pub fn new(reject_at: u32, list: Vec<Rule>) -> Result<Self, InvalidRules> {
        let points = 1..=MAX_POINTS;
        if !points.contains(&reject_at) {
            return Err(InvalidRules::new("reject_at", format!("must be 1 to {MAX_POINTS}")));
        }
        if list.len() > MAX_RULES {
            return Err(InvalidRules::new("rules", format!("must be at most {MAX_RULES}")));
        }
        for (at, rule) in list.iter().enumerate() {
            let field = |name: &str| format!("rules[{at}].{name}");
            if !points.contains(&rule.points) {
                return Err(InvalidRules::new(field("points"), format!("must be 1 to {MAX_POINTS}")));
            }
            rule.when.check().map_err(|(name, rule)| InvalidRules::new(field(name), rule))?;
        }
        Ok(Self { reject_at, list })
    }

    /// The score from which an order is refused.
    pub fn reject_at(&self) -> u32 {
        self.reject_at
    }

    /// The rules, in their order.
    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// The longest time in which any rule counts orders; `None` when none does.
    pub(crate) fn longest_window(&self) -> Option<Duration> {
        self.list.iter().filter_map(|rule| rule.when.window()).max()
    }

    /// The verdict: the score, what becomes of the order, and the names of the rules that it meets. `count` tells how
    /// many orders a subject has had in the time before, this one included.
    pub(crate) fn judge(
        &self,
        order: &Candidate,
        count: impl Fn(Subject, Duration) -> u64,
    ) -> (u32, Decision, Vec<&'static str>) {
        let met: Vec<_> = self.list.iter().filter(|rule| rule.when.is_met(order, &count)).collect();
        let score = met.iter().fold(0_u32, |sum, rule| sum.saturating_add(rule.points));
        let decision = if score >= self.reject_at { Decision::Reject } else { Decision::Accept };
        (score, decision, met.into_iter().map(|rule| rule.when.name()).collect())
    }
}

impl When {
    /// Its name in reasons.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::AmountAbove { .. } => "amount_above",
            Self::AccountYoungerThan { .. } => "account_younger_than",
            Self::OrdersOfUser { .. } => "orders_of_user",
            Self::OrdersOfAddress { .. } => "orders_of_address",
        }
    }

    fn window(&self) -> Option<Duration> {
        match self {
            Self::AmountAbove { .. } | Self::AccountYoungerThan { .. } => None,
            Self::OrdersOfUser { within_seconds, .. } | Self::OrdersOfAddress { within_seconds, .. } => {
                Some(seconds(*within_seconds))
            }
        }
    }

    fn is_met(&self, order: &Candidate, count: &impl Fn(Subject, Duration) -> u64) -> bool {
        match *self {
            Self::AmountAbove { amount } => order.total > amount,
            Self::AccountYoungerThan { seconds: age } => order.is_account_younger_than(seconds(age)),
            Self::OrdersOfUser { most, within_seconds } => {
                count(order.user(), seconds(within_seconds)) > u64::from(most)
            }
            Self::OrdersOfAddress { most, within_seconds } => {
                order.address().is_some_and(|from| count(from, seconds(within_seconds)) > u64::from(most))
            }
        }
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        match *self {
            Self::AmountAbove { amount } if amount < 1 => Err(("amount", "must be 1 or more".to_owned())),
            Self::AccountYoungerThan { seconds } if !(1..=MAX_AGE).contains(&seconds) => {
                Err(("seconds", format!("must be 1 to {MAX_AGE}")))
            }
            Self::OrdersOfUser { most, within_seconds } | Self::OrdersOfAddress { most, within_seconds } => {
                if !(1..=MAX_ORDERS).contains(&most) {
                    return Err(("most", format!("must be 1 to {MAX_ORDERS}")));
                }
                if !WINDOWS.contains(&within_seconds) || within_seconds % WINDOW_STEP != 0 {
                    return Err(("within_seconds", "must be 10 to 3600 and a multiple of 5".to_owned()));
                }
                Ok(())
            }
            Self::AmountAbove { .. } | Self::AccountYoungerThan { .. } => Ok(()),
        }
    }
}

impl InvalidRules {
    fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }
}

impl Decision {
    /// The stored name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Accept, Self::Reject].into_iter().find(|decision| decision.name() == name)
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
mod tests;
