//! Lists the stock movements of a SKU page by page, newest first.

use primitives::{MovementId, Sku};
use service::{Deadline, page};
use stock::Movement;

use super::{App, Page};
use crate::error::InventoryError;

impl App {
    pub(crate) async fn list_movements(
        &self,
        sku: &Sku,
        page_size: u32,
        page_token: &str,
        deadline: Deadline,
    ) -> Result<Page<Movement>, InventoryError> {
        let list = format!("movements {sku}");
        let size = page::size(page_size)?;
        let before: Option<MovementId> = self.tokens.open(&list, page_token)?;
        let movements = self.store.ledger.movements(sku, before, size + 1, deadline).await?;
        if movements.is_empty() && self.store.ledger.available(sku, deadline).await?.is_none() {
            return Err(InventoryError::SkuNotFound(sku.clone()));
        }
        Ok(self.tokens.paginate(&list, movements, size, |movement| movement.id)?)
    }
}
