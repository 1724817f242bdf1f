//! Imports of products: those that don't exist yet are created with their initial stock.

use jiff::Timestamp;
use primitives::{ParseError, Sku};

use super::{NewProduct, Product};

/// The maximum initial stock of a product, in pieces.
const MAX_INITIAL_STOCK: u32 = 1_000_000_000;

/// The initial stock of an imported product: 0 to 10⁹ pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InitialStock(u32);

/// A product to be imported.
#[derive(Debug, Clone)]
pub(crate) struct ImportedProduct {
    pub(crate) product: NewProduct,
    pub(crate) stock: InitialStock,
}

/// What an import creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) products: Vec<Product>,
    /// The initial stock of each of them, in pieces.
    pub(crate) stock: Vec<(Sku, u32)>,
}

impl TryFrom<u64> for InitialStock {
    type Error = ParseError;

    fn try_from(pieces: u64) -> Result<Self, ParseError> {
        let pieces = u32::try_from(pieces).ok().filter(|pieces| *pieces <= MAX_INITIAL_STOCK);
        pieces.map(Self).ok_or(ParseError("must be at most 10^9"))
    }
}

impl Import {
    /// Creates the products that don't exist; the others stay as they are.
    pub(crate) fn decide(offered: Vec<ImportedProduct>, exists: impl Fn(&Sku) -> bool, at: Timestamp) -> Self {
        let missing = offered.into_iter().filter(|offered| !exists(&offered.product.sku));
        let (products, stock) = missing
            .map(|ImportedProduct { product, stock }| {
                let stock = (product.sku.clone(), stock.0);
                (product.into_product(at), stock)
            })
            .unzip();
        Self { products, stock }
    }
}

#[cfg(test)]
mod tests {
    use primitives::{Currency, Money};

    use super::*;

    fn imported(sku: &str, pieces: u64) -> ImportedProduct {
        let price = Money::new(5, Currency::USD);
        let product = NewProduct::check(sku, sku, None, "c", price, Currency::USD).unwrap();
        ImportedProduct { product, stock: pieces.try_into().unwrap() }
    }

    #[test]
    fn only_products_that_do_not_exist_are_created() {
        let at = primitives::now();
        let offered = vec![imported("a", 3), imported("b", 0), imported("c", 7)];
        let import = Import::decide(offered, |sku| sku.as_str() == "a", at);
        let created: Vec<_> = import.products.iter().map(|product| (product.sku.as_str(), product.version)).collect();
        assert_eq!(created, [("b", 1), ("c", 1)]);
        assert!(import.products.iter().all(|product| product.created_at == at));
        let stock: Vec<_> = import.stock.iter().map(|(sku, pieces)| (sku.as_str(), *pieces)).collect();
        assert_eq!(stock, [("b", 0), ("c", 7)]);
    }

    #[test]
    fn an_initial_stock_is_bounded() {
        assert!(InitialStock::try_from(1_000_000_000).is_ok());
        for bad in [1_000_000_001, u64::from(u32::MAX) + 1, u64::MAX] {
            assert!(InitialStock::try_from(bad).is_err(), "{bad}");
        }
    }
}
