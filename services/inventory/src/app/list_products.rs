//! Lists products page by page.

use service::{Deadline, page};

use super::{App, Page};
use crate::domain::{Product, ProductFilter};
use crate::error::InventoryError;

impl App {
    pub(crate) async fn list_products(
        &self,
        filter: &ProductFilter,
        page_size: u32,
        page_token: &str,
        deadline: Deadline,
    ) -> Result<Page<Product>, InventoryError> {
        let list = format!("products {:?} {:?}", filter.category, filter.name_prefix);
        let size = page::size(page_size)?;
        let after: Option<String> = self.tokens.open(&list, page_token)?;
        let products = self.store.list(filter, after.as_deref(), size + 1, deadline).await?;
        Ok(self.tokens.paginate(&list, products, size, |product| filter.key_of(product))?)
    }
}
