//! One step of an order's state machine with all that follows from it.

use jiff::Timestamp;
use primitives::{MovementId, PaymentId};

use super::{InvalidState, Order, Status, Verdict};

/// A step from one state of an order to the next. It is written only while the order has the version and status that it
/// starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    /// The version that the order had.
    pub(crate) from_version: u64,
    /// The status that it had.
    pub(crate) from_status: Status,
    /// The order as it becomes.
    pub(crate) after: Order,
    /// The time of the step: later than the step before it.
    pub(crate) at: Timestamp,
    /// What others are told.
    pub(crate) change: Change,
    /// The movement that returns the stock of each line, in order of SKU; empty when the step returns none.
    pub(crate) returned_by: Vec<MovementId>,
    /// From when on a captured payment has to be given back.
    pub(crate) refund_due_at: Option<Timestamp>,
    /// The verdict that closes the review by the risk service.
    pub(crate) review: Option<Verdict>,
    /// Whether it ends the payment claim.
    pub(crate) ends_claim: bool,
}

/// What happened to an order after it was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Paid(PaymentId),
    Cancelled(CancelledBy),
    Expired,
}

/// On whose behalf an order was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelledBy {
    /// The owner or an administrator asked for it.
    Request,
    /// The risk service rejected it after it was placed.
    Risk,
}

impl Transition {
    /// A payment was captured.
    pub(crate) fn pay(before: &Order, payment: PaymentId, now: Timestamp) -> Result<Self, InvalidState> {
        let after = before.clone().pay(now)?;
        Ok(Self { ends_claim: true, ..Self::new(before, after, now, Change::Paid(payment)) })
    }

    /// The order is cancelled. A paid one owes a refund from now on.
    pub(crate) fn cancel(before: &Order, by: CancelledBy, now: Timestamp) -> Result<Self, InvalidState> {
        let after = before.clone().cancel(now)?;
        Ok(Self {
            refund_due_at: (before.status == Status::Paid).then_some(now),
            review: (by == CancelledBy::Risk).then_some(Verdict::Reject),
            ..Self::new(before, after, now, Change::Cancelled(by))
        })
    }

    /// The time to pay has passed.
    pub(crate) fn expire(before: &Order, now: Timestamp) -> Result<Self, InvalidState> {
        let after = before.clone().expire(now)?;
        Ok(Self::new(before, after, now, Change::Expired))
    }

    fn new(before: &Order, after: Order, now: Timestamp, change: Change) -> Self {
        Self {
            from_version: before.version,
            from_status: before.status,
            at: before.changed_at(now),
            after,
            change,
            returned_by: Vec::new(),
            refund_due_at: None,
            review: None,
            ends_claim: false,
        }
    }
}
