//! Shows products by SKU.

use primitives::Sku;
use service::Deadline;

use super::App;
use crate::domain::Product;
use crate::error::InventoryError;

impl App {
    pub(crate) async fn product(&self, sku: &Sku, deadline: Deadline) -> Result<Product, InventoryError> {
        self.store.find(sku, deadline).await?.ok_or_else(|| InventoryError::SkuNotFound(sku.clone()))
    }

    /// The products among `skus` that exist, in no particular order.
    pub(crate) async fn products(&self, skus: &[Sku], deadline: Deadline) -> Result<Vec<Product>, InventoryError> {
        Ok(self.store.find_many(skus, deadline).await?)
    }
}
