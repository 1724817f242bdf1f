//! The commands of callers. Each serializes as a whole to be fingerprinted, all but its key: a field that is added
//! later is then part of the request that an idempotency key stands for.

use primitives::{IdempotencyKey, OrderId, OrderLines};
use serde::Serialize;

use super::Method;

/// Places an order.
#[derive(Debug, Serialize)]
pub(crate) struct NewOrder {
    pub(crate) lines: OrderLines,
    #[serde(skip)]
    pub(crate) key: IdempotencyKey,
}

/// Pays an order.
#[derive(Debug, Serialize)]
pub(crate) struct PaymentRequest {
    pub(crate) id: OrderId,
    pub(crate) method: Method,
    #[serde(skip)]
    pub(crate) key: IdempotencyKey,
}

/// Cancels an order.
#[derive(Debug, Serialize)]
pub(crate) struct Cancellation {
    pub(crate) id: OrderId,
    #[serde(skip)]
    pub(crate) key: IdempotencyKey,
}
