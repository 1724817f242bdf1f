//! One change of a counter and why it was made.

use std::fmt;
use std::num::NonZeroI64;
use std::str::FromStr;

use jiff::Timestamp;
use primitives::{MovementId, OrderId, ParseError, Sku};

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Sorts by the time of its making.
    pub id: MovementId,
    /// Whose counter changed.
    pub sku: Sku,
    /// By how many pieces.
    pub delta: NonZeroI64,
    /// Why.
    pub reason: Reason,
    /// For which order, when for one alone. Orders that were written together share a movement, and each of their
    /// lines names it.
    pub order_id: Option<OrderId>,
    /// When.
    pub created_at: Timestamp,
}

/// Why a counter changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The first stock of an imported product.
    Initial,
    /// Orders took it.
    OrderPlaced,
    /// Cancelled orders gave it back.
    OrderCancelled,
    /// Orders that were not paid in time gave it back.
    OrderExpired,
    /// A person changed it, and says why in 1 to 200 characters without control characters.
    Adjustment(String),
}

/// What stands before the text of a person's reason, so that it is never taken for one of ours.
const ADJUSTMENT: &str = "adjustment: ";
const MAX_ADJUSTMENT_CHARS: usize = 200;

impl Reason {
    /// A person's reason.
    pub fn adjustment(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let fits = (1..=MAX_ADJUSTMENT_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fits.then(|| Self::Adjustment(text.to_owned()))
            .ok_or(ParseError("must be 1 to 200 characters without control characters"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initial => f.write_str("initial"),
            Self::OrderPlaced => f.write_str("order_placed"),
            Self::OrderCancelled => f.write_str("order_cancelled"),
            Self::OrderExpired => f.write_str("order_expired"),
            Self::Adjustment(text) => write!(f, "{ADJUSTMENT}{text}"),
        }
    }
}

impl FromStr for Reason {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "initial" => Ok(Self::Initial),
            "order_placed" => Ok(Self::OrderPlaced),
            "order_cancelled" => Ok(Self::OrderCancelled),
            "order_expired" => Ok(Self::OrderExpired),
            other => match other.strip_prefix(ADJUSTMENT) {
                Some(text) => Ok(Self::Adjustment(text.to_owned())),
                None => Err(ParseError("must be a reason of the stock ledger")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_can_not_write_one_of_our_reasons() {
        let typed = Reason::adjustment("order_placed").unwrap();
        assert_eq!(typed.to_string().parse(), Ok(typed.clone()));
        assert_ne!(typed.to_string().parse(), Ok(Reason::OrderPlaced));
        for ours in [Reason::Initial, Reason::OrderPlaced, Reason::OrderCancelled, Reason::OrderExpired] {
            assert_eq!(ours.to_string().parse(), Ok(ours));
        }
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(Reason::adjustment(bad).is_err());
        }
    }
}
