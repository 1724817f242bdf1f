//! The catalogue in MongoDB, and the transactions that touch it together with the stock ledger.

mod document;
mod prices;
mod schema;

use std::collections::BTreeSet;

use futures::{FutureExt as _, TryStreamExt as _};
use idempotency::ScopedKey;
use jiff::Timestamp;
use messaging::Outbox;
use mongo::idempotency::Records;
use mongo::{Abort, Db, Policy, bounded, duplicate_key_index};
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{ClientSession, Collection};
use primitives::Sku;
use service::Deadline;
use stock::{Ledger, Movement, MovementDocument};

use crate::domain::{NewProduct, Product, ProductChange};
use crate::error::InventoryError;
use document::{ProductDocument, search_key};
pub(crate) use prices::{ListedPrice, PriceWatch};
pub(crate) use schema::migrations;

const PRODUCTS: &str = "products";

/// Which products a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProductFilter {
    pub(crate) category: Option<String>,
    pub(crate) name_prefix: Option<String>,
}

/// The catalogue's store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: Db,
    /// For showing: may be read from a secondary while there is no primary.
    shown: Collection<ProductDocument>,
    products: Collection<ProductDocument>,
    pub(crate) ledger: Ledger,
    outbox: Outbox,
    pub(crate) adjustments: Records<MovementDocument>,
}

impl Store {
    pub(crate) fn new(db: &Db, outbox: Outbox) -> Self {
        Self {
            db: db.clone(),
            shown: db.collection(Policy::Shown, PRODUCTS),
            products: db.collection(Policy::Ledger, PRODUCTS),
            ledger: Ledger::new(db),
            outbox,
            adjustments: Records::new(db),
        }
    }

    pub(crate) async fn find(&self, sku: &Sku, deadline: Deadline) -> Result<Option<Product>, mongo::Error> {
        let filter = doc! { "_id": sku.as_str() };
        let found = bounded(deadline, |left| self.shown.find_one(filter).max_time(left)).await?;
        Ok(found.map(Product::try_from).transpose()?)
    }

    /// The products among `skus` that exist, in no order.
    pub(crate) async fn find_many(&self, skus: &[Sku], deadline: Deadline) -> Result<Vec<Product>, mongo::Error> {
        let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
        self.collect(doc! { "_id": { "$in": skus } }, doc! {}, 0, deadline).await
    }

    /// Up to `limit` products after `after`, which is the [`Product::list_key`] of the last one seen.
    pub(crate) async fn list(
        &self,
        filter: &ProductFilter,
        after: Option<&str>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Product>, mongo::Error> {
        let mut query = Document::new();
        let mut sort = Document::new();
        if let Some(category) = &filter.category {
            query.insert("category", category);
            sort.insert("category", 1);
        }
        let mut range = Document::new();
        if let Some(after) = after {
            range.insert("$gt", after);
        }
        let key = if let Some(prefix) = &filter.name_prefix {
            let prefix = prefix.to_lowercase();
            if after.is_none() {
                range.insert("$gte", &prefix);
            }
            range.insert("$lt", format!("{prefix}{}", char::MAX));
            "searchKey"
        } else {
            "_id"
        };
        if !range.is_empty() {
            query.insert(key, range);
        }
        sort.insert(key, 1);
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

    /// Changes a product that is still at `expected_version`.
    pub(crate) async fn update(
        &self,
        sku: &Sku,
        expected_version: u64,
        change: &ProductChange,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<Product, InventoryError> {
        let version = mongo::to_i64("version", expected_version).map_err(mongo::Error::from)?;
        let filter = doc! { "_id": sku.as_str(), "version": version };
        let update = document::update(sku, change, at);
        let changed = bounded(deadline, |left| {
            self.products.find_one_and_update(filter, update).return_document(ReturnDocument::After).max_time(left)
        });
        match changed.await? {
            Some(document) => Ok(Product::try_from(document).map_err(mongo::Error::from)?),
            None if self.find(sku, deadline).await?.is_some() => Err(InventoryError::VersionMismatch),
            None => Err(InventoryError::SkuNotFound(sku.clone())),
        }
    }

    /// Writes those products that are not there yet, with their first stock, and gives their number.
    pub(crate) async fn import(
        &self,
        products: Vec<(NewProduct, u32)>,
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
        products: Vec<(NewProduct, u32)>,
        at: Timestamp,
    ) -> Result<usize, Abort<InventoryError>> {
        let skus: Vec<&str> = products.iter().map(|(product, _)| product.sku.as_str()).collect();
        let mut cursor = self.products.find(doc! { "_id": { "$in": skus } }).session(&mut *session).await?;
        let mut existing = BTreeSet::new();
        while let Some(document) = cursor.next(session).await.transpose()? {
            existing.insert(document.sku);
        }
        let missing: Vec<_> =
            products.into_iter().filter(|(product, _)| !existing.contains(product.sku.as_str())).collect();
        if missing.is_empty() {
            return Ok(0);
        }
        let stock: Vec<_> = missing.iter().map(|(product, pieces)| (product.sku.clone(), *pieces)).collect();
        let documents = missing.into_iter().map(|(product, _)| ProductDocument::from(&product.into_product(at)));
        self.products.insert_many(documents).session(&mut *session).await.map_err(taken_or)?;
        let events = self.ledger.open(session, &stock, at).await?;
        self.outbox.write(session, events).await?;
        Ok(stock.len())
    }

    /// Moves stock for a person, together with the record of the idempotency key.
    pub(crate) async fn adjust(
        &self,
        key: ScopedKey,
        request_id: String,
        movement: &Movement,
        deadline: Deadline,
    ) -> Result<(), InventoryError> {
        let store = self.clone();
        let movement = movement.clone();
        let transaction = self.db.transact(deadline, move |session| {
            let (store, movement, key) = (store.clone(), movement.clone(), key.clone());
            let request_id = request_id.clone();
            async move {
                let answer = MovementDocument::from(&movement);
                store.adjustments.record(session, &key, &request_id, &answer).await?;
                let events = store.ledger.adjust(session, &movement).await?;
                Ok(store.outbox.write(session, events).await?)
            }
            .boxed()
        });
        Ok(transaction.await?)
    }
}

impl Product {
    /// Where a product stands in a list: the cursor of the page after it.
    pub(crate) fn list_key(&self, filter: &ProductFilter) -> String {
        match filter.name_prefix {
            Some(_) => search_key(&self.name, &self.sku),
            None => self.sku.as_str().to_owned(),
        }
    }
}

fn taken_or(error: mongodb::error::Error) -> Abort<InventoryError> {
    if duplicate_key_index(&error).is_some() { Abort::Refused(InventoryError::SkuTaken) } else { Abort::Driver(error) }
}
