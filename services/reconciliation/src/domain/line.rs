//! One thing that happened, as a line of a statement.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use primitives::{EventId, OrderId, UserId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An order was committed with its stock.
    OrderPlaced,
    /// An order was paid.
    OrderPaid,
    /// An order was cancelled and its stock given back.
    OrderCancelled,
    /// An order's time ran out and its stock was given back.
    OrderExpired,
    /// Money was taken from an account or a card.
    PaymentCaptured,
    /// Money was not taken; the amount is what was asked for.
    PaymentDeclined,
    /// Money was given back.
    PaymentRefunded,
    /// An account was filled.
    AccountDeposit,
    /// An account paid.
    AccountPayment,
    /// An account got a payment back.
    AccountRefund,
    /// Stock came or went; of no customer.
    StockMoved,
}

impl Kind {
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

    /// The sign with which an amount of this kind counts in what a customer has paid: 1, -1 or 0.
    pub(crate) fn sign(self) -> i64 {
        match self {
            Self::PaymentCaptured => 1,
            Self::PaymentRefunded => -1,
            _ => 0,
        }
    }
}

/// One thing that happened, told by one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The event that told it.
    pub id: EventId,
    /// What happened.
    pub kind: Kind,
    /// Whose it is; nobody's for stock.
    pub user: Option<UserId>,
    /// The order, payment, account entry or SKU that it is about.
    pub subject: String,
    /// The order that it belongs to, if to one.
    pub order: Option<OrderId>,
    /// Minor units of the shop's currency, never negative; 0 for stock.
    pub amount: i64,
    /// Pieces of stock that came or, when negative, went; 0 for all but stock.
    pub pieces: i64,
    /// When it happened.
    pub at: Timestamp,
}

impl Line {
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
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("order_lost"), None);
    }
}
