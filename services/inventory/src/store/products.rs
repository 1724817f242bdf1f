//! Reads and writes products.

use futures::{FutureExt as _, TryStreamExt as _};
use jiff::Timestamp;
use mongo::bounded;
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use primitives::Sku;
use service::Deadline;

use super::document::{self, ProductDocument};
use super::{Store, taken_or};
use crate::domain::{ListKey, Product, ProductChange, ProductFilter};
use crate::error::InventoryError;

impl Store {
    pub(crate) async fn find(&self, sku: &Sku, deadline: Deadline) -> Result<Option<Product>, mongo::Error> {
        let filter = doc! { "_id": sku.as_str() };
        let found = bounded(deadline, |left| self.shown.find_one(filter).max_time(left)).await?;
        Ok(found.map(Product::try_from).transpose()?)
    }

    /// The products among `skus` that exist, in no particular order.
    pub(crate) async fn find_many(&self, skus: &[Sku], deadline: Deadline) -> Result<Vec<Product>, mongo::Error> {
        let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
        self.collect(doc! { "_id": { "$in": skus } }, doc! {}, 0, deadline).await
    }

    /// Up to `limit` products after `after`, which is the [`ProductFilter::key_of`] the last product seen.
    pub(crate) async fn list(
        &self,
        filter: &ProductFilter,
        after: Option<&str>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Product>, mongo::Error> {
        let (query, sort) = list_query(filter, after);
        self.collect(query, sort, limit, deadline).await
    }

    async fn collect(
        &self,
        filter: Document,
        sort: Document,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Product>, mongo::Error> {
        let limit = i64::from(limit);
        let find = |left| self.shown.find(filter).sort(sort).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(Product::try_from).collect::<Result<_, _>>()?)
    }

    /// Writes a new product and opens its counter at 0.
    pub(crate) async fn create(&self, product: &Product, deadline: Deadline) -> Result<(), InventoryError> {
        let store = self.clone();
        let product = product.clone();
        let transaction = self.db.transact(deadline, move |session| {
            let store = store.clone();
            let product = product.clone();
            async move {
                let document = ProductDocument::from(&product);
                store.products.insert_one(document).session(&mut *session).await.map_err(taken_or)?;
                let events = store.ledger.open(session, &[(product.sku, 0)], product.created_at).await?;
                Ok(store.outbox.write(session, events).await?)
            }
            .boxed()
        });
        Ok(transaction.await?)
    }

    /// Changes a product that is still at `expected_version`; `None` if there is none.
    pub(crate) async fn update(
        &self,
        sku: &Sku,
        expected_version: u64,
        change: &ProductChange,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<Option<Product>, mongo::Error> {
        let version = mongo::to_i64("version", expected_version)?;
        let filter = doc! { "_id": sku.as_str(), "version": version };
        let update = document::update(sku, change, at);
        let changed = bounded(deadline, |left| {
            self.products.find_one_and_update(filter, update).return_document(ReturnDocument::After).max_time(left)
        });
        Ok(changed.await?.map(Product::try_from).transpose()?)
    }
}

/// The query and the sort order of a list.
fn list_query(filter: &ProductFilter, after: Option<&str>) -> (Document, Document) {
    let (mut query, mut sort) = (Document::new(), Document::new());
    if let Some(category) = &filter.category {
        query.insert("category", category);
        sort.insert("category", 1);
    }
    let range = filter.range(after);
    let bounds = [("$gt", range.above), ("$gte", range.from), ("$lt", range.below)];
    let bounds: Document =
        bounds.into_iter().filter_map(|(operator, bound)| Some((operator.to_owned(), bound?.into()))).collect();
    let key = match filter.key() {
        ListKey::Sku => "_id",
        ListKey::Name => "searchKey",
    };
    if !bounds.is_empty() {
        query.insert(key, bounds);
    }
    sort.insert(key, 1);
    (query, sort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_range_of_its_key_within_a_category() {
        assert_eq!(list_query(&ProductFilter::default(), None), (doc! {}, doc! { "_id": 1 }));
        let after = list_query(&ProductFilter::default(), Some("a"));
        assert_eq!(after, (doc! { "_id": { "$gt": "a" } }, doc! { "_id": 1 }));
        let filter = ProductFilter { category: Some("drinks".to_owned()), name_prefix: Some("Tea".to_owned()) };
        let (query, sort) = list_query(&filter, None);
        let below = format!("tea{}", char::MAX);
        assert_eq!(query, doc! { "category": "drinks", "searchKey": { "$gte": "tea", "$lt": &below } });
        assert_eq!(sort, doc! { "category": 1, "searchKey": 1 });
        let (query, _) = list_query(&filter, Some("tea\u{1}1"));
        assert_eq!(query, doc! { "category": "drinks", "searchKey": { "$gt": "tea\u{1}1", "$lt": below } });
    }
}
