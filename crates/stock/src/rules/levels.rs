//! Counters as read in a transaction, and how orders draw on them: first come, first served.

use std::collections::{BTreeMap, HashMap};

use envelope::{Detail, Reason as ErrorReason};
use primitives::{Quantity, Sku};

/// The maximum of a counter, so that no sum comes near an overflow.
pub(crate) const MAX_AVAILABLE: u64 = 1_000_000_000_000;

/// Why stock was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StockRefusal {
    /// Some SKUs have less stock than requested.
    #[error("insufficient stock")]
    Insufficient(Vec<Shortage>),
    /// Some SKUs have no counter.
    #[error("unknown SKU")]
    UnknownSkus(Vec<Sku>),
    /// The counter would exceed its maximum of 10¹².
    #[error("the stock would exceed its maximum")]
    TooLarge,
}

/// A SKU with less stock than requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The SKU.
    pub sku: Sku,
    /// Pieces requested.
    pub requested: u64,
    /// Pieces left by the orders before this one.
    pub available: u64,
}

impl From<StockRefusal> for envelope::Error {
    fn from(refusal: StockRefusal) -> Self {
        match refusal {
            StockRefusal::Insufficient(shortages) => {
                let details = shortages.into_iter().map(|shortage| Detail::Stock {
                    sku: shortage.sku.to_string(),
                    requested: shortage.requested,
                    available: shortage.available,
                });
                Self::new(ErrorReason::InsufficientStock, "there is not enough stock").with_details(details)
            }
            StockRefusal::UnknownSkus(skus) => {
                let details = skus.into_iter().map(|sku| Detail::UnknownSku { sku: sku.to_string() });
                Self::new(ErrorReason::SkuNotFound, "no product has this SKU").with_details(details)
            }
            StockRefusal::TooLarge => Self::invalid("delta", "the stock must not exceed 10^12"),
        }
    }
}

/// The pieces of some SKUs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels(HashMap<Sku, u64>);

impl Levels {
    /// The pieces of a SKU; `None` when it has no counter or was not read.
    pub fn available(&self, sku: &Sku) -> Option<u64> {
        self.0.get(sku).copied()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Sku, u64)> {
        self.0.iter().map(|(sku, available)| (sku, *available))
    }

    /// Takes the stock of an order, all lines or none.
    ///
    /// # Errors
    /// `UnknownSkus` or `Insufficient`, with all lines that are refused for that reason.
    pub fn take(&mut self, lines: &BTreeMap<Sku, Quantity>) -> Result<(), StockRefusal> {
        let unknown: Vec<_> = lines.keys().filter(|sku| !self.0.contains_key(*sku)).cloned().collect();
        if !unknown.is_empty() {
            return Err(StockRefusal::UnknownSkus(unknown));
        }
        let shortages = self.shortages(lines);
        if !shortages.is_empty() {
            return Err(StockRefusal::Insufficient(shortages));
        }
        for (sku, quantity) in lines {
            if let Some(available) = self.0.get_mut(sku) {
                *available = available.saturating_sub(u64::from(quantity.get()));
            }
        }
        Ok(())
    }

    /// The lines that request more than is available. A SKU that was not read is not short.
    pub fn shortages(&self, lines: &BTreeMap<Sku, Quantity>) -> Vec<Shortage> {
        let short = |(sku, quantity): (&Sku, &Quantity)| {
            let (requested, available) = (u64::from(quantity.get()), self.available(sku)?);
            (available < requested).then(|| Shortage { sku: sku.clone(), requested, available })
        };
        lines.iter().filter_map(short).collect()
    }

    /// Returns the stock of an order, all lines or none.
    ///
    /// # Errors
    /// `UnknownSkus` or `TooLarge`.
    pub fn give_back(&mut self, lines: &BTreeMap<Sku, Quantity>) -> Result<(), StockRefusal> {
        for (sku, quantity) in lines {
            let available = self.available(sku).ok_or_else(|| StockRefusal::UnknownSkus(vec![sku.clone()]))?;
            if available + u64::from(quantity.get()) > MAX_AVAILABLE {
                return Err(StockRefusal::TooLarge);
            }
        }
        for (sku, quantity) in lines {
            *self.0.entry(sku.clone()).or_default() += u64::from(quantity.get());
        }
        Ok(())
    }
}

impl FromIterator<(Sku, u64)> for Levels {
    fn from_iter<I: IntoIterator<Item = (Sku, u64)>>(levels: I) -> Self {
        Self(levels.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::posting::tests::lines;

    fn levels(levels: &[(&str, u64)]) -> Levels {
        levels.iter().map(|(sku, pieces)| (sku.parse().unwrap(), *pieces)).collect()
    }

    #[test]
    fn an_order_gets_all_of_its_lines_or_none() {
        let mut levels = levels(&[("a", 3), ("b", 1)]);
        let untouched = levels.clone();
        let unknown = levels.take(&lines(&[("a", 9), ("c", 1)]));
        assert_eq!(unknown, Err(StockRefusal::UnknownSkus(vec!["c".parse().unwrap()])));
        let short = Shortage { sku: "b".parse().unwrap(), requested: 2, available: 1 };
        assert_eq!(levels.take(&lines(&[("a", 1), ("b", 2)])), Err(StockRefusal::Insufficient(vec![short])));
        assert_eq!(levels, untouched);
        levels.take(&lines(&[("a", 3), ("b", 1)])).unwrap();
        assert_eq!(levels.available(&"a".parse().unwrap()), Some(0));
        levels.give_back(&lines(&[("a", 3), ("b", 1)])).unwrap();
        assert_eq!(levels, untouched);
    }

    #[test]
    fn all_unknown_skus_and_all_shortages_are_reported() {
        let mut levels = levels(&[("a", 8), ("b", 1), ("c", 0)]);
        let unknown = ["x", "y"].map(|sku| sku.parse().unwrap()).to_vec();
        assert_eq!(levels.take(&lines(&[("a", 1), ("x", 1), ("y", 9)])), Err(StockRefusal::UnknownSkus(unknown)));
        let refused = levels.take(&lines(&[("a", 5), ("b", 2), ("c", 1)]));
        let Err(StockRefusal::Insufficient(shortages)) = refused else { panic!("{refused:?}") };
        let short: Vec<_> = shortages.iter().map(|s| (s.sku.as_str(), s.requested, s.available)).collect();
        assert_eq!(short, [("b", 2, 1), ("c", 1, 0)]);
    }

    #[test]
    fn a_sku_that_was_not_read_is_not_short() {
        assert_eq!(levels(&[]).shortages(&lines(&[("a", 1)])), []);
    }

    #[test]
    fn a_counter_never_exceeds_its_maximum() {
        let mut levels = levels(&[("a", MAX_AVAILABLE), ("b", 0)]);
        let untouched = levels.clone();
        assert_eq!(levels.give_back(&lines(&[("a", 1), ("b", 1)])), Err(StockRefusal::TooLarge));
        assert_eq!(levels, untouched);
    }

    proptest! {
        #[test]
        fn orders_never_take_more_than_there_is(
            stock in 0_u64..50,
            orders in prop::collection::vec((any::<bool>(), 1_u32..9), 0..40),
        ) {
            let sku = "a".parse().unwrap();
            let mut levels = levels(&[("a", stock)]);
            let mut expected = stock;
            for (takes, pieces) in orders {
                let lines = lines(&[("a", pieces)]);
                let pieces = u64::from(pieces);
                if takes {
                    prop_assert_eq!(levels.take(&lines).is_ok(), expected >= pieces);
                    expected = expected.checked_sub(pieces).unwrap_or(expected);
                } else {
                    levels.give_back(&lines).unwrap();
                    expected += pieces;
                }
                prop_assert_eq!(levels.available(&sku), Some(expected));
            }
        }
    }
}
