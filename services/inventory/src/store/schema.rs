//! The catalogue's collection, its validator and its indexes.

use std::sync::LazyLock;

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::bson::doc;

use super::PRODUCTS;

const CATALOGUE: &[Migration] = &[Migration {
    component: "inventory",
    version: 1,
    name: "products",
    up: |database| {
        async move {
            let text = |max: i32| doc! { "bsonType": "string", "minLength": 1, "maxLength": max };
            let products = doc! {
                "bsonType": "object",
                "required": [
                    "_id", "name", "category", "price", "currency", "searchKey", "version", "createdAt", "updatedAt",
                ],
                "additionalProperties": false,
                "properties": {
                    "_id": text(64),
                    "name": text(200),
                    "description": text(2_000),
                    "category": text(100),
                    "price": { "bsonType": "long", "minimum": 1 },
                    "currency": { "bsonType": "string", "pattern": "^[A-Z]{3}$" },
                    "searchKey": { "bsonType": "string" },
                    "version": { "bsonType": "long", "minimum": 1 },
                    "createdAt": { "bsonType": "date" },
                    "updatedAt": { "bsonType": "date" },
                },
            };
            schema::collection(database, PRODUCTS, products).await?;
            let indexes = [
                schema::index("by_name", doc! { "searchKey": 1 }),
                schema::index("by_category", doc! { "category": 1, "_id": 1 }),
                schema::index("by_category_and_name", doc! { "category": 1, "searchKey": 1 }),
            ];
            schema::indexes(database, PRODUCTS, indexes).await
        }
        .boxed()
    },
}];

/// All migrations of this service. It owns the collections of the stock ledger, too.
pub(crate) fn migrations() -> &'static [Migration] {
    static ALL: LazyLock<Vec<Migration>> = LazyLock::new(|| {
        [CATALOGUE, stock::MIGRATIONS, mongo::idempotency::MIGRATIONS, messaging::MIGRATIONS].concat()
    });
    &ALL
}
