//! Finishes work on an order that was left unfinished: a payment whose outcome was not learned, or a refund that is
//! due.

use super::{Order, Payment, PaymentClaim, PaymentStatus};

/// An order with unfinished work.
#[derive(Debug)]
pub(crate) struct FollowUp {
    pub(crate) order: Order,
    /// The attempt to pay whose outcome is not known.
    pub(crate) claim: Option<PaymentClaim>,
    /// A captured payment has to be given back.
    pub(crate) refund_due: bool,
}

/// What finishes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextStep<'a> {
    Refund,
    Resolve(&'a PaymentClaim),
    /// Somebody else has finished it.
    Nothing,
}

/// What becomes of a claim, given the order's payment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The money was captured: the order is paid, or the payment is given back.
    Settle(Payment),
    /// Nothing was charged: the order is free to be paid again.
    Release,
    /// The outcome is still unknown; the payment service resolves it, and it is asked again when the lease has ended.
    Wait,
}

impl FollowUp {
    /// The next step. A refund comes first: an order that owes one is never paid again.
    pub(crate) fn next_step(&self) -> NextStep<'_> {
        match &self.claim {
            _ if self.refund_due => NextStep::Refund,
            Some(claim) => NextStep::Resolve(claim),
            None => NextStep::Nothing,
        }
    }
}

impl Resolution {
    /// By the live payment of the order, as the payment service knows it.
    pub(crate) fn of(payment: Option<Payment>) -> Self {
        let Some(payment) = payment else { return Self::Release };
        match payment.status {
            PaymentStatus::Captured => Self::Settle(payment),
            PaymentStatus::Pending => Self::Wait,
            PaymentStatus::Declined | PaymentStatus::Refunded => Self::Release,
        }
    }
}

#[cfg(test)]
mod tests {
    use primitives::{OrderId, PaymentId};

    use super::*;
    use crate::domain::MethodName;
    use crate::domain::order::tests::order;
    use crate::domain::payment_claim::tests::claim;

    fn payment(status: PaymentStatus) -> Payment {
        Payment {
            id: PaymentId::new(),
            order_id: OrderId::new(),
            method: MethodName::Card,
            status,
            amount: order().total,
            created_at: primitives::now(),
        }
    }

    #[test]
    fn a_refund_comes_before_an_attempt() {
        let step = |claim, refund_due| match (FollowUp { order: order(), claim, refund_due }).next_step() {
            NextStep::Refund => "refund",
            NextStep::Resolve(_) => "resolve",
            NextStep::Nothing => "nothing",
        };
        assert_eq!(step(Some(claim("a")), true), "refund");
        assert_eq!(step(None, true), "refund");
        assert_eq!(step(Some(claim("a")), false), "resolve");
        assert_eq!(step(None, false), "nothing");
    }

    #[test]
    fn only_a_captured_payment_settles_and_only_a_pending_one_is_waited_for() {
        let captured = payment(PaymentStatus::Captured);
        assert_eq!(Resolution::of(Some(captured.clone())), Resolution::Settle(captured));
        assert_eq!(Resolution::of(Some(payment(PaymentStatus::Pending))), Resolution::Wait);
        for over in [None, Some(payment(PaymentStatus::Declined)), Some(payment(PaymentStatus::Refunded))] {
            assert_eq!(Resolution::of(over), Resolution::Release);
        }
    }
}
