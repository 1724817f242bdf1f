//! The checks and their findings.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// How many differences of a check are kept; all are counted.
const KEPT: usize = 20;

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident, $text:literal;)+) => {
        /// A condition that always holds while the books are right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Check {
            $(#[doc = $text] $variant,)+
        }

        impl Check {
            /// Every check, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The check as a sentence.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

checks! {
    CounterExists, "each SKU with movements or live orders has a counter";
    CounterNotNegative, "no counter is negative";
    CounterIsSumOfMovements, "each counter is the sum of its movements";
    CounterMatchesOrders, "initial + adjustments - lines of live orders = counter, for each SKU";
    MovementsKnown, "each movement has one of the ledger's reasons";
    LinesTaken, "each order line names the movement that took its stock";
    LinesReturned, "each line of an ended order, and no other, names the movement that returned its stock";
    LinesHaveMovements, "each movement that an order line names exists";
    MovementsHaveLines, "each movement for orders is named by an order line";
    MovementsMatchLines, "each movement for orders is the sum of the lines that name it, of its SKU and for its reason";
    MovementsOfOneOrder, "each movement that names an order is named by the lines of that order alone";
    OrderTotals, "each order's total is the sum of its lines";
    OneOrderPerKey, "one order for each user's idempotency key";
    AccountIsSumOfEntries, "each account is the sum of its entries";
    AccountNotNegative, "no account is negative, now or after any entry";
    EntriesGapless, "each account's entries are numbered from 1 without gaps, and the account counts them";
    RunningBalance, "each entry's balance follows from the one before";
    PaidOnce, "each order was paid at most once";
    PaidOrdersCaptured, "each paid order has a captured payment";
    PaymentsOfOrders, "each captured payment belongs to an order that is paid, being paid, or being refunded";
    PaymentAmounts, "each payment has its order's total and owner";
    Refunds, "each payment of a cancelled order was refunded, or is due to be";
    PaymentsHaveEntries, "each payment and refund by balance has exactly one entry";
    EntriesHavePayments, "each entry for an order belongs to its payment by balance";
    Readable, "each document has the expected form";
}

/// A difference, with both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The SKU, order or account that is wrong.
    pub subject: String,
    /// The value that it should have.
    pub expected: String,
    /// The value that it has.
    pub found: String,
}

impl Difference {
    pub(crate) fn new(subject: impl fmt::Display, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { subject: subject.to_string(), expected: expected.to_string(), found: found.to_string() }
    }
}

/// The differences that one check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// How many there are.
    pub count: u64,
    /// The first 20 of them.
    pub first: Vec<Difference>,
}

impl Differences {
    pub(crate) fn add(&mut self, difference: Difference) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(difference);
        }
    }
}

/// The differences that all checks found.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<Check, Differences>);

impl Findings {
    pub(crate) fn add(&mut self, check: Check, difference: Difference) {
        self.0.entry(check).or_default().add(difference);
    }

    pub(crate) fn add_all(&mut self, check: Check, differences: Differences) {
        if differences.count > 0 {
            self.0.insert(check, differences);
        }
    }

    /// Adds a difference when the two sides differ.
    pub(crate) fn compare<T: PartialEq + fmt::Display>(
        &mut self,
        check: Check,
        subject: impl fmt::Display,
        expected: T,
        found: T,
    ) {
        if expected != found {
            self.add(check, Difference::new(subject, expected, found));
        }
    }

    pub(crate) fn into_inner(self) -> BTreeMap<Check, Differences> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_differences_are_counted_and_the_first_are_kept() {
        let mut findings = Findings::default();
        for number in 0..25 {
            findings.compare(Check::OrderTotals, number, 1, 2);
            findings.compare(Check::PaidOnce, number, 1, 1);
        }
        let found = findings.into_inner();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [Check::OrderTotals]);
        assert_eq!((found[&Check::OrderTotals].count, found[&Check::OrderTotals].first.len()), (25, 20));
        assert_eq!(found[&Check::OrderTotals].first[0], Difference::new(0, 1, 2));
    }
}
