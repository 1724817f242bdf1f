//! Statements: totals of one customer and day.

use std::collections::BTreeMap;

use jiff::civil::Date;
use primitives::UserId;

use super::{Kind, Line};

/// Whose statement of which day. Ordered by day, then by customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementKey {
    /// The day in UTC.
    pub day: Date,
    /// The customer.
    pub user: UserId,
}

/// How often something happened, and to what amount in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub count: i64,
    /// Minor units of the shop's currency.
    pub amount: i64,
}

/// What is counted and added up. Totals of parts add up to the totals of the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// One for each kind that happened.
    pub tallies: BTreeMap<Kind, Tally>,
    /// How many lines there are.
    pub lines: i64,
    /// What was captured less what was given back, in minor units.
    pub net: i64,
}

/// What happened to one customer on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whose and when.
    pub key: StatementKey,
    /// The totals.
    pub totals: Totals,
}

impl Totals {
    /// Counts a line. Sums saturate; the amounts of an order have bounds that keep them far from that.
    pub fn add(&mut self, line: &Line) {
        let tally = self.tallies.entry(line.kind).or_default();
        tally.count = tally.count.saturating_add(1);
        tally.amount = tally.amount.saturating_add(line.amount);
        self.lines = self.lines.saturating_add(1);
        self.net = self.net.saturating_add(line.kind.sign().saturating_mul(line.amount));
    }

    /// Totals whose sums follow from the tallies.
    pub fn of(tallies: BTreeMap<Kind, Tally>) -> Self {
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
    pub fn tally(&self, kind: Kind) -> Tally {
        self.tallies.get(&kind).copied().unwrap_or_default()
    }
}

/// The totals of some lines for each statement that they belong to. Lines of nobody belong to none.
pub fn by_customer<'a>(lines: impl IntoIterator<Item = &'a Line>) -> BTreeMap<StatementKey, Totals> {
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

    fn line(user: UserId, kind: Kind, amount: i64, at: &str) -> Line {
        let at: Timestamp = at.parse().unwrap();
        Line { id: EventId::new(), kind, user: Some(user), subject: "s".into(), order: None, amount, pieces: 0, at }
    }

    #[test]
    fn lines_go_to_the_day_and_customer_that_they_are_of() {
        let (ann, bob) = (UserId::new(), UserId::new());
        let lines = [
            line(ann, Kind::OrderPlaced, 500, "2026-11-23T23:59:59.999Z"),
            line(ann, Kind::PaymentCaptured, 500, "2026-11-24T00:00:00Z"),
            line(ann, Kind::PaymentRefunded, 200, "2026-11-24T10:00:00Z"),
            line(bob, Kind::OrderPlaced, 7, "2026-11-24T10:00:00Z"),
        ];
        let statements: Vec<_> = by_customer(&lines).into_iter().collect();
        assert_eq!(statements.len(), 3);
        assert_eq!(statements[0].0, StatementKey { day: "2026-11-23".parse().unwrap(), user: ann });
        assert_eq!(statements[0].1.tally(Kind::OrderPlaced), Tally { count: 1, amount: 500 });
        assert_eq!(statements[1].1.net, 300);
        assert_eq!(statements[1].1.lines, 2);
        assert!(statements.iter().all(|(_, totals)| totals.add_up()));
    }

    #[test]
    fn stock_belongs_to_no_customer() {
        let mut stock = line(UserId::new(), Kind::StockMoved, 0, "2026-11-24T00:00:00Z");
        stock.user = None;
        assert!(by_customer(&[stock]).is_empty());
    }

    #[test]
    fn a_sum_that_was_changed_does_not_add_up() {
        let mut totals = Totals::default();
        totals.add(&line(UserId::new(), Kind::PaymentCaptured, 5, "2026-11-24T00:00:00Z"));
        assert!(totals.add_up());
        totals.net += 1;
        assert!(!totals.add_up());
        totals.net -= 1;
        totals.lines += 1;
        assert!(!totals.add_up());
    }
}
