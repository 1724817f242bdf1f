//! What the reconciliation compares with the books of others.

use primitives::{Money, MovementId, OrderId, UserId};

use super::Status;

/// What payments have to agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditedOrder {
    pub(crate) id: OrderId,
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    pub(crate) total: Money,
    /// Somebody is paying it: a payment may be there before the order says so.
    pub(crate) being_paid: bool,
    /// A captured payment is about to be given back.
    pub(crate) refund_due: bool,
}

/// What order lines say of a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MovedPieces {
    pub(crate) movement: MovementId,
    /// What came or, when negative, went.
    pub(crate) pieces: i64,
}
