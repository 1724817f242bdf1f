//! Payments of orders and the states that they go through.
//!
//! ```text
//! (card)     pending ──> captured ──> refunding ──> refunded
//!               └──────> declined
//! (balance)  captured ──> refunded
//! ```
//!
//! A payment is live in every state but `declined`; an order has at most one live payment.

use jiff::Timestamp;
use primitives::{Money, OrderId, PaymentId, UserId};

/// One attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    /// Also the idempotency key and the reference at the card provider.
    pub(crate) id: PaymentId,
    /// What is paid.
    pub(crate) order_id: OrderId,
    /// Who pays: the order's owner.
    pub(crate) user_id: UserId,
    /// What it is paid with.
    pub(crate) method: Method,
    /// How far it is.
    pub(crate) status: Status,
    /// Above 0.
    pub(crate) amount: Money,
    /// When it was asked for.
    pub(crate) created_at: Timestamp,
}

impl Payment {
    /// A new payment of an order.
    pub(crate) fn new(order: &Order, method: Method, status: Status, at: Timestamp) -> Self {
        Self {
            id: PaymentId::new(),
            order_id: order.id,
            user_id: order.owner,
            method,
            status,
            amount: order.amount,
            created_at: at,
        }
    }

    /// Whether this is a payment of just that order: the same owner and amount.
    pub(crate) fn is_of(&self, order: &Order) -> bool {
        self.order_id == order.id && self.user_id == order.owner && self.amount == order.amount
    }
}

/// What is to be paid, as the order service has it on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// The order.
    pub(crate) id: OrderId,
    /// Whose it is.
    pub(crate) owner: UserId,
    /// Above 0, in the shop's currency.
    pub(crate) amount: Money,
}

/// What an order is paid with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The owner's account.
    Balance,
    /// A card, through the provider.
    Card,
}

/// How far a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The provider was, or is about to be, asked; its answer is not known yet.
    Pending,
    /// The money is ours.
    Captured,
    /// The provider said no, or has been told to refuse it. The order may be paid again.
    Declined,
    /// The money is on its way back: decided, and carried out until it is done. Shown as captured outside.
    Refunding,
    /// The money was given back.
    Refunded,
}

impl Status {
    /// Every status.
    pub(crate) const ALL: [Self; 5] = [Self::Pending, Self::Captured, Self::Declined, Self::Refunding, Self::Refunded];
    /// The states of a payment that keeps its order from being paid again.
    pub(crate) const LIVE: [Self; 4] = [Self::Pending, Self::Captured, Self::Refunding, Self::Refunded];
    /// The states that the resolver brings to an end.
    pub(crate) const UNSETTLED: [Self; 2] = [Self::Pending, Self::Refunding];

    /// The stored name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }

    /// The status of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl Method {
    /// The stored name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Card => "card",
        }
    }

    /// The method of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Balance, Self::Card].into_iter().find(|method| method.name() == name)
    }
}
