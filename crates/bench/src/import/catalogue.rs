//! The Complete Journey's products in the form that the inventory service takes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use primitives::{Currency, Money};
use proto::inventory::v1::{ImportedProduct, NewProduct};

use crate::completejourney::{DataError, Line, NoOrder, Prices, Product, Source, read_lines, read_products, sku};

/// What is to be loaded, and what the prices were learned from.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) products: Vec<ImportedProduct>,
    pub(super) prices: BTreeMap<Source, usize>,
    pub(super) lines: usize,
    pub(super) no_orders: BTreeMap<NoOrder, usize>,
    pub(super) lines_of_unknown_products: usize,
}

impl Catalogue {
    /// Reads the wheel. Blocks for some seconds.
    pub(super) fn read(wheel: &Path, stock: u64, limit: Option<usize>) -> Result<Self, DataError> {
        Ok(Self::new(read_products(wheel)?, &read_lines(wheel)?, stock, limit))
    }

    fn new(mut products: Vec<Product>, lines: &[Line], stock: u64, limit: Option<usize>) -> Self {
        let learned = Prices::learn(&products, lines);
        let known: HashSet<u32> = products.iter().map(|product| product.id).collect();
        let mut no_orders = BTreeMap::new();
        let mut lines_of_unknown_products = 0;
        // Lines come in time order.
        let mut first_line = HashMap::new();
        for (position, line) in lines.iter().enumerate() {
            match line.quantity() {
                Err(reason) => *no_orders.entry(reason).or_default() += 1,
                Ok(_) if !known.contains(&line.product) => lines_of_unknown_products += 1,
                Ok(_) => drop(first_line.entry(line.product).or_insert(position)),
            }
        }
        products.sort_by_key(|product| (first_line.get(&product.id).copied().unwrap_or(usize::MAX), product.id));
        products.truncate(limit.unwrap_or(usize::MAX));
        let mut prices = BTreeMap::new();
        let imported = products.iter().map(|product| {
            let (cents, source) = learned.of(product);
            *prices.entry(source).or_default() += 1;
            imported(product, cents, stock)
        });
        let products = imported.collect();
        Self { products, prices, lines: lines.len(), no_orders, lines_of_unknown_products }
    }
}

fn imported(product: &Product, cents: i64, stock: u64) -> ImportedProduct {
    let new = NewProduct {
        sku: sku(product.id),
        name: product.name(),
        description: None,
        category: product.shelf(),
        price: Some(proto::from_money(Money::new(cents, Currency::USD))),
    };
    ImportedProduct { product: Some(new), initial_stock: stock }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_come_in_the_order_in_which_the_baskets_ask_for_them() {
        let product = |id| Product { id, department: "A".into(), category: None, kind: None, package_size: None };
        let line = |product, quantity| Line { basket: 1, household: 1, product, quantity, sales_value: 2.0, at: 0 };
        let products = vec![product(1), product(2), product(3)];
        let lines = [line(3, 1), line(2, 0), line(1, 2), line(9, 1)];
        let catalogue = Catalogue::new(products.clone(), &lines, 5, None);
        let skus = |catalogue: &Catalogue| -> Vec<String> {
            catalogue.products.iter().map(|new| new.product.as_ref().unwrap().sku.clone()).collect()
        };
        assert_eq!(skus(&catalogue), ["cj-3", "cj-1", "cj-2"]);
        assert_eq!(catalogue.no_orders, BTreeMap::from([(NoOrder::QuantityZero, 1)]));
        assert_eq!((catalogue.lines, catalogue.lines_of_unknown_products), (4, 1));
        assert_eq!(catalogue.prices, BTreeMap::from([(Source::Sales, 2), (Source::Category, 1)]));
        assert_eq!(skus(&Catalogue::new(products, &lines, 5, Some(1))), ["cj-3"]);
    }
}
