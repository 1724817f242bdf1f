//! Settles card payments with an unknown outcome: by the charge's status at the provider or, when the provider does not
//! know the charge for too long, by having the provider refuse it.

use std::time::Duration;

use jiff::Timestamp;

use super::schedule::age;
use super::{Payment, Status, Transition};

/// A charge at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charge {
    /// The provider's own name for it; at most 255 bytes.
    pub(crate) reference: String,
    /// Its status.
    pub(crate) status: ChargeStatus,
}

/// The status of a charge at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChargeStatus {
    /// The money was taken.
    Captured,
    /// The card was declined; nothing was taken.
    Declined,
    /// The charge was voided before it arrived; nothing was or will be taken.
    Voided,
    /// The money was taken and given back.
    Refunded,
}

/// The resolver's work on a payment that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DueWork {
    /// Look the charge up, and settle the payment by it.
    LookUp,
    /// Have the provider carry the refund out.
    CarryOutRefund,
}

/// The transition that settles a pending payment, by the status of its charge.
pub(crate) fn settle(charge: ChargeStatus) -> Transition {
    match charge {
        ChargeStatus::Captured => Transition::Capture,
        ChargeStatus::Declined | ChargeStatus::Voided => Transition::Decline,
        ChargeStatus::Refunded => Transition::Reverse,
    }
}

/// The work that an unsettled payment needs; `None` for a settled one.
pub(crate) fn due_work(status: Status) -> Option<DueWork> {
    match status {
        Status::Pending => Some(DueWork::LookUp),
        Status::Refunding => Some(DueWork::CarryOutRefund),
        Status::Captured | Status::Declined | Status::Refunded => None,
    }
}

/// Whether to void the charge of a payment that was just looked up: it is still pending and at least `grace` old. Once
/// the provider refuses the charge, a request that is still in flight can take no money.
pub(crate) fn is_given_up(looked_up: &Payment, now: Timestamp, grace: Duration) -> bool {
    looked_up.status == Status::Pending && age(looked_up.created_at, now) >= grace
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payment::tests::card_payment;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_charge_settles_its_payment() {
        for (charge, status) in [
            (ChargeStatus::Captured, Status::Captured),
            (ChargeStatus::Declined, Status::Declined),
            (ChargeStatus::Voided, Status::Declined),
            (ChargeStatus::Refunded, Status::Refunded),
        ] {
            let transition = settle(charge);
            assert_eq!((transition.from(), transition.to()), (Status::Pending, status), "{charge:?}");
        }
    }

    #[test]
    fn there_is_work_exactly_while_a_payment_is_unsettled() {
        for status in Status::ALL {
            assert_eq!(due_work(status).is_some(), !status.is_settled(), "{status:?}");
        }
        assert_eq!(due_work(Status::Refunding), Some(DueWork::CarryOutRefund));
    }

    #[test]
    fn only_a_pending_payment_is_given_up_and_only_after_the_grace_period() {
        let grace = Duration::from_secs(60);
        for status in Status::ALL {
            let payment = card_payment(status);
            assert!(!is_given_up(&payment, at(59), grace), "{status:?}");
            assert_eq!(is_given_up(&payment, at(60), grace), status == Status::Pending, "{status:?}");
        }
        let from_a_clock_ahead = card_payment(Status::Pending);
        assert!(!is_given_up(&from_a_clock_ahead, at(-100), grace));
    }
}
