//! Decides a refund, by the order's live payment.

use super::{ChargeStatus, Method, Payment, Posting, Refusal, Status, Transition};

/// The next step of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefundDecision {
    /// The payment is refunded: answer with it.
    Refunded(Payment),
    /// Its outcome is unknown: look it up, check that with [`check_looked_up`], and decide again.
    LookUp(Payment),
    /// Give the money back to the owner's account.
    ToBalance(Payment),
    /// Record that a refund was decided, then have the provider carry it out.
    Begin(Payment),
    /// A refund was decided before: have the provider carry it out.
    CarryOut(Payment),
}

/// Decides the refund of an order with that live payment, if it has one.
///
/// # Errors
/// `NothingToRefund` when the order was never charged or its payment was declined.
pub(crate) fn decide(live: Option<Payment>) -> Result<RefundDecision, Refusal> {
    let payment = live.ok_or(Refusal::NothingToRefund)?;
    match (payment.status, payment.method) {
        (Status::Refunded, _) => Ok(RefundDecision::Refunded(payment)),
        (Status::Declined, _) => Err(Refusal::NothingToRefund),
        (Status::Refunding, _) => Ok(RefundDecision::CarryOut(payment)),
        (Status::Pending, _) => Ok(RefundDecision::LookUp(payment)),
        (Status::Captured, Method::Balance) => Ok(RefundDecision::ToBalance(payment)),
        (Status::Captured, Method::Card) => Ok(RefundDecision::Begin(payment)),
    }
}

/// The refund of a payment from its owner's account: the transition, and the posting that gives its amount back. Both
/// are written together.
pub(crate) fn to_balance(payment: &Payment) -> (Transition, Posting) {
    (Transition::RefundToBalance, Posting::refund(payment))
}

/// Checks that the outcome of a payment that was just looked up is known, so that a refund can be decided.
///
/// # Errors
/// `OutcomeUnknown` while it is still pending.
pub(crate) fn check_looked_up(looked_up: &Payment) -> Result<(), Refusal> {
    if looked_up.status == Status::Pending { Err(Refusal::OutcomeUnknown) } else { Ok(()) }
}

/// The transition that the provider's answer to a refund allows; `None` when the money was not given back.
pub(crate) fn carried_out(charge: ChargeStatus) -> Option<Transition> {
    match charge {
        ChargeStatus::Refunded => Some(Transition::FinishRefund),
        ChargeStatus::Captured | ChargeStatus::Declined | ChargeStatus::Voided => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::*;
    use crate::domain::payment::tests::{card_payment, order};
    use crate::domain::settlement::settle;

    #[test]
    fn a_captured_payment_goes_back_where_it_came_from() {
        let by_card = card_payment(Status::Captured);
        assert_eq!(decide(Some(by_card.clone())), Ok(RefundDecision::Begin(by_card)));
        let from_balance = Payment::from_balance(&order(), Timestamp::UNIX_EPOCH);
        let (transition, posting) = to_balance(&from_balance);
        assert_eq!((transition.from(), posting.delta()), (Status::Captured, from_balance.amount.amount()));
        assert_eq!(decide(Some(from_balance.clone())), Ok(RefundDecision::ToBalance(from_balance)));
    }

    #[test]
    fn without_captured_money_there_is_nothing_to_refund() {
        assert_eq!(decide(None), Err(Refusal::NothingToRefund));
        assert_eq!(decide(Some(card_payment(Status::Declined))), Err(Refusal::NothingToRefund));
    }

    #[test]
    fn a_refund_goes_on_from_where_it_is() {
        let at = card_payment;
        let refunding = at(Status::Refunding);
        assert_eq!(decide(Some(refunding.clone())), Ok(RefundDecision::CarryOut(refunding)));
        let refunded = at(Status::Refunded);
        assert_eq!(decide(Some(refunded.clone())), Ok(RefundDecision::Refunded(refunded)));
        let pending = at(Status::Pending);
        assert_eq!(decide(Some(pending.clone())), Ok(RefundDecision::LookUp(pending.clone())));
        assert_eq!(check_looked_up(&pending), Err(Refusal::OutcomeUnknown));
        assert_eq!(check_looked_up(&at(Status::Captured)), Ok(()));
    }

    /// Answers of the provider to one call each; a lost answer is `None`.
    fn answers() -> impl Strategy<Value = Vec<Option<ChargeStatus>>> {
        const STATUSES: &[ChargeStatus] =
            &[ChargeStatus::Captured, ChargeStatus::Declined, ChargeStatus::Voided, ChargeStatus::Refunded];
        proptest::collection::vec(proptest::option::of(select(STATUSES)), 0..20)
    }

    proptest! {
        /// Asking for a refund again and again, whatever the provider answers or fails to answer.
        #[test]
        fn a_refund_only_moves_forward_and_ends_refunded_or_refused(
            start in select(&Status::ALL[..]),
            answers in answers(),
        ) {
            let mut payment = card_payment(start);
            for answer in answers {
                let transition = match decide(Some(payment.clone())) {
                    Ok(RefundDecision::LookUp(_)) => answer.map(settle),
                    Ok(RefundDecision::Begin(_)) => Some(Transition::BeginRefund { next_look: payment.created_at }),
                    Ok(RefundDecision::CarryOut(_)) => answer.and_then(carried_out),
                    Ok(RefundDecision::Refunded(refunded)) => {
                        prop_assert_eq!(refunded.status, Status::Refunded);
                        None
                    }
                    Ok(RefundDecision::ToBalance(_)) => panic!("a card payment never goes to an account"),
                    Err(refusal) => {
                        prop_assert_eq!((&refusal, payment.status), (&Refusal::NothingToRefund, Status::Declined));
                        None
                    }
                };
                if let Some(transition) = transition {
                    prop_assert_eq!(transition.from(), payment.status);
                    payment = transition.apply(payment);
                }
            }
            let went_back = matches!(payment.status, Status::Refunding | Status::Refunded);
            prop_assert!(!went_back || start != Status::Declined);
        }
    }
}
