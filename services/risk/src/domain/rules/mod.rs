//! The rules: which orders get points, and the score at which an order is refused.

mod versioned;

use std::time::Duration;

use serde::Deserialize;

use super::counts::STEP_SECONDS;
use super::{Candidate, Decision, Subject};

pub(crate) use versioned::VersionedRules;

/// The maximum number of rules.
const MAX_RULES: usize = 32;
/// The maximum of the points of a rule, and of the score at which orders are refused.
const MAX_POINTS: u32 = 1_000;
/// The maximum of an account's age in a rule, in seconds: a year.
const MAX_AGE: u32 = 31_536_000;
/// The maximum number of orders that a rule may allow in its window.
const MAX_ORDERS: u32 = 1_000_000;
/// The windows of rules, in seconds; multiples of [`STEP_SECONDS`].
const WINDOWS: std::ops::RangeInclusive<u32> = 10..=3_600;

/// Rules that have been checked. An order is refused if the points of the rules that it meets add up to `reject_at`.
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
    /// Added to the score of an order that meets it, 1 to 1,000.
    pub points: u32,
    /// The condition.
    pub when: When,
}

/// The condition of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// The total is above this.
    AmountAbove {
        /// Minor units, 1 or more.
        amount: i64,
    },
    /// The user registered less than this long before placing the order.
    AccountYoungerThan {
        /// 1 to 31,536,000 (a year).
        seconds: u32,
    },
    /// The user has placed more orders than `most` within the window, this one included.
    OrdersOfUser {
        /// 1 to 1,000,000.
        most: u32,
        /// 10 to 3,600, a multiple of 5.
        within_seconds: u32,
    },
    /// More orders than `most` came from the client's address within the window, this one included.
    OrdersOfAddress {
        /// 1 to 1,000,000.
        most: u32,
        /// 10 to 3,600, a multiple of 5.
        within_seconds: u32,
    },
}

/// A field of rules that is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct InvalidRules {
    /// Its path, such as `rules[2].points`.
    pub field: String,
    /// The constraint that it violates.
    pub rule: String,
}

/// Rules as they are configured.
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

/// Shops differ in how fast their customers order, so nothing is counted by default. Only orders above 10,000,000.00
/// are refused; the other two rules affect only scores.
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
    /// Names the first field that is out of bounds.
    pub fn new(reject_at: u32, list: Vec<Rule>) -> Result<Self, InvalidRules> {
        let points = 1..=MAX_POINTS;
        if !points.contains(&reject_at) {
            return Err(InvalidRules::new("reject_at", format!("must be 1 to {MAX_POINTS}")));
        }
        if list.len() > MAX_RULES {
            return Err(InvalidRules::new("rules", format!("must be at most {MAX_RULES}")));
        }
        for (position, rule) in list.iter().enumerate() {
            let field = |name: &str| format!("rules[{position}].{name}");
            if !points.contains(&rule.points) {
                return Err(InvalidRules::new(field("points"), format!("must be 1 to {MAX_POINTS}")));
            }
            rule.when.check().map_err(|(name, rule)| InvalidRules::new(field(name), rule))?;
        }
        Ok(Self { reject_at, list })
    }

    /// The score at which an order is refused.
    pub fn reject_at(&self) -> u32 {
        self.reject_at
    }

    /// The rules, in the given order.
    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// The longest window in which a rule counts orders; `None` if no rule does.
    pub(crate) fn longest_window(&self) -> Option<Duration> {
        self.list.iter().filter_map(|rule| rule.when.window()).max()
    }

    /// The score, the verdict, and the names of the rules that the order meets. `count` returns the orders of a subject
    /// within a window, this one included.
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
    /// The name in stored rules and in the reasons of assessments.
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
                if !WINDOWS.contains(&within_seconds) || within_seconds % STEP_SECONDS != 0 {
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

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
pub(in crate::domain) mod tests;
