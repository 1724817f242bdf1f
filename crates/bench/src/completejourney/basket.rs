//! Baskets, and the orders that they become.

use std::collections::BTreeMap;

use primitives::{OrderLines, Quantity};

use super::purchase::{Purchase, SkipReason};

/// The purchases of one receipt, as order lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    /// Its number in the data.
    pub id: u64,
    /// The number of the household.
    pub household: u32,
    /// The time of the first purchase, in seconds since 1970, by the shop's clock.
    pub at: i64,
    /// The products, each once, with the sum of its quantities.
    pub lines: Vec<(u32, Quantity)>,
    /// Why purchases were skipped, in the order of the receipt.
    pub skipped: Vec<SkipReason>,
}

/// One order of a basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRequest<'a> {
    /// The number of the basket.
    pub basket: u64,
    /// The number of the order within the basket; above 0 only for baskets of more than [`OrderLines::MAX`] products.
    pub part: usize,
    /// The number of the household.
    pub household: u32,
    /// 1 to [`OrderLines::MAX`] products with their quantities.
    pub lines: &'a [(u32, Quantity)],
}

impl Basket {
    /// The orders of this basket: one, none without a valid line, or several beyond [`OrderLines::MAX`] products.
    pub fn orders(&self) -> impl Iterator<Item = OrderRequest<'_>> {
        let (basket, household) = (self.id, self.household);
        let parts = self.lines.chunks(OrderLines::MAX).enumerate();
        parts.map(move |(part, lines)| OrderRequest { basket, part, household, lines })
    }
}

/// Groups purchases into baskets, in time order; baskets of the same second are ordered by number.
#[must_use]
pub fn baskets(mut purchases: Vec<Purchase>) -> Vec<Basket> {
    // A stable sort keeps the purchases of a basket in the order of its receipt.
    purchases.sort_by_key(|purchase| purchase.basket);
    let mut baskets: Vec<Basket> =
        purchases.chunk_by(|one, next| one.basket == next.basket).filter_map(basket).collect();
    baskets.sort_by_key(|basket| (basket.at, basket.id));
    baskets
}

fn basket(purchases: &[Purchase]) -> Option<Basket> {
    let first = purchases.iter().min_by_key(|purchase| purchase.at)?;
    let mut quantities = BTreeMap::<u32, Quantity>::new();
    let mut skipped = Vec::new();
    for purchase in purchases {
        let so_far = quantities.get(&purchase.product).copied();
        let together = purchase.quantity().and_then(|quantity| match so_far {
            Some(so_far) => so_far.checked_add(quantity).ok_or(SkipReason::QuantityTooLarge),
            None => Ok(quantity),
        });
        match together {
            Ok(quantity) => drop(quantities.insert(purchase.product, quantity)),
            Err(reason) => skipped.push(reason),
        }
    }
    let lines = quantities.into_iter().collect();
    Some(Basket { id: first.basket, household: first.household, at: first.at, lines, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase(basket: u64, product: u32, quantity: i64, at: i64) -> Purchase {
        Purchase { basket, household: 7, product, quantity, sales_value: 1.0, at }
    }

    #[test]
    fn baskets_come_in_time_order_with_their_lines_summed() {
        let baskets = baskets(vec![
            purchase(2, 5, 1, 100),
            purchase(1, 5, 1, 200),
            purchase(2, 5, 2, 100),
            purchase(2, 4, 0, 100),
        ]);
        assert_eq!(baskets.iter().map(|basket| basket.id).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(baskets[0].lines, [(5, Quantity::try_from(3).unwrap())]);
        assert_eq!(baskets[0].skipped, [SkipReason::QuantityZero]);
    }

    #[test]
    fn a_basket_without_a_valid_line_makes_no_order() {
        let baskets = baskets(vec![purchase(1, 5, 0, 0), purchase(1, 6, 100_001, 0)]);
        assert_eq!(baskets[0].orders().count(), 0);
        assert_eq!(baskets[0].skipped, [SkipReason::QuantityZero, SkipReason::QuantityTooLarge]);
    }

    #[test]
    fn purchases_that_are_too_large_together_are_skipped() {
        let baskets = baskets(vec![purchase(1, 5, 60_000, 0), purchase(1, 5, 60_000, 0)]);
        assert_eq!(baskets[0].lines, [(5, Quantity::try_from(60_000).unwrap())]);
        assert_eq!(baskets[0].skipped, [SkipReason::QuantityTooLarge]);
    }

    #[test]
    fn a_basket_of_many_products_becomes_several_orders() {
        let baskets = baskets((0..201).map(|product| purchase(1, product, 1, 0)).collect());
        let sizes: Vec<_> = baskets[0].orders().map(|order| (order.part, order.lines.len())).collect();
        assert_eq!(sizes, [(0, 100), (1, 100), (2, 1)]);
    }
}
