//! The merchant's day.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::line::{LineKind, StatementLine};

/// What a shop sold and moved on one day. Amounts are minor units of the shop's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MerchantDay {
    /// Payments captured.
    pub sales: i64,
    /// Payments refunded.
    pub refunds: i64,
    /// The totals of the orders placed.
    pub stock_value_out: i64,
    /// The totals of the orders cancelled or expired.
    pub stock_value_back: i64,
    /// Pieces removed from the stock ledger.
    pub pieces_out: i64,
    /// Pieces added to it.
    pub pieces_in: i64,
}

impl MerchantDay {
    /// Adds a line.
    pub fn add(&mut self, line: &StatementLine) {
        self.add_sums(line.kind, line.amount, line.pieces.max(0), line.pieces.min(0).saturating_abs());
    }

    /// Adds the sums of all lines of one kind.
    pub fn add_sums(&mut self, kind: LineKind, amount: i64, pieces_in: i64, pieces_out: i64) {
        let counted = match kind {
            LineKind::PaymentCaptured => &mut self.sales,
            LineKind::PaymentRefunded => &mut self.refunds,
            LineKind::OrderPlaced => &mut self.stock_value_out,
            LineKind::OrderCancelled | LineKind::OrderExpired => &mut self.stock_value_back,
            LineKind::StockMoved => {
                self.pieces_in = self.pieces_in.saturating_add(pieces_in);
                self.pieces_out = self.pieces_out.saturating_add(pieces_out);
                return;
            }
            _ => return,
        };
        *counted = counted.saturating_add(amount);
    }

    /// The sums of lines by day; days without a sum are left out.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a StatementLine>) -> BTreeMap<Date, Self> {
        let mut days = BTreeMap::<Date, Self>::new();
        for line in lines {
            days.entry(line.day()).or_default().add(line);
        }
        days.retain(|_, day| *day != Self::default());
        days
    }
}

#[cfg(test)]
mod tests {
    use primitives::EventId;

    use super::*;

    fn line(kind: LineKind, amount: i64, pieces: i64) -> StatementLine {
        let at = "2026-11-24T12:00:00Z".parse().unwrap();
        StatementLine { id: EventId::new(), kind, user: None, subject: "s".into(), order: None, amount, pieces, at }
    }

    #[test]
    fn each_line_counts_in_its_own_sum() {
        let lines = [
            line(LineKind::OrderPlaced, 900, 0),
            line(LineKind::OrderPaid, 900, 0),
            line(LineKind::PaymentCaptured, 900, 0),
            line(LineKind::PaymentRefunded, 400, 0),
            line(LineKind::OrderExpired, 300, 0),
            line(LineKind::OrderCancelled, 200, 0),
            line(LineKind::StockMoved, 0, -7),
            line(LineKind::StockMoved, 0, 3),
        ];
        let expected = MerchantDay {
            sales: 900,
            refunds: 400,
            stock_value_out: 900,
            stock_value_back: 500,
            pieces_out: 7,
            pieces_in: 3,
        };
        assert_eq!(MerchantDay::of(&lines).into_values().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_day_on_which_nothing_counts_is_left_out() {
        assert!(MerchantDay::of(&[line(LineKind::OrderPaid, 5, 0)]).is_empty());
    }
}
