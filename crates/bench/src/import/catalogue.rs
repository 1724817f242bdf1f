//! The products of The Complete Journey as the inventory service imports them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use primitives::{Currency, Money};
use proto::inventory::v1::{ImportedProduct, NewProduct};

use crate::completejourney::{
    DataError, Prices, Product, Purchase, SkipReason, Source, read_products, read_purchases, sku,
};

/// The products to load, and the sources of their prices.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) products: Vec<ImportedProduct>,
    pub(super) prices: BTreeMap<Source, usize>,
    pub(super) purchases: usize,
    pub(super) skipped: BTreeMap<SkipReason, usize>,
    pub(super) purchases_of_unknown_products: usize,
}

impl Catalogue {
    /// Reads the wheel. Blocks for some seconds.
    pub(super) fn read(wheel: &Path, stock: u64, limit: Option<usize>) -> Result<Self, DataError> {
        Ok(Self::new(read_products(wheel)?, &read_purchases(wheel)?, stock, limit))
    }

    fn new(mut products: Vec<Product>, purchases: &[Purchase], stock: u64, limit: Option<usize>) -> Self {
        let learned = Prices::learn(&products, purchases);
        let known: HashSet<u32> = products.iter().map(|product| product.id).collect();
        let mut skipped = BTreeMap::new();
        let mut purchases_of_unknown_products = 0;
        // The purchases are in time order.
        let mut first_purchase = HashMap::new();
        for (position, purchase) in purchases.iter().enumerate() {
            match purchase.quantity() {
                Err(reason) => *skipped.entry(reason).or_default() += 1,
                Ok(_) if !known.contains(&purchase.product) => purchases_of_unknown_products += 1,
                Ok(_) => drop(first_purchase.entry(purchase.product).or_insert(position)),
            }
        }
        products.sort_by_key(|product| (first_purchase.get(&product.id).copied().unwrap_or(usize::MAX), product.id));
        products.truncate(limit.unwrap_or(usize::MAX));
        let mut prices = BTreeMap::new();
        let imported = products.iter().map(|product| {
            let (cents, source) = learned.of(product);
            *prices.entry(source).or_default() += 1;
            imported(product, cents, stock)
        });
        let products = imported.collect();
        Self { products, prices, purchases: purchases.len(), skipped, purchases_of_unknown_products }
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
    fn products_are_in_the_order_of_their_first_purchase() {
        let product = |id| Product { id, department: "A".into(), category: None, kind: None, package_size: None };
        let purchase =
            |product, quantity| Purchase { basket: 1, household: 1, product, quantity, sales_value: 2.0, at: 0 };
        let products = vec![product(1), product(2), product(3)];
        let purchases = [purchase(3, 1), purchase(2, 0), purchase(1, 2), purchase(9, 1)];
        let catalogue = Catalogue::new(products.clone(), &purchases, 5, None);
        let skus = |catalogue: &Catalogue| -> Vec<String> {
            catalogue.products.iter().map(|new| new.product.as_ref().unwrap().sku.clone()).collect()
        };
        assert_eq!(skus(&catalogue), ["cj-3", "cj-1", "cj-2"]);
        assert_eq!(catalogue.skipped, BTreeMap::from([(SkipReason::QuantityZero, 1)]));
        assert_eq!((catalogue.purchases, catalogue.purchases_of_unknown_products), (4, 1));
        assert_eq!(catalogue.prices, BTreeMap::from([(Source::Sales, 2), (Source::Category, 1)]));
        assert_eq!(skus(&Catalogue::new(products, &purchases, 5, Some(1))), ["cj-3"]);
    }
}
