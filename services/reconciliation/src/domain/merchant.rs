//! The merchant's day.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Kind, Line};

/// What a shop sold and moved on one day. Amounts are minor units of the shop's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MerchantDay {
    /// Payments captured.
    pub sales: i64,
    /// Payments given back.
    pub refunds: i64,
    /// The totals of the orders placed.
    pub stock_value_out: i64,
    /// The totals of the orders cancelled or expired.
    pub stock_value_back: i64,
    /// Pieces that left the ledger.
    pub pieces_out: i64,
    /// Pieces that came.
    pub pieces_in: i64,
}

impl MerchantDay {
    /// Counts a line.
    pub fn add(&mut self, line: &Line) {
        self.add_sums(line.kind, line.amount, line.pieces.max(0), line.pieces.min(0).saturating_abs());
    }

    /// Counts lines of one kind by their sums.
    pub fn add_sums(&mut self, kind: Kind, amount: i64, pieces_in: i64, pieces_out: i64) {
        let counted = match kind {
            Kind::PaymentCaptured => &mut self.sales,
            Kind::PaymentRefunded => &mut self.refunds,
            Kind::OrderPlaced => &mut self.stock_value_out,
            Kind::OrderCancelled | Kind::OrderExpired => &mut self.stock_value_back,
            Kind::StockMoved => {
                self.pieces_in = self.pieces_in.saturating_add(pieces_in);
                self.pieces_out = self.pieces_out.saturating_add(pieces_out);
                return;
            }
            _ => return,
        };
        *counted = counted.saturating_add(amount);
    }

    /// The days that some lines belong to; days on which they change nothing are left out.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> BTreeMap<Date, Self> {
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

    fn line(kind: Kind, amount: i64, pieces: i64) -> Line {
        let at = "2026-11-24T12:00:00Z".parse().unwrap();
        Line { id: EventId::new(), kind, user: None, subject: "s".into(), order: None, amount, pieces, at }
    }

    #[test]
    fn each_line_counts_where_it_belongs() {
        let lines = [
            line(Kind::OrderPlaced, 900, 0),
            line(Kind::OrderPaid, 900, 0),
            line(Kind::PaymentCaptured, 900, 0),
            line(Kind::PaymentRefunded, 400, 0),
            line(Kind::OrderExpired, 300, 0),
            line(Kind::OrderCancelled, 200, 0),
            line(Kind::StockMoved, 0, -7),
            line(Kind::StockMoved, 0, 3),
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
        assert!(MerchantDay::of(&[line(Kind::OrderPaid, 5, 0)]).is_empty());
    }
}
