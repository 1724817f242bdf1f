//! Lines of statements: one for each event.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use primitives::{EventId, OrderId, UserId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    /// An order was committed with its stock.
    OrderPlaced,
    /// An order was paid.
    OrderPaid,
    /// An order was cancelled and its stock given back.
    OrderCancelled,
    /// An order expired and its stock was given back.
    OrderExpired,
    /// A payment was captured, from an account or a card.
    PaymentCaptured,
    /// A payment was declined; the amount is the one that was requested.
    PaymentDeclined,
    /// A payment was refunded.
    PaymentRefunded,
    /// A deposit to an account.
    AccountDeposit,
    /// A payment from an account.
    AccountPayment,
    /// A refund to an account.
    AccountRefund,
    /// Stock was added or removed; belongs to no customer.
    StockMoved,
}

impl LineKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::OrderPlaced,
        Self::OrderPaid,
        Self::OrderCancelled,
        Self::OrderExpired,
        Self::PaymentCaptured,
        Self::PaymentDeclined,
        Self::PaymentRefunded,
        Self::AccountDeposit,
        Self::AccountPayment,
        Self::AccountRefund,
        Self::StockMoved,
    ];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderPlaced => "order_placed",
            Self::OrderPaid => "order_paid",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderExpired => "order_expired",
            Self::PaymentCaptured => "payment_captured",
            Self::PaymentDeclined => "payment_declined",
            Self::PaymentRefunded => "payment_refunded",
            Self::AccountDeposit => "account_deposit",
            Self::AccountPayment => "account_payment",
            Self::AccountRefund => "account_refund",
            Self::StockMoved => "stock_moved",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The sign with which an amount of this kind counts in the net amount paid: 1, -1 or 0.
    pub(crate) fn sign(self) -> i64 {
        match self {
            Self::PaymentCaptured => 1,
            Self::PaymentRefunded => -1,
            _ => 0,
        }
    }
}

/// One event, as a line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// The id of the event.
    pub id: EventId,
    /// What happened.
    pub kind: LineKind,
    /// The customer; `None` for stock.
    pub user: Option<UserId>,
    /// The order, payment, account entry or SKU that it is about.
    pub subject: String,
    /// The order that it belongs to, if there is one.
    pub order: Option<OrderId>,
    /// Minor units of the shop's currency, never negative; 0 for stock.
    pub amount: i64,
    /// Pieces of stock added or, when negative, removed; 0 for all but stock.
    pub pieces: i64,
    /// When it happened.
    pub at: Timestamp,
}

impl StatementLine {
    /// The day that it belongs to, in UTC.
    pub fn day(&self) -> Date {
        self.at.to_zoned(TimeZone::UTC).date()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_by_its_name() {
        for kind in LineKind::ALL {
            assert_eq!(LineKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(LineKind::from_name("order_lost"), None);
    }
}
