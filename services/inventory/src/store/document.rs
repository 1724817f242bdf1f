//! A product as it is stored.

use jiff::Timestamp;
use mongo::{ConvertError, from_bson_time, to_bson_time, to_u64};
use mongodb::bson::{DateTime, Document, doc};
use primitives::{Money, Sku};
use serde::{Deserialize, Serialize};

use crate::domain::{Product, ProductChange, name_key};

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

impl From<&Product> for ProductDocument {
    fn from(product: &Product) -> Self {
        Self {
            sku: product.sku.as_str().to_owned(),
            name: product.name.clone(),
            description: product.description.clone(),
            category: product.category.clone(),
            price: product.price.amount(),
            currency: product.price.currency().code().to_owned(),
            search_key: name_key(&product.name, &product.sku),
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

/// The update that applies a change and increments the version.
pub(super) fn update(sku: &Sku, change: &ProductChange, at: Timestamp) -> Document {
    let mut set = doc! { "updatedAt": to_bson_time(at) };
    let mut unset = Document::new();
    if let Some(name) = &change.name {
        set.insert("name", name);
        set.insert("searchKey", name_key(name, sku));
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

#[cfg(test)]
mod tests {
    use primitives::Currency;

    use super::*;
    use crate::domain::NewProduct;

    #[test]
    fn a_product_survives_its_document() {
        let price = Money::new(5, Currency::USD);
        let new = NewProduct::check("a", "Tea", Some("green"), "drinks", price, Currency::USD).unwrap();
        let product = new.into_product(primitives::now());
        assert_eq!(Product::try_from(ProductDocument::from(&product)).unwrap(), product);
    }

    #[test]
    fn a_change_sets_only_the_given_fields_and_increments_the_version() {
        let (at, sku) = (primitives::now(), "a".parse().unwrap());
        let time = to_bson_time(at);
        let unchanged = update(&sku, &ProductChange::default(), at);
        assert_eq!(unchanged, doc! { "$set": { "updatedAt": time }, "$inc": { "version": 1_i64 } });
        let change = ProductChange { name: Some("Tea".to_owned()), description: Some(None), ..Default::default() };
        let set = doc! { "updatedAt": time, "name": "Tea", "searchKey": name_key("Tea", &sku) };
        let expected = doc! { "$set": set, "$inc": { "version": 1_i64 }, "$unset": { "description": "" } };
        assert_eq!(update(&sku, &change, at), expected);
    }
}
