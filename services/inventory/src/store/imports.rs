//! Imports: products and their counters in one transaction.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use jiff::Timestamp;
use mongo::Abort;
use mongodb::ClientSession;
use mongodb::bson::doc;
use service::Deadline;

use super::document::ProductDocument;
use super::{Store, taken_or};
use crate::domain::{Import, ImportedProduct};
use crate::error::InventoryError;

impl Store {
    /// Imports products and returns how many were created.
    pub(crate) async fn import(
        &self,
        products: Vec<ImportedProduct>,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<usize, InventoryError> {
        let store = self.clone();
        let transaction = self.db.transact(deadline, move |session| {
            let store = store.clone();
            let products = products.clone();
            async move { store.import_missing(session, products, at).await }.boxed()
        });
        Ok(transaction.await?)
    }

    async fn import_missing(
        &self,
        session: &mut ClientSession,
        products: Vec<ImportedProduct>,
        at: Timestamp,
    ) -> Result<usize, Abort<InventoryError>> {
        let skus: Vec<&str> = products.iter().map(|offered| offered.product.sku.as_str()).collect();
        let mut cursor = self.products.find(doc! { "_id": { "$in": skus } }).session(&mut *session).await?;
        let mut existing = BTreeSet::new();
        while let Some(document) = cursor.next(session).await.transpose()? {
            existing.insert(document.sku);
        }
        let import = Import::decide(products, |sku| existing.contains(sku.as_str()), at);
        if import.products.is_empty() {
            return Ok(0);
        }
        let documents: Vec<_> = import.products.iter().map(ProductDocument::from).collect();
        self.products.insert_many(documents).session(&mut *session).await.map_err(taken_or)?;
        let events = self.ledger.open(session, &import.stock, at).await?;
        self.outbox.write(session, events).await?;
        Ok(import.products.len())
    }
}
