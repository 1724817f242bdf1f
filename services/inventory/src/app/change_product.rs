//! Creates and changes products.

use primitives::Sku;
use service::Deadline;

use super::App;
use crate::domain::{ChangeRefusal, NewProduct, Product, ProductChange};
use crate::error::InventoryError;

impl App {
    pub(crate) async fn create_product(&self, new: NewProduct, deadline: Deadline) -> Result<Product, InventoryError> {
        let product = new.into_product(primitives::now());
        self.store.create(&product, deadline).await?;
        Ok(product)
    }

    /// Changes a product that is still at the version that the caller has seen.
    pub(crate) async fn update_product(
        &self,
        sku: &Sku,
        expected_version: u64,
        change: &ProductChange,
        deadline: Deadline,
    ) -> Result<Product, InventoryError> {
        if let Some(changed) = self.store.update(sku, expected_version, change, primitives::now(), deadline).await? {
            return Ok(changed);
        }
        let current = self.store.find(sku, deadline).await?;
        Err(match ChangeRefusal::of(current.as_ref()) {
            ChangeRefusal::NotFound => InventoryError::SkuNotFound(sku.clone()),
            ChangeRefusal::VersionMismatch => InventoryError::VersionMismatch,
        })
    }
}
