//! Receipts as orders.

use std::collections::BTreeMap;

use primitives::Quantity;

use super::{Line, NoOrder};

/// The most lines that one order may have. A basket with more different products becomes several orders.
pub const MAX_LINES: usize = 100;

/// A receipt, as the orders that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    /// Its number in the data.
    pub id: u64,
    /// Who bought.
    pub household: u32,
    /// When it began, in seconds since 1970, by the shop's clock.
    pub at: i64,
    /// The products, each once: lines of the same product are one.
    pub lines: Vec<(u32, Quantity)>,
    /// The lines that were no lines of an order; the reasons in the order of the receipt.
    pub no_orders: Vec<NoOrder>,
}

/// What is asked for in one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRequest<'a> {
    /// The basket that it comes from.
    pub basket: u64,
    /// Which order of that basket it is; 0 but for baskets of more than [`MAX_LINES`] products.
    pub part: usize,
    /// Who buys.
    pub household: u32,
    /// 1 to [`MAX_LINES`] products with their quantities.
    pub lines: &'a [(u32, Quantity)],
}

impl Basket {
    /// The orders of this basket: one, or none without a valid line, or several beyond [`MAX_LINES`] products.
    pub fn orders(&self) -> impl Iterator<Item = OrderRequest<'_>> {
        let (basket, household) = (self.id, self.household);
        let parts = self.lines.chunks(MAX_LINES).enumerate();
        parts.map(move |(part, lines)| OrderRequest { basket, part, household, lines })
    }
}

/// The baskets of these lines, in time order; baskets of the same second by their number.
#[must_use]
pub fn baskets(mut lines: Vec<Line>) -> Vec<Basket> {
    // Stable, so that the lines of a basket stay in the order of its receipt.
    lines.sort_by_key(|line| line.basket);
    let mut baskets: Vec<Basket> = lines.chunk_by(|one, next| one.basket == next.basket).filter_map(basket).collect();
    baskets.sort_by_key(|basket| (basket.at, basket.id));
    baskets
}

fn basket(lines: &[Line]) -> Option<Basket> {
    let first = lines.iter().min_by_key(|line| line.at)?;
    let mut quantities = BTreeMap::<u32, Quantity>::new();
    let mut no_orders = Vec::new();
    for line in lines {
        let so_far = quantities.get(&line.product).copied();
        let together = line.quantity().and_then(|quantity| match so_far {
            Some(so_far) => so_far.checked_add(quantity).ok_or(NoOrder::QuantityTooLarge),
            None => Ok(quantity),
        });
        match together {
            Ok(quantity) => drop(quantities.insert(line.product, quantity)),
            Err(reason) => no_orders.push(reason),
        }
    }
    let lines = quantities.into_iter().collect();
    Some(Basket { id: first.basket, household: first.household, at: first.at, lines, no_orders })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(basket: u64, product: u32, quantity: i64, at: i64) -> Line {
        Line { basket, household: 7, product, quantity, sales_value: 1.0, at }
    }

    #[test]
    fn baskets_come_in_time_order_with_their_lines_summed() {
        let baskets = baskets(vec![line(2, 5, 1, 100), line(1, 5, 1, 200), line(2, 5, 2, 100), line(2, 4, 0, 100)]);
        assert_eq!(baskets.iter().map(|basket| basket.id).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(baskets[0].lines, [(5, Quantity::try_from(3).unwrap())]);
        assert_eq!(baskets[0].no_orders, [NoOrder::QuantityZero]);
    }

    #[test]
    fn a_basket_without_a_valid_line_makes_no_order() {
        let baskets = baskets(vec![line(1, 5, 0, 0), line(1, 6, 100_001, 0)]);
        assert_eq!(baskets[0].orders().count(), 0);
        assert_eq!(baskets[0].no_orders, [NoOrder::QuantityZero, NoOrder::QuantityTooLarge]);
    }

    #[test]
    fn lines_that_are_too_large_together_are_counted() {
        let baskets = baskets(vec![line(1, 5, 60_000, 0), line(1, 5, 60_000, 0)]);
        assert_eq!(baskets[0].lines, [(5, Quantity::try_from(60_000).unwrap())]);
        assert_eq!(baskets[0].no_orders, [NoOrder::QuantityTooLarge]);
    }

    #[test]
    fn a_basket_of_many_products_becomes_several_orders() {
        let baskets = baskets((0..201).map(|product| line(1, product, 1, 0)).collect());
        let sizes: Vec<_> = baskets[0].orders().map(|order| (order.part, order.lines.len())).collect();
        assert_eq!(sizes, [(0, 100), (1, 100), (2, 1)]);
    }
}
