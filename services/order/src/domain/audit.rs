//! The books of this service, as the reconciliation compares them with others.

use primitives::{Money, MovementId, OrderId, UserId};

use super::Status;

/// An order as its payments have to agree with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditedOrder {
    pub(crate) id: OrderId,
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    pub(crate) total: Money,
    /// A payment is in progress: it may exist before the order is marked as paid.
    pub(crate) being_paid: bool,
    /// A captured payment is still to be given back.
    pub(crate) refund_due: bool,
}

/// The sum of the order lines that name a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MovedPieces {
    pub(crate) movement: MovementId,
    /// Pieces that were returned or, when negative, taken.
    pub(crate) pieces: i64,
}
