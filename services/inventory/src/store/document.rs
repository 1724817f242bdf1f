//! A product as it is stored.

use jiff::Timestamp;
use mongo::{ConvertError, from_bson_time, to_bson_time, to_u64};
use mongodb::bson::{DateTime, Document, doc};
use primitives::{Money, Sku};
use serde::{Deserialize, Serialize};

use crate::domain::{Product, ProductChange};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductDocument {
    #[serde(rename = "_id")]
    pub(super) sku: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    category: String,
    price: i64,
    currency: String,
    search_key: String,
    version: i64,
    created_at: DateTime,
    updated_at: DateTime,
}

/// What a search by name goes through: lower-cased, and made unique by the SKU, so that a page can begin after any
/// product even where many share a name.
pub(super) fn search_key(name: &str, sku: &Sku) -> String {
    format!("{}\u{1}{sku}", name.to_lowercase())
}

impl From<&Product> for ProductDocument {
    fn from(product: &Product) -> Self {
        Self {
            sku: product.sku.as_str().to_owned(),
            name: product.name.clone(),
            description: product.description.clone(),
            category: product.category.clone(),
            price: product.price.amount(),
            currency: product.price.currency().code().to_owned(),
            search_key: search_key(&product.name, &product.sku),
            version: i64::try_from(product.version).unwrap_or(i64::MAX),
            created_at: to_bson_time(product.created_at),
            updated_at: to_bson_time(product.updated_at),
        }
    }
}

impl TryFrom<ProductDocument> for Product {
    type Error = ConvertError;

    fn try_from(document: ProductDocument) -> Result<Self, ConvertError> {
        let invalid = |_| ConvertError { what: "product" };
        Ok(Self {
            sku: document.sku.parse().map_err(invalid)?,
            name: document.name,
            description: document.description,
            category: document.category,
            price: Money::new(document.price, document.currency.parse().map_err(invalid)?),
            version: to_u64("version", document.version)?,
            created_at: from_bson_time(document.created_at)?,
            updated_at: from_bson_time(document.updated_at)?,
        })
    }
}

/// The update that makes a change and counts it.
pub(super) fn update(sku: &Sku, change: &ProductChange, at: Timestamp) -> Document {
    let mut set = doc! { "updatedAt": to_bson_time(at) };
    let mut unset = Document::new();
    if let Some(name) = &change.name {
        set.insert("name", name);
        set.insert("searchKey", search_key(name, sku));
    }
    if let Some(category) = &change.category {
        set.insert("category", category);
    }
    if let Some(price) = change.price {
        set.insert("price", price.amount());
        set.insert("currency", price.currency().code());
    }
    match &change.description {
        Some(Some(description)) => drop(set.insert("description", description)),
        Some(None) => drop(unset.insert("description", "")),
        None => {}
    }
    let mut update = doc! { "$set": set, "$inc": { "version": 1_i64 } };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    update
}
