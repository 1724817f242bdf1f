//! Loads many products with their first stock.

use service::Deadline;

use super::App;
use crate::domain::NewProduct;
use crate::error::InventoryError;

impl App {
    /// Gives how many were new; the others are left as they are.
    pub(crate) async fn import_products(
        &self,
        products: Vec<(NewProduct, u32)>,
        deadline: Deadline,
    ) -> Result<usize, InventoryError> {
        self.store.import(products, primitives::now(), deadline).await
    }
}
