//! One change of a counter, and its reason.

use std::fmt;
use std::num::NonZeroI64;
use std::str::FromStr;

use jiff::Timestamp;
use primitives::{MovementId, OrderId, ParseError, Sku};

use super::{Shortage, StockRefusal};

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Ids sort by creation time.
    pub id: MovementId,
    /// The SKU whose counter changed.
    pub sku: Sku,
    /// The change, in pieces.
    pub delta: NonZeroI64,
    /// Why it changed.
    pub reason: Reason,
    /// The order, if the movement belongs to a single one. Orders that are committed together share a movement; each of
    /// their lines refers to it.
    pub order_id: Option<OrderId>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Why a counter changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The initial stock of an imported product.
    Initial,
    /// Orders took it.
    OrderPlaced,
    /// Cancelled orders returned it.
    OrderCancelled,
    /// Orders that were not paid in time returned it.
    OrderExpired,
    /// An administrator changed it and gave a reason: 1 to 200 characters without control characters.
    Adjustment(String),
}

/// Prefix of an administrator's reason in its stored form; keeps it distinct from the other reasons.
const ADJUSTMENT: &str = "adjustment: ";
const MAX_ADJUSTMENT_CHARS: usize = 200;

impl Movement {
    /// The movements that give new SKUs their initial stock; a SKU that starts with 0 has none.
    pub(crate) fn initial(stock: &[(Sku, u32)], at: Timestamp) -> Vec<Self> {
        stock
            .iter()
            .filter_map(|(sku, pieces)| Some((sku, NonZeroI64::new(i64::from(*pieces))?)))
            .map(|(sku, delta)| Self {
                id: MovementId::new(),
                sku: sku.clone(),
                delta,
                reason: Reason::Initial,
                order_id: None,
                created_at: at,
            })
            .collect()
    }

    /// Why an adjustment that the counter did not allow is refused; `available` is `None` for a SKU without a counter.
    pub(crate) fn refusal(&self, available: Option<u64>) -> StockRefusal {
        let sku = self.sku.clone();
        match available {
            None => StockRefusal::UnknownSkus(vec![sku]),
            Some(available) if self.delta.get() < 0 => {
                let requested = self.delta.get().unsigned_abs();
                StockRefusal::Insufficient(vec![Shortage { sku, requested, available }])
            }
            Some(_) => StockRefusal::TooLarge,
        }
    }
}

impl Reason {
    /// An administrator's reason.
    ///
    /// # Errors
    /// If the text is empty, longer than 200 characters, or has control characters.
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

    fn adjustment(delta: i64) -> Movement {
        Movement {
            id: MovementId::new(),
            sku: "a".parse().unwrap(),
            delta: NonZeroI64::new(delta).unwrap(),
            reason: Reason::adjustment("inventory count").unwrap(),
            order_id: None,
            created_at: primitives::now(),
        }
    }

    #[test]
    fn an_adjustment_can_not_pass_for_another_reason() {
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

    #[test]
    fn initial_stock_is_one_movement_for_each_sku_that_has_any() {
        let at = primitives::now();
        let movements = Movement::initial(&[("a".parse().unwrap(), 5), ("b".parse().unwrap(), 0)], at);
        let [movement] = &movements[..] else { panic!("{movements:?}") };
        assert_eq!((movement.sku.as_str(), movement.delta.get(), movement.created_at), ("a", 5, at));
        assert_eq!((&movement.reason, movement.order_id), (&Reason::Initial, None));
    }

    #[test]
    fn a_refused_adjustment_names_its_cause() {
        let sku: Sku = "a".parse().unwrap();
        assert_eq!(adjustment(-3).refusal(None), StockRefusal::UnknownSkus(vec![sku.clone()]));
        let shortage = Shortage { sku, requested: 3, available: 2 };
        assert_eq!(adjustment(-3).refusal(Some(2)), StockRefusal::Insufficient(vec![shortage]));
        assert_eq!(adjustment(3).refusal(Some(2)), StockRefusal::TooLarge);
    }
}
