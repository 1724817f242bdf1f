//! Imports products with their initial stock.

use service::Deadline;

use super::App;
use crate::domain::ImportedProduct;
use crate::error::InventoryError;

impl App {
    /// Returns the number of products created; those that existed stay as they are.
    pub(crate) async fn import_products(
        &self,
        products: Vec<ImportedProduct>,
        deadline: Deadline,
    ) -> Result<usize, InventoryError> {
        self.store.import(products, primitives::now(), deadline).await
    }
}
