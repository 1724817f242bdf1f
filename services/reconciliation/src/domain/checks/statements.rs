//! Statements against their lines.

use jiff::civil::Date;

use crate::domain::finding::{Difference, Finding};
use crate::domain::merchant::MerchantDay;
use crate::domain::statement::{StatementKey, Totals};

/// Compares a statement with the totals of its lines, both of one moment; `None` is a side without a document.
pub fn statement(key: StatementKey, statement: Option<&Totals>, lines: Option<&Totals>) -> Option<Finding> {
    if statement == lines && statement.is_none_or(Totals::add_up) {
        return None;
    }
    let describe = |totals: Option<&Totals>| match totals {
        Some(totals) => format!("{} lines, net {}, {:?}", totals.lines, totals.net, totals.tallies),
        None => "nothing".to_owned(),
    };
    let subject = format!("{} {}", key.user, key.day);
    Some(Finding::new(Difference::StatementDiffers, subject, describe(lines), describe(statement)))
}

/// Compares the merchant's day with the sums of its lines, both of one moment.
pub fn merchant_day(day: Date, kept: &MerchantDay, lines: &MerchantDay) -> Option<Finding> {
    (kept != lines).then(|| {
        let subject = format!("merchant {day}");
        Finding::new(Difference::StatementDiffers, subject, format!("{lines:?}"), format!("{kept:?}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use primitives::UserId;

    use super::*;
    use crate::domain::{LineKind, Tally};

    #[test]
    fn a_statement_that_differs_from_its_lines_is_found() {
        let key = StatementKey { day: "2026-11-24".parse().unwrap(), user: UserId::new() };
        let right = Totals::of(BTreeMap::from([(LineKind::PaymentCaptured, Tally { count: 2, amount: 700 })]));
        let off = Totals { net: 699, ..right.clone() };
        assert_eq!(statement(key, Some(&right), Some(&right)), None);
        assert_eq!(statement(key, None, None), None);
        for (kept, lines) in
            [(Some(&off), Some(&right)), (Some(&right), None), (None, Some(&right)), (Some(&off), Some(&off))]
        {
            let finding = statement(key, kept, lines).unwrap();
            assert_eq!(finding.difference, Difference::StatementDiffers);
        }
    }
}
