//! The Complete Journey: a year of grocery baskets as Parquet tables in a pinned Python wheel. Its authors call it
//! simulated data based on real shopping, for education and exploration.

mod basket;
mod column;
mod error;
mod price;
mod product;
mod purchase;
mod wheel;

pub use basket::{Basket, OrderRequest, baskets};
pub use error::DataError;
pub use price::{Prices, Source};
pub use product::{Product, read_products, sku};
pub use purchase::{Purchase, SkipReason, read_purchases};
pub use wheel::{WHEEL, wheel};
