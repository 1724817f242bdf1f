//! Prices in cents, derived from the purchases.
//!
//! The price of a product is the median of the unit prices of its purchases, at least 1 cent, so that single discounts
//! don't change it. A product without purchases has the median price of its category in its department, else that of
//! its department, else [`DEFAULT_CENTS`].

use std::collections::HashMap;

use serde::Serialize;

use super::product::Product;
use super::purchase::Purchase;

/// The price of a product without a comparable one, in cents.
const DEFAULT_CENTS: i64 = 199;

/// The source of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The purchases of the product.
    Sales,
    /// The median of its category.
    Category,
    /// The median of its department.
    Department,
    /// [`DEFAULT_CENTS`], without a comparable product.
    Default,
}

/// The price of every product.
#[derive(Debug)]
pub struct Prices {
    products: HashMap<u32, i64>,
    categories: HashMap<String, i64>,
    departments: HashMap<String, i64>,
}

impl Prices {
    /// Learns the prices from the purchases that can be order lines.
    #[must_use]
    pub fn learn(products: &[Product], purchases: &[Purchase]) -> Self {
        let mut paid: HashMap<u32, Vec<i64>> = HashMap::new();
        for purchase in purchases {
            if let Ok(quantity) = purchase.quantity() {
                paid.entry(purchase.product).or_default().push(cents(purchase.sales_value, quantity.get()));
            }
        }
        let prices = medians(paid);
        let (mut shelves, mut departments) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for product in products {
            if let Some(price) = prices.get(&product.id) {
                shelves.entry(product.shelf()).or_default().push(*price);
                departments.entry(product.department.clone()).or_default().push(*price);
            }
        }
        Self { products: prices, categories: medians(shelves), departments: medians(departments) }
    }

    /// The price of a product in cents, at least 1, and its source.
    #[must_use]
    pub fn of(&self, product: &Product) -> (i64, Source) {
        let sold = self.products.get(&product.id).map(|price| (*price, Source::Sales));
        let shelf = || Some((*self.categories.get(&product.shelf())?, Source::Category));
        let department = || Some((*self.departments.get(&product.department)?, Source::Department));
        sold.or_else(shelf).or_else(department).unwrap_or((DEFAULT_CENTS, Source::Default))
    }
}

fn medians<K: std::hash::Hash + Eq>(values: HashMap<K, Vec<i64>>) -> HashMap<K, i64> {
    values.into_iter().filter_map(|(key, values)| Some((key, median(values)?))).collect()
}

/// The lower of the two middle values when their number is even, so that a median is a price that was paid.
fn median(mut values: Vec<i64>) -> Option<i64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}

/// The unit price in whole cents, at least 1.
fn cents(sales_value: f64, quantity: u32) -> i64 {
    let price = (sales_value * 100.0 / f64::from(quantity)).round();
    #[allow(clippy::cast_possible_truncation)]
    // the largest sale of the data is 840 dollars; beyond i64 it saturates
    let price = price as i64;
    price.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: u32, department: &str, category: Option<&str>) -> Product {
        let category = category.map(ToOwned::to_owned);
        Product { id, department: department.into(), category, kind: None, package_size: None }
    }

    fn purchase(product: u32, quantity: i64, sales_value: f64) -> Purchase {
        Purchase { basket: 1, household: 1, product, quantity, sales_value, at: 0 }
    }

    #[test]
    fn a_price_is_the_median_of_the_unit_prices() {
        let products = [product(1, "A", Some("x"))];
        let purchases =
            [purchase(1, 2, 2.78), purchase(1, 1, 1.5), purchase(1, 1, 0.2), purchase(1, 0, 9.0), purchase(1, 1, 0.0)];
        assert_eq!(Prices::learn(&products, &purchases).of(&products[0]), (139, Source::Sales));
        let fuel = [purchase(1, 12_000, 30.0)];
        assert_eq!(Prices::learn(&products, &fuel).of(&products[0]), (1, Source::Sales));
    }

    #[test]
    fn a_product_without_purchases_has_the_price_of_its_category_or_department() {
        let products = [product(1, "A", Some("x")), product(2, "A", Some("y"))];
        let prices = Prices::learn(&products, &[purchase(1, 1, 1.0), purchase(2, 1, 3.0)]);
        assert_eq!(prices.of(&product(3, "A", Some("y"))), (300, Source::Category));
        assert_eq!(prices.of(&product(3, "A", Some("z"))), (100, Source::Department));
        assert_eq!(prices.of(&product(3, "B", None)), (199, Source::Default));
    }
}
