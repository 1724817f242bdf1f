//! Counters as they were read in a transaction, and what orders leave of them: first come, first served.

use std::collections::{BTreeMap, HashMap};

use envelope::{Detail, Reason as ErrorReason};
use primitives::{Quantity, Sku};

/// The highest counter, so that no sum comes near an overflow.
pub(crate) const MAX_AVAILABLE: u64 = 1_000_000_000_000;

/// Why stock was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StockRefusal {
    /// Some counters don't cover what was asked for.
    #[error("there is not enough stock")]
    Insufficient(Vec<Shortage>),
    /// Some SKUs have no counter.
    #[error("a SKU is not known")]
    UnknownSkus(Vec<Sku>),
    /// The counter would go over its limit of 10¹².
    #[error("the stock would be too large")]
    TooLarge,
}

/// A SKU with less than was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The SKU.
    pub sku: Sku,
    /// Pieces asked for.
    pub requested: u64,
    /// Pieces there when it was this order's turn.
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
            StockRefusal::TooLarge => Self::invalid("delta", "the stock must stay at 10^12 or below"),
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
    /// `UnknownSkus` and `Insufficient`, with all the lines that they are about.
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

    /// The lines that ask for more than is there. A SKU that was not read is not short.
    pub fn shortages(&self, lines: &BTreeMap<Sku, Quantity>) -> Vec<Shortage> {
        let short = |(sku, quantity): (&Sku, &Quantity)| {
            let (requested, available) = (u64::from(quantity.get()), self.available(sku)?);
            (available < requested).then(|| Shortage { sku: sku.clone(), requested, available })
        };
        lines.iter().filter_map(short).collect()
    }

    /// Gives the stock of an order back.
    ///
    /// # Errors
    /// `UnknownSkus`; `TooLarge`, and then nothing is given back.
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
    use super::*;
    use crate::posting::tests::lines;

    #[test]
    fn an_order_gets_all_of_its_lines_or_none() {
        let mut levels: Levels = [("a", 3), ("b", 1)].map(|(sku, n)| (sku.parse().unwrap(), n)).into_iter().collect();
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
    fn a_counter_never_goes_over_its_limit() {
        let mut levels: Levels =
            [("a".parse().unwrap(), MAX_AVAILABLE), ("b".parse().unwrap(), 0)].into_iter().collect();
        let untouched = levels.clone();
        assert_eq!(levels.give_back(&lines(&[("a", 1), ("b", 1)])), Err(StockRefusal::TooLarge));
        assert_eq!(levels, untouched);
    }
}
