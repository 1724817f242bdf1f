//! A payment as the payment service reports it.

use std::fmt;

use jiff::Timestamp;
use primitives::{Money, OrderId, PaymentId};
use serde::Serialize;

/// One attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) order_id: OrderId,
    pub(crate) method: MethodName,
    pub(crate) status: PaymentStatus,
    pub(crate) amount: Money,
    pub(crate) created_at: Timestamp,
}

/// The name of a payment method, without its secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MethodName {
    Balance,
    Card,
}

/// The state of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentStatus {
    Pending,
    Captured,
    Declined,
    Refunded,
}

/// A payment method. Serialized only to be fingerprinted: the token is a secret and is not stored.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Method {
    Balance,
    Card { token: String },
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Balance => "Balance",
            Self::Card { .. } => "Card",
        })
    }
}
