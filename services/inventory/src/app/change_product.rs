//! Makes and changes products.

use primitives::Sku;
use service::Deadline;

use super::App;
use crate::domain::{NewProduct, Product, ProductChange};
use crate::error::InventoryError;

impl App {
    pub(crate) async fn create_product(&self, new: NewProduct, deadline: Deadline) -> Result<Product, InventoryError> {
        let product = new.into_product(primitives::now());
        self.store.create(&product, deadline).await?;
        Ok(product)
    }

    pub(crate) async fn update_product(
        &self,
        sku: &Sku,
        expected_version: u64,
        change: &ProductChange,
        deadline: Deadline,
    ) -> Result<Product, InventoryError> {
        self.store.update(sku, expected_version, change, primitives::now(), deadline).await
    }
}
