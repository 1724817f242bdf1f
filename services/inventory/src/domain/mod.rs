//! Products, and the rules for what they may say.

mod product;

pub(crate) use product::{NewProduct, Product, ProductChange};
