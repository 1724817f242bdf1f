//! Shows the stock of a SKU.

use primitives::Sku;
use service::Deadline;

use super::App;
use crate::domain::StockLevel;
use crate::error::InventoryError;

impl App {
    /// The pieces of a SKU that are available for sale.
    pub(crate) async fn stock(&self, sku: &Sku, deadline: Deadline) -> Result<StockLevel, InventoryError> {
        // Before the read, so that the level is at least as new.
        let as_of = primitives::now();
        let available = self.store.ledger.available(sku, deadline).await?;
        let available = available.ok_or_else(|| InventoryError::SkuNotFound(sku.clone()))?;
        Ok(StockLevel { available, as_of })
    }
}
