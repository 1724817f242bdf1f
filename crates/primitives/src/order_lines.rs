//! The lines of an order as the customer asks for them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;

use crate::{Quantity, Sku};

/// The lines of a new order: each SKU once, sorted by SKU. Lines of one SKU are summed.
///
/// Serializes as a map from SKU to quantity. Fingerprints of stored idempotency keys depend on that form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OrderLines(BTreeMap<Sku, Quantity>);

impl OrderLines {
    /// The most lines of an order, counted before lines of one SKU are summed. An order has at least one.
    pub const MAX: usize = 100;

    /// Sums the lines of each SKU.
    ///
    /// # Errors
    /// If there is no line or there are more than [`OrderLines::MAX`], or if the sum of a SKU exceeds
    /// [`Quantity::MAX`].
    pub fn new(lines: impl IntoIterator<Item = (Sku, Quantity)>) -> Result<Self, OrderLinesError> {
        let mut sums = BTreeMap::new();
        let mut positions = Vec::new();
        let mut count = 0;
        // One more than the bound is enough to tell that there are too many.
        for (position, (sku, quantity)) in lines.into_iter().take(Self::MAX + 1).enumerate() {
            count += 1;
            match sums.entry(sku) {
                Entry::Vacant(vacant) => drop(vacant.insert(quantity)),
                Entry::Occupied(mut sum) => match sum.get().checked_add(quantity) {
                    Some(more) => drop(sum.insert(more)),
                    None => positions.push(position),
                },
            }
        }
        Self::check_count(count)?;
        if positions.is_empty() { Ok(Self(sums)) } else { Err(OrderLinesError::Quantity { positions }) }
    }

    /// Checks the number of lines before they are parsed; [`OrderLines::new`] checks it, too.
    ///
    /// # Errors
    /// If there is no line or there are more than [`OrderLines::MAX`].
    pub fn check_count(count: usize) -> Result<(), OrderLinesError> {
        if (1..=Self::MAX).contains(&count) { Ok(()) } else { Err(OrderLinesError::Count) }
    }

    /// Each SKU with its quantity, sorted by SKU.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Sku, Quantity)> {
        self.0.iter().map(|(sku, &quantity)| (sku, quantity))
    }

    /// The SKUs, sorted.
    pub fn skus(&self) -> impl ExactSizeIterator<Item = &Sku> {
        self.0.keys()
    }

    /// The number of different SKUs, at least 1.
    #[allow(clippy::len_without_is_empty)] // an order has at least one line
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The quantity of a SKU, if it is ordered.
    pub fn get(&self, sku: &Sku) -> Option<Quantity> {
        self.0.get(sku).copied()
    }
}

impl AsRef<BTreeMap<Sku, Quantity>> for OrderLines {
    fn as_ref(&self) -> &BTreeMap<Sku, Quantity> {
        &self.0
    }
}

impl From<OrderLines> for BTreeMap<Sku, Quantity> {
    fn from(lines: OrderLines) -> Self {
        lines.0
    }
}

/// Lines that make no order. The messages are fit for the caller of a public API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderLinesError {
    /// There is no line, or there are too many.
    #[error("must have 1 to {max} items", max = OrderLines::MAX)]
    Count,
    /// The lines of a SKU ask for too many pieces together.
    #[error("all lines of one SKU together must be at most {max}", max = Quantity::MAX)]
    Quantity {
        /// The positions of the lines that exceed the bound when added to the lines of their SKU before them, counted
        /// from 0. Not empty.
        positions: Vec<usize>,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(lines: &[(&str, u32)]) -> Result<OrderLines, OrderLinesError> {
        OrderLines::new(lines.iter().map(|&(sku, pieces)| (sku.parse().unwrap(), quantity(pieces))))
    }

    fn quantity(pieces: u32) -> Quantity {
        pieces.try_into().unwrap()
    }

    #[test]
    fn lines_of_one_sku_are_summed_and_sorted() {
        let lines = lines(&[("b", 2), ("a", 1), ("b", 3)]).unwrap();
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert_eq!(lines.iter().collect::<Vec<_>>(), [(&a, quantity(1)), (&b, quantity(5))]);
        assert_eq!(lines.skus().collect::<Vec<_>>(), [&a, &b]);
        assert_eq!((lines.len(), lines.get(&b)), (2, Some(quantity(5))));
        assert_eq!(lines.get(&"c".parse().unwrap()), None);
    }

    #[test]
    fn lines_are_counted_before_they_are_summed() {
        assert_eq!(lines(&[]), Err(OrderLinesError::Count));
        assert!(lines(&[("a", 1); OrderLines::MAX]).is_ok());
        assert_eq!(lines(&[("a", 1); OrderLines::MAX + 1]), Err(OrderLinesError::Count));
        assert_eq!(lines(&[("a", 100_000); OrderLines::MAX + 1]), Err(OrderLinesError::Count));
        assert_eq!(OrderLinesError::Count.to_string(), "must have 1 to 100 items");
    }

    #[test]
    fn each_line_that_exceeds_the_sum_is_named() {
        assert!(lines(&[("a", 99_999), ("a", 1)]).is_ok());
        let error = lines(&[("a", 99_999), ("b", 1), ("a", 2), ("a", 1), ("a", 1)]).unwrap_err();
        assert_eq!(error, OrderLinesError::Quantity { positions: vec![2, 4] });
        assert_eq!(error.to_string(), "all lines of one SKU together must be at most 100000");
    }

    #[test]
    fn lines_serialize_as_a_map_sorted_by_sku() {
        let json = serde_json::to_string(&lines(&[("b", 2), ("a", 1)]).unwrap()).unwrap();
        assert_eq!(json, r#"{"a":1,"b":2}"#);
    }

    proptest! {
        #[test]
        fn the_lines_are_the_sums_or_a_bound_is_exceeded(
            asked in prop::collection::vec(("[a-d]", prop_oneof![1..100_u32, 1..=Quantity::MAX]), 0..130),
        ) {
            let mut sums = BTreeMap::<Sku, u64>::new();
            for (sku, pieces) in &asked {
                *sums.entry(sku.parse().unwrap()).or_default() += u64::from(*pieces);
            }
            let in_bounds = sums.values().all(|sum| *sum <= u64::from(Quantity::MAX));
            let expected = match asked.len() {
                1..=OrderLines::MAX if in_bounds => Ok(sums),
                1..=OrderLines::MAX => Err(false),
                _ => Err(true),
            };
            let made = OrderLines::new(asked.iter().map(|(sku, pieces)| (sku.parse().unwrap(), quantity(*pieces))));
            let made = match made {
                Ok(lines) => Ok(lines.iter().map(|(sku, sum)| (sku.clone(), u64::from(sum.get()))).collect()),
                Err(error) => Err(error == OrderLinesError::Count),
            };
            prop_assert_eq!(made, expected);
        }

        #[test]
        fn the_order_of_the_lines_does_not_matter(
            asked in prop::collection::vec(("[a-d]", 1..1000_u32), 1..100),
            seed in any::<usize>(),
        ) {
            let lines = |asked: &[(String, u32)]| {
                OrderLines::new(asked.iter().map(|(sku, pieces)| (sku.parse().unwrap(), quantity(*pieces))))
            };
            let mut rotated = asked.clone();
            rotated.rotate_left(seed % asked.len());
            rotated.reverse();
            prop_assert_eq!(lines(&asked), lines(&rotated));
        }

        #[test]
        fn the_serialized_form_is_that_of_the_map(
            asked in prop::collection::vec(("[a-zA-Z]{1,3}", 1..500_u32), 1..100),
        ) {
            let lines =
                OrderLines::new(asked.iter().map(|(sku, pieces)| (sku.parse().unwrap(), quantity(*pieces)))).unwrap();
            prop_assert_eq!(serde_json::to_vec(&lines).unwrap(), serde_json::to_vec(lines.as_ref()).unwrap());
        }
    }
}
