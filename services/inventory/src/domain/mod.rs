//! Products, their prices and lists, and adjustments of stock. Pure: no I/O and no clock.

mod adjustment;
mod import;
mod listing;
mod price;
mod product;

pub(crate) use adjustment::{Adjustment, Delta, StockLevel};
pub(crate) use import::{Import, ImportedProduct, InitialStock};
pub(crate) use listing::{ListKey, ProductFilter, name_key};
pub(crate) use price::ListedPrice;
pub(crate) use product::{ChangeRefusal, NewProduct, Product, ProductChange};
