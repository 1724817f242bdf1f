//! An administrator's adjustment of stock.

use std::num::NonZeroI64;

use jiff::Timestamp;
use primitives::{IdempotencyKey, MovementId, ParseError, Sku};
use stock::{Movement, Reason};

/// The maximum change of an adjustment, in pieces.
const MAX_DELTA: u64 = 1_000_000_000;

/// The change of a counter, in pieces: -10⁹ to 10⁹ and not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delta(NonZeroI64);

/// A checked request to adjust the stock of a SKU.
#[derive(Debug)]
pub(crate) struct Adjustment {
    pub(crate) sku: Sku,
    pub(crate) delta: Delta,
    pub(crate) reason: Reason,
    pub(crate) key: IdempotencyKey,
}

/// The available pieces of a SKU.
#[derive(Debug)]
pub(crate) struct StockLevel {
    pub(crate) available: u64,
    /// The level is at least as new as this.
    pub(crate) as_of: Timestamp,
}

impl TryFrom<i64> for Delta {
    type Error = ParseError;

    fn try_from(pieces: i64) -> Result<Self, ParseError> {
        let delta = NonZeroI64::new(pieces).filter(|delta| delta.unsigned_abs().get() <= MAX_DELTA);
        delta.map(Self).ok_or(ParseError("must be -10^9 to 10^9 and not 0"))
    }
}

impl Adjustment {
    /// The parts that the fingerprint of the idempotency key covers: all but the key itself. Stored fingerprints depend
    /// on their form.
    pub(crate) fn fingerprinted(&self) -> (&Sku, NonZeroI64, String) {
        // Names all fields, so that a new one is not left out by mistake.
        let Self { sku, delta, reason, key: _ } = self;
        (sku, delta.0, reason.to_string())
    }

    /// The movement that makes the adjustment.
    pub(crate) fn into_movement(self, at: Timestamp) -> Movement {
        Movement {
            id: MovementId::new(),
            sku: self.sku,
            delta: self.delta.0,
            reason: self.reason,
            order_id: None,
            created_at: at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_is_bounded_and_not_zero() {
        for good in [1, -1, 1_000_000_000, -1_000_000_000] {
            assert!(Delta::try_from(good).is_ok(), "{good}");
        }
        for bad in [0, 1_000_000_001, -1_000_000_001, i64::MIN, i64::MAX] {
            assert!(Delta::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_adjustment_is_one_movement_of_no_order() {
        let (at, sku): (_, Sku) = (primitives::now(), "a".parse().unwrap());
        let reason = Reason::adjustment("damaged").unwrap();
        let delta = Delta::try_from(-2).unwrap();
        let adjustment = Adjustment { sku: sku.clone(), delta, reason: reason.clone(), key: "k".parse().unwrap() };
        let (fingerprinted, pieces, text) = adjustment.fingerprinted();
        assert_eq!((fingerprinted, pieces.get(), text.as_str()), (&sku, -2, "adjustment: damaged"));
        let movement = adjustment.into_movement(at);
        assert_eq!((movement.sku, movement.delta.get(), movement.reason), (sku, -2, reason));
        assert_eq!((movement.order_id, movement.created_at), (None, at));
    }
}
