//! The events that the payment service publishes.

use jiff::Timestamp;
use primitives::Currency;

use super::{Entry, Payment, Posted, Status};

/// A change that is published to other services. It is written in the transaction of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A payment reached an outcome.
    Payment {
        /// The payment after the change.
        payment: Payment,
        /// The outcome.
        outcome: Outcome,
        /// When the payment reached it.
        at: Timestamp,
    },
    /// An account has a new entry.
    Account {
        /// The entry.
        entry: Entry,
        /// The account's currency.
        currency: Currency,
    },
}

/// The outcomes of payments that are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The money was taken.
    Captured,
    /// The card was declined, or the provider will refuse the charge.
    Declined,
    /// The money was given back.
    Refunded,
}

impl Event {
    /// The event of a payment that reached its status at that time; `None` for a status that others do not act on.
    pub(crate) fn of_payment(payment: &Payment, at: Timestamp) -> Option<Self> {
        let outcome = match payment.status {
            Status::Captured => Outcome::Captured,
            Status::Declined => Outcome::Declined,
            Status::Refunded => Outcome::Refunded,
            Status::Pending | Status::Refunding => return None,
        };
        Some(Self::Payment { payment: payment.clone(), outcome, at })
    }

    /// The event of an entry in an account.
    pub(crate) fn of_posted(posted: &Posted) -> Self {
        Self::Account { entry: posted.entry.clone(), currency: posted.account.balance.currency() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payment::tests::card_payment;

    #[test]
    fn settled_payments_are_published_and_unsettled_ones_are_not() {
        for status in Status::ALL {
            let payment = card_payment(status);
            let event = Event::of_payment(&payment, payment.created_at);
            assert_eq!(event.is_some(), status.is_settled(), "{status:?}");
        }
    }
}
