//! Statements: totals of one customer and day.

use std::collections::BTreeMap;

use jiff::civil::Date;
use primitives::UserId;

use super::line::{LineKind, StatementLine};

/// The customer and day of a statement. Ordered by day, then by customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementKey {
    /// The day in UTC.
    pub day: Date,
    /// The customer.
    pub user: UserId,
}

/// The lines of one kind: their number and the sum of their amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of lines.
    pub count: i64,
    /// The sum, in minor units of the shop's currency.
    pub amount: i64,
}

/// The totals of lines. Totals of parts add up to the totals of the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// One for each kind that happened.
    pub tallies: BTreeMap<LineKind, Tally>,
    /// The number of lines.
    pub lines: i64,
    /// Captured less refunded payments, in minor units.
    pub net: i64,
}

/// The statement of one customer and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its customer and day.
    pub key: StatementKey,
    /// The totals.
    pub totals: Totals,
}

impl Totals {
    /// Adds a line. Sums saturate; the amounts of an order have bounds that keep them far from that.
    pub fn add(&mut self, line: &StatementLine) {
        let tally = self.tallies.entry(line.kind).or_default();
        tally.count = tally.count.saturating_add(1);
        tally.amount = tally.amount.saturating_add(line.amount);
        self.lines = self.lines.saturating_add(1);
        self.net = self.net.saturating_add(line.kind.sign().saturating_mul(line.amount));
    }

    /// Totals whose sums follow from the tallies.
    pub fn of(tallies: BTreeMap<LineKind, Tally>) -> Self {
        let lines = tallies.values().map(|tally| tally.count).fold(0, i64::saturating_add);
        let signed = tallies.iter().map(|(kind, tally)| kind.sign().saturating_mul(tally.amount));
        let net = signed.fold(0, i64::saturating_add);
        Self { tallies, lines, net }
    }

    /// Whether the sums are those of the tallies.
    pub fn add_up(&self) -> bool {
        *self == Self::of(self.tallies.clone())
    }

    /// The tally of a kind; zero when it did not happen.
    pub fn tally(&self, kind: LineKind) -> Tally {
        self.tallies.get(&kind).copied().unwrap_or_default()
    }
}

/// The totals of lines by statement. Lines without a customer belong to none.
pub fn by_customer<'a>(lines: impl IntoIterator<Item = &'a StatementLine>) -> BTreeMap<StatementKey, Totals> {
    let mut statements = BTreeMap::<StatementKey, Totals>::new();
    for line in lines {
        if let Some(user) = line.user {
            statements.entry(StatementKey { day: line.day(), user }).or_default().add(line);
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use primitives::EventId;

    use super::*;

    fn line(user: UserId, kind: LineKind, amount: i64, at: &str) -> StatementLine {
        let at: Timestamp = at.parse().unwrap();
        StatementLine {
            id: EventId::new(),
            kind,
            user: Some(user),
            subject: "s".into(),
            order: None,
            amount,
            pieces: 0,
            at,
        }
    }

    #[test]
    fn lines_are_added_up_by_day_and_customer() {
        let (ann, bob) = (UserId::new(), UserId::new());
        let lines = [
            line(ann, LineKind::OrderPlaced, 500, "2026-11-23T23:59:59.999Z"),
            line(ann, LineKind::PaymentCaptured, 500, "2026-11-24T00:00:00Z"),
            line(ann, LineKind::PaymentRefunded, 200, "2026-11-24T10:00:00Z"),
            line(bob, LineKind::OrderPlaced, 7, "2026-11-24T10:00:00Z"),
        ];
        let statements: Vec<_> = by_customer(&lines).into_iter().collect();
        assert_eq!(statements.len(), 3);
        assert_eq!(statements[0].0, StatementKey { day: "2026-11-23".parse().unwrap(), user: ann });
        assert_eq!(statements[0].1.tally(LineKind::OrderPlaced), Tally { count: 1, amount: 500 });
        assert_eq!(statements[1].1.net, 300);
        assert_eq!(statements[1].1.lines, 2);
        assert!(statements.iter().all(|(_, totals)| totals.add_up()));
    }

    #[test]
    fn stock_belongs_to_no_customer() {
        let mut stock = line(UserId::new(), LineKind::StockMoved, 0, "2026-11-24T00:00:00Z");
        stock.user = None;
        assert!(by_customer(&[stock]).is_empty());
    }

    #[test]
    fn a_sum_that_was_changed_does_not_add_up() {
        let mut totals = Totals::default();
        totals.add(&line(UserId::new(), LineKind::PaymentCaptured, 5, "2026-11-24T00:00:00Z"));
        assert!(totals.add_up());
        totals.net += 1;
        assert!(!totals.add_up());
        totals.net -= 1;
        totals.lines += 1;
        assert!(!totals.add_up());
    }
}
