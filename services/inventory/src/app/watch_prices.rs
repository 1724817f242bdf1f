//! Watches the prices of the whole catalogue.

use super::App;
use crate::error::InventoryError;
use crate::store::PriceWatch;

impl App {
    pub(crate) async fn watch_prices(&self) -> Result<PriceWatch, InventoryError> {
        Ok(self.store.watch_prices().await?)
    }
}
