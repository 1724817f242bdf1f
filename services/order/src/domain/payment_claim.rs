//! The claim of an attempt to pay: it excludes cancellation and expiry until the attempt or the follow-up ends it, and
//! every other attempt until its lease ends.

use jiff::Timestamp;
use primitives::ClaimId;

use super::{KeyedRequest, Order, Refusal};

/// An attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PaymentClaim {
    pub(crate) id: ClaimId,
    pub(crate) request: KeyedRequest,
}

/// An order that was claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) order: Order,
    /// The claim was taken over from an earlier attempt of the same request, which may still be running.
    pub(crate) overtakes: bool,
}

/// An order that could not be claimed, as it was read afterwards.
#[derive(Debug)]
pub(crate) struct Unclaimed {
    pub(crate) order: Order,
    /// The claim that it has.
    pub(crate) claim: Option<PaymentClaim>,
}

impl PaymentClaim {
    /// A new attempt by this request.
    pub(crate) fn new(request: KeyedRequest) -> Self {
        Self { id: ClaimId::new(), request }
    }

    /// Why an order can't be claimed for this attempt, by the facts that were read after a claim had failed. `None`
    /// when they allow a claim: the one that was in the way has ended since.
    pub(crate) fn refusal(&self, Unclaimed { order, claim }: &Unclaimed, now: Timestamp) -> Option<Refusal> {
        let key = &self.request.key;
        match claim.as_ref().map(|claim| &claim.request.key) {
            Some(holder) if holder == key => Some(idempotency::Conflict::InFlight.into()),
            Some(holder) if holder.id() == key.id() => Some(Refusal::KeyReused),
            Some(_) => Some(Refusal::BeingPaid),
            None => order.payable(now).err().map(Refusal::from),
        }
    }

    /// Whether a claim ends with an attempt that was not charged. An attempt that may have charged keeps it, and so
    /// does one that has overtaken another, which may still be charging: the follow-up learns the outcome.
    pub(crate) fn ends_uncharged(is_certain: bool, overtakes: bool) -> bool {
        is_certain && !overtakes
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use idempotency::{Conflict, ScopedKey};
    use primitives::UserId;

    use super::*;
    use crate::domain::order::tests::order;
    use crate::domain::{InvalidState, Status};

    pub(crate) fn claim(key: &str) -> PaymentClaim {
        keyed(UserId::new(), key, 1)
    }

    fn keyed(user: UserId, key: &str, body: u8) -> PaymentClaim {
        let key = ScopedKey::new(user, "pay-order", &key.parse().unwrap(), &body).unwrap();
        PaymentClaim::new(KeyedRequest { key, request_id: "r".to_owned() })
    }

    #[test]
    fn the_refusal_names_who_holds_the_order() {
        let user = UserId::new();
        let mine = keyed(user, "a", 1);
        let refusal = |holder| mine.refusal(&Unclaimed { order: order(), claim: Some(holder) }, primitives::now());
        assert_eq!(refusal(keyed(user, "a", 1)), Some(Conflict::InFlight.into()));
        assert_eq!(refusal(keyed(user, "a", 2)), Some(Refusal::KeyReused));
        assert_eq!(refusal(keyed(user, "b", 1)), Some(Refusal::BeingPaid));
    }

    #[test]
    fn without_a_claim_status_and_expiry_are_the_reason() {
        let now = primitives::now();
        for (order, status) in [
            (order(), Status::Expired),
            (order().pay(now).unwrap(), Status::Paid),
            (order().cancel(now).unwrap(), Status::Cancelled),
        ] {
            let refusal = claim("a").refusal(&Unclaimed { order, claim: None }, now);
            assert_eq!(refusal, Some(InvalidState(status).into()));
        }
    }

    #[test]
    fn an_order_whose_claim_has_ended_meanwhile_is_not_taken_for_expired() {
        let order = order();
        let before_expiry = order.expires_at - Duration::from_millis(1);
        assert_eq!(claim("a").refusal(&Unclaimed { order, claim: None }, before_expiry), None);
    }

    #[test]
    fn a_claim_ends_only_when_nothing_can_have_been_charged() {
        assert!(PaymentClaim::ends_uncharged(true, false));
        for (is_certain, overtakes) in [(true, true), (false, false), (false, true)] {
            assert!(!PaymentClaim::ends_uncharged(is_certain, overtakes));
        }
    }
}
