//! The use cases, one a file.

mod adjust_stock;
mod change_product;
mod import_products;
mod list_movements;
mod list_products;
mod watch_prices;

use primitives::{Currency, Sku};
use service::page::PageTokens;
use service::{Deadline, RequestContext};

use crate::domain::Product;
use crate::error::InventoryError;
use crate::store::Store;

pub(crate) use adjust_stock::Adjustment;

/// Some items and the token of the page after them; empty on the last.
type Page<T> = (Vec<T>, String);

/// What every use case works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    store: Store,
    /// The currency of all prices.
    pub(crate) currency: Currency,
    tokens: PageTokens,
}

impl App {
    pub(crate) fn new(store: Store, currency: Currency, tokens: PageTokens) -> Self {
        Self { store, currency, tokens }
    }

    pub(crate) async fn product(&self, sku: &Sku, deadline: Deadline) -> Result<Product, InventoryError> {
        self.store.find(sku, deadline).await?.ok_or_else(|| InventoryError::SkuNotFound(sku.clone()))
    }

    pub(crate) async fn products(&self, skus: &[Sku], deadline: Deadline) -> Result<Vec<Product>, InventoryError> {
        Ok(self.store.find_many(skus, deadline).await?)
    }

    /// The pieces of a SKU that can be sold.
    pub(crate) async fn available(&self, sku: &Sku, context: &RequestContext) -> Result<u64, InventoryError> {
        let available = self.store.ledger.available(sku, context.deadline).await?;
        available.ok_or_else(|| InventoryError::SkuNotFound(sku.clone()))
    }
}
