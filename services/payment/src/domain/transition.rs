//! The legal changes of a payment's status.
//!
//! ```text
//! (card)     pending ──> captured ──> refunding ──> refunded
//!               ├──────> declined                      ▲
//!               └──────────────────────────────────────┘
//! (balance)  captured ──> refunded
//! ```

use jiff::Timestamp;

use super::schedule::next_look;
use super::{Payment, Status};

/// A change from one status to another. There are no others: code that writes a status needs one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The provider took the money.
    Capture,
    /// The provider took nothing and never will.
    Decline,
    /// The provider took the money and gave it back before either was known here.
    Reverse,
    /// A refund by card was decided. The resolver takes it up at `next_look` if it is not carried out by then.
    BeginRefund {
        /// When the resolver looks at the payment.
        next_look: Timestamp,
    },
    /// The provider gave the money back.
    FinishRefund,
    /// The money was given back to the owner's account.
    RefundToBalance,
}

impl Transition {
    /// The table: the status that each transition starts from, and the one that it leads to.
    const fn ends(self) -> (Status, Status) {
        match self {
            Self::Capture => (Status::Pending, Status::Captured),
            Self::Decline => (Status::Pending, Status::Declined),
            Self::Reverse => (Status::Pending, Status::Refunded),
            Self::BeginRefund { .. } => (Status::Captured, Status::Refunding),
            Self::FinishRefund => (Status::Refunding, Status::Refunded),
            Self::RefundToBalance => (Status::Captured, Status::Refunded),
        }
    }

    /// The status that a payment must have.
    pub(crate) const fn from(self) -> Status {
        self.ends().0
    }

    /// The status that it gets.
    pub(crate) const fn to(self) -> Status {
        self.ends().1
    }

    /// The payment after it.
    pub(crate) fn apply(self, payment: Payment) -> Payment {
        Payment { status: self.to(), ..payment }
    }
}

/// A change to write, on condition that the payment's status is `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The status that the payment must have.
    pub(crate) from: Status,
    /// The status that it gets.
    pub(crate) to: Status,
    /// The provider's name for the charge, where it is known.
    pub(crate) provider_reference: Option<String>,
    /// When the resolver looks at the payment next; `None` for a settled one.
    pub(crate) due_at: Option<Timestamp>,
}

impl Step {
    /// Takes a transition, and records the provider's name for the charge where it is known.
    pub(crate) fn take(transition: Transition, provider_reference: Option<String>) -> Self {
        let due_at = match transition {
            Transition::BeginRefund { next_look } => Some(next_look),
            _ => None,
        };
        Self { from: transition.from(), to: transition.to(), provider_reference, due_at }
    }

    /// Keeps the status, and postpones the resolver's next look at an unsettled payment.
    pub(crate) fn postpone(payment: &Payment, now: Timestamp) -> Self {
        let status = payment.status;
        let due_at = (!status.is_settled()).then(|| next_look(payment.created_at, now));
        Self { from: status, to: status, provider_reference: None, due_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payment::tests::card_payment;

    const ALL: [Transition; 6] = [
        Transition::Capture,
        Transition::Decline,
        Transition::Reverse,
        Transition::BeginRefund { next_look: Timestamp::UNIX_EPOCH },
        Transition::FinishRefund,
        Transition::RefundToBalance,
    ];

    #[test]
    fn nothing_leaves_a_final_status_and_nothing_returns_to_pending() {
        for transition in ALL {
            assert!(!matches!(transition.from(), Status::Declined | Status::Refunded), "{transition:?}");
            assert_ne!(transition.to(), Status::Pending, "{transition:?}");
            assert_ne!(transition.from(), transition.to(), "{transition:?}");
        }
    }

    #[test]
    fn money_that_was_captured_is_never_declined() {
        let into_declined = ALL.into_iter().filter(|transition| transition.to() == Status::Declined);
        assert!(into_declined.eq([Transition::Decline]));
        assert_eq!(Transition::Decline.from(), Status::Pending);
    }

    #[test]
    fn a_payment_is_due_again_exactly_while_it_is_unsettled() {
        let at = Timestamp::UNIX_EPOCH;
        for transition in ALL {
            let step = Step::take(transition, None);
            assert_eq!((step.from, step.to), (transition.from(), transition.to()));
            assert_eq!(step.due_at, (!transition.to().is_settled()).then_some(at), "{transition:?}");
        }
        for status in Status::ALL {
            let step = Step::postpone(&card_payment(status), at);
            assert_eq!((step.from, step.to, step.due_at.is_some()), (status, status, !status.is_settled()));
        }
    }
}
