//! Decides a charge, by the order's live payment and the requested means of payment.

use jiff::Timestamp;
use secrecy::SecretString;

use super::{Means, Order, Payment, Posting, Refusal, Status};

/// The next step of a charge.
#[derive(Debug)]
pub(crate) enum ChargeDecision<'a> {
    /// The order is paid: answer with its payment.
    Paid(Payment),
    /// The outcome of its payment is unknown: look it up, and go on with [`retry_with`].
    LookUp(Payment),
    /// Take the price from the owner's account.
    PayFromBalance,
    /// Record a pending payment, then ask the provider for the money with this token.
    PayByCard(&'a SecretString),
}

/// Decides the charge of an order with that live payment, if it has one.
///
/// # Errors
/// `OtherPayment` when the live payment has another amount or user, `AlreadyRefunded` when it is refunded or being
/// refunded.
pub(crate) fn decide<'a>(
    order: &Order,
    live: Option<Payment>,
    means: &'a Means,
) -> Result<ChargeDecision<'a>, Refusal> {
    let Some(live) = live else {
        return Ok(match means {
            Means::Balance => ChargeDecision::PayFromBalance,
            Means::Card(token) => ChargeDecision::PayByCard(token),
        });
    };
    if !live.is_of(order) {
        return Err(Refusal::OtherPayment);
    }
    match live.status {
        Status::Pending => Ok(ChargeDecision::LookUp(live)),
        _ => captured(live).map(ChargeDecision::Paid),
    }
}

/// A payment from the owner's account, with the posting that takes its amount. Both are written together.
pub(crate) fn from_balance(order: &Order, at: Timestamp) -> (Payment, Posting) {
    let payment = Payment::from_balance(order, at);
    let posting = Posting::payment(&payment);
    (payment, posting)
}

/// The token to ask the provider with again, for a payment that was just looked up. `None`: the provider knows the
/// charge, or the charge names another method, which has to wait for the outcome.
pub(crate) fn retry_with<'a>(looked_up: &Payment, means: &'a Means) -> Option<&'a SecretString> {
    match (looked_up.status, means) {
        (Status::Pending, Means::Card(token)) => Some(token),
        _ => None,
    }
}

/// The payment, if its money was taken.
///
/// # Errors
/// By status: `Declined`, `OutcomeUnknown` for a pending one, `AlreadyRefunded`.
pub(crate) fn captured(payment: Payment) -> Result<Payment, Refusal> {
    match payment.status {
        Status::Captured => Ok(payment),
        Status::Declined => Err(Refusal::Declined),
        Status::Pending => Err(Refusal::OutcomeUnknown),
        Status::Refunding | Status::Refunded => Err(Refusal::AlreadyRefunded),
    }
}

#[cfg(test)]
mod tests {
    use primitives::UserId;

    use super::*;
    use crate::domain::payment::tests::order;

    fn card() -> Means {
        Means::Card("tok_ok".into())
    }

    fn live(order: &Order, status: Status) -> Option<Payment> {
        Some(Payment { status, ..Payment::by_card(order, Timestamp::UNIX_EPOCH) })
    }

    #[test]
    fn an_order_without_a_live_payment_is_paid_as_the_charge_asks() {
        assert!(matches!(decide(&order(), None, &Means::Balance), Ok(ChargeDecision::PayFromBalance)));
        assert!(matches!(decide(&order(), None, &card()), Ok(ChargeDecision::PayByCard(_))));
    }

    #[test]
    fn a_live_payment_decides_whatever_the_charge_asks_to_pay_with() {
        let order = order();
        for means in [Means::Balance, card()] {
            let decide = |status| decide(&order, live(&order, status), &means);
            assert!(matches!(decide(Status::Captured), Ok(ChargeDecision::Paid(_))));
            assert!(matches!(decide(Status::Pending), Ok(ChargeDecision::LookUp(_))));
            for refunded in [Status::Refunding, Status::Refunded] {
                assert_eq!(decide(refunded).unwrap_err(), Refusal::AlreadyRefunded);
            }
        }
    }

    #[test]
    fn a_payment_of_another_user_or_amount_refuses_in_every_status() {
        let charged = order();
        let means = card();
        let of_other_user = Order { owner: UserId::new(), ..charged };
        for status in Status::LIVE {
            let refused = decide(&charged, live(&of_other_user, status), &means);
            assert_eq!(refused.unwrap_err(), Refusal::OtherPayment, "{status:?}");
        }
    }

    #[test]
    fn only_a_card_whose_charge_the_provider_does_not_know_is_asked_for_again() {
        let order = order();
        for status in Status::ALL {
            let looked_up = live(&order, status).unwrap();
            assert_eq!(retry_with(&looked_up, &card()).is_some(), status == Status::Pending, "{status:?}");
            assert!(retry_with(&looked_up, &Means::Balance).is_none(), "{status:?}");
        }
    }

    #[test]
    fn a_payment_from_the_account_takes_its_amount_from_the_owner() {
        let order = order();
        let (payment, posting) = from_balance(&order, Timestamp::UNIX_EPOCH);
        assert!(payment.is_of(&order));
        assert_eq!((payment.status, posting.delta()), (Status::Captured, -order.amount.amount()));
    }

    #[test]
    fn only_a_captured_payment_pays() {
        let outcome = |status| captured(live(&order(), status).unwrap()).map(|payment| payment.status);
        assert_eq!(outcome(Status::Captured), Ok(Status::Captured));
        assert_eq!(outcome(Status::Declined), Err(Refusal::Declined));
        assert_eq!(outcome(Status::Pending), Err(Refusal::OutcomeUnknown));
        assert_eq!(outcome(Status::Refunding), Err(Refusal::AlreadyRefunded));
        assert_eq!(outcome(Status::Refunded), Err(Refusal::AlreadyRefunded));
    }
}
