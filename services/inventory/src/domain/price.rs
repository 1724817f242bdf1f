//! The price of a product as the catalogue publishes it.

use primitives::{Money, Sku};

/// A price and the version of the product that has it; of two prices, the one with the higher version is later.
#[derive(Debug)]
pub(crate) struct ListedPrice {
    pub(crate) sku: Sku,
    pub(crate) price: Money,
    pub(crate) version: u64,
}
