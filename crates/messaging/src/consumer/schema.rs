//! The collections of consumers and their indexes. Consumers of one database share them.

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::bson::doc;

use super::inbox::{INBOX, PARKED_EVENTS, PARKED_KEYS};

/// The schema of the inbox, parked keys and parked events.
pub const INBOX_MIGRATIONS: &[Migration] = &[Migration {
    component: "inbox",
    version: 1,
    name: "inbox and parked events",
    up: |database| {
        async move {
            let inbox = doc! {
                "bsonType": "object",
                "required": ["_id", "occurredAt", "at", "forgetAt"],
                "additionalProperties": false,
                "properties": {
                    "_id": {
                        "bsonType": "object",
                        "required": ["group", "event"],
                        "properties": { "group": { "bsonType": "string" }, "event": { "bsonType": "binData" } },
                    },
                    "occurredAt": { "bsonType": "date" },
                    "at": { "bsonType": "date" },
                    "forgetAt": { "bsonType": "date" },
                    "parked": { "enum": [true] },
                },
            };
            schema::collection(database, INBOX, inbox).await?;
            schema::indexes(database, INBOX, [schema::ttl("by_end", "forgetAt")]).await?;
            let keys = doc! {
                "bsonType": "object",
                "required": ["_id", "next", "waiting", "since", "reason"],
                "additionalProperties": false,
                "properties": {
                    "_id": { "bsonType": "object", "required": ["group", "key"] },
                    "next": { "bsonType": "long", "minimum": 0 },
                    "waiting": { "bsonType": "long", "minimum": 0 },
                    "since": { "bsonType": "date" },
                    "reason": { "bsonType": "string" },
                },
            };
            schema::collection(database, PARKED_KEYS, keys).await?;
            let events = doc! {
                "bsonType": "object",
                "required": ["_id", "group", "key", "number", "kind", "payload", "since"],
                "additionalProperties": false,
                "properties": {
                    "_id": { "bsonType": "object", "required": ["group", "event"] },
                    "group": { "bsonType": "string" },
                    "key": { "bsonType": "string", "minLength": 1 },
                    "number": { "bsonType": "long", "minimum": 0 },
                    "kind": { "bsonType": "string" },
                    "payload": { "bsonType": "binData" },
                    "since": { "bsonType": "date" },
                },
            };
            schema::collection(database, PARKED_EVENTS, events).await?;
            let in_order = schema::unique("in_order", doc! { "group": 1, "key": 1, "number": 1 });
            schema::indexes(database, PARKED_EVENTS, [in_order]).await
        }
        .boxed()
    },
}];
