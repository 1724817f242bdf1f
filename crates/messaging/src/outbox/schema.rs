//! The collection of the outbox and its indexes. All publishing services share it.

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::bson::{Document, doc};

use super::COLLECTION;

/// The index of unsent entries.
pub(super) const UNSENT: &str = "unsent";

/// The schema of the outbox.
pub const MIGRATIONS: &[Migration] = &[Migration {
    component: "outbox",
    version: 1,
    name: "outbox",
    up: |database| {
        async move {
            schema::collection(database, COLLECTION, entry_schema()).await?;
            let unsent = doc! { "unsent": true };
            let indexes = [
                schema::partial(UNSENT, doc! { "source": 1, "shard": 1, "at": 1, "_id": 1 }, unsent),
                schema::index("by_source_and_time", doc! { "source": 1, "at": 1, "_id": 1 }),
                schema::ttl("by_end", "forgetAt"),
            ];
            schema::indexes(database, COLLECTION, indexes).await
        }
        .boxed()
    },
}];

fn entry_schema() -> Document {
    let event = doc! {
        "bsonType": "object",
        "required": ["id", "kind", "key", "payload"],
        "additionalProperties": false,
        "properties": {
            "id": { "bsonType": "binData" },
            "kind": { "bsonType": "string" },
            "key": { "bsonType": "string", "minLength": 1 },
            "payload": { "bsonType": "binData" },
            "traceparent": { "bsonType": "string" },
        },
    };
    doc! {
        "bsonType": "object",
        "required": ["_id", "source", "shard", "at", "events"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "source": { "bsonType": "string" },
            "shard": { "bsonType": "int", "minimum": 0 },
            "at": { "bsonType": "date" },
            "unsent": { "enum": [true] },
            "sentAt": { "bsonType": "date" },
            "forgetAt": { "bsonType": "date" },
            "events": { "bsonType": "array", "minItems": 1, "maxItems": 1_000, "items": event },
        },
    }
}
