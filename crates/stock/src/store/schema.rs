//! Validators and indexes of the two collections.

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::bson::doc;

use super::{LEVELS, MOVEMENTS};

/// The migrations of the ledger. The inventory service owns it and runs them.
pub const MIGRATIONS: &[Migration] = &[Migration {
    component: "stock",
    version: 1,
    name: "counters and movements",
    up: |database| {
        async move {
            let levels = doc! {
                "bsonType": "object",
                "required": ["_id", "available"],
                "additionalProperties": false,
                "properties": {
                    "_id": { "bsonType": "string", "minLength": 1, "maxLength": 64 },
                    "available": { "bsonType": "long", "minimum": 0 },
                },
            };
            schema::collection(database, LEVELS, levels).await?;
            let movements = doc! {
                "bsonType": "object",
                "required": ["_id", "sku", "delta", "reason", "createdAt"],
                "additionalProperties": false,
                "properties": {
                    "_id": { "bsonType": "binData" },
                    "sku": { "bsonType": "string", "minLength": 1, "maxLength": 64 },
                    "delta": { "bsonType": "long", "not": { "enum": [0] } },
                    "reason": { "bsonType": "string" },
                    "orderId": { "bsonType": "binData" },
                    "createdAt": { "bsonType": "date" },
                },
            };
            schema::collection(database, MOVEMENTS, movements).await?;
            schema::indexes(database, MOVEMENTS, [schema::index("by_sku", doc! { "sku": 1, "_id": -1, "delta": 1 })])
                .await
        }
        .boxed()
    },
}];
