//! Validators and indexes.

use std::sync::LazyLock;

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::Database;
use mongodb::bson::doc;

use super::{ASSESSMENTS, COUNTS, RULES};

/// All migrations of this service.
pub(crate) fn migrations() -> &'static [Migration] {
    static ALL: LazyLock<Vec<Migration>> = LazyLock::new(|| [RISK, messaging::INBOX_MIGRATIONS].concat());
    &ALL
}

const RISK: &[Migration] = &[Migration {
    component: "risk",
    version: 1,
    name: "rules, counts and assessments",
    up: |database| {
        async move {
            rules(database).await?;
            counts(database).await?;
            assessments(database).await
        }
        .boxed()
    },
}];

/// Looked up by `_id` alone.
async fn rules(database: &Database) -> mongodb::error::Result<()> {
    let rule = doc! {
        "bsonType": "object",
        "required": ["kind", "points", "limit"],
        "additionalProperties": false,
        "properties": {
            "kind": { "enum": ["amount_above", "account_younger_than", "orders_of_user", "orders_of_address"] },
            "points": { "bsonType": "long", "minimum": 1, "maximum": 1_000 },
            "limit": { "bsonType": "long", "minimum": 1 },
            "withinSeconds": { "bsonType": "long", "minimum": 10, "maximum": 3_600 },
        },
    };
    let rules = doc! {
        "bsonType": "object",
        "required": ["_id", "rejectAt", "rules", "addedBy", "addedAt"],
        "additionalProperties": false,
        "properties": {
            // Version 1 is the configured one.
            "_id": { "bsonType": "long", "minimum": 2 },
            "rejectAt": { "bsonType": "long", "minimum": 1, "maximum": 1_000 },
            "rules": { "bsonType": "array", "items": rule, "maxItems": 32 },
            "addedBy": { "bsonType": "binData" },
            "addedAt": { "bsonType": "date" },
        },
    };
    schema::collection(database, RULES, rules).await
}

async fn counts(database: &Database) -> mongodb::error::Result<()> {
    let counts = doc! {
        "bsonType": "object",
        "required": ["_id", "count", "at", "forgetAt"],
        "additionalProperties": false,
        "properties": {
            "_id": {
                "bsonType": "object",
                "required": ["subject", "bucket", "counter"],
                "additionalProperties": false,
                "properties": {
                    "subject": { "bsonType": "string", "minLength": 1, "maxLength": 64 },
                    "bucket": { "bsonType": "long" },
                    "counter": { "bsonType": "long", "minimum": 0 },
                },
            },
            "count": { "bsonType": "long", "minimum": 1 },
            "at": { "bsonType": "date" },
            "forgetAt": { "bsonType": "date" },
        },
    };
    schema::collection(database, COUNTS, counts).await?;
    let indexes = [schema::index("by_change", doc! { "at": 1 }), schema::ttl("by_end", "forgetAt")];
    schema::indexes(database, COUNTS, indexes).await
}

async fn assessments(database: &Database) -> mongodb::error::Result<()> {
    let assessments = doc! {
        "bsonType": "object",
        "required": ["_id", "userId", "decision", "score", "rulesVersion", "reasons", "at", "forgetAt"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "userId": { "bsonType": "binData" },
            "decision": { "enum": ["accept", "reject"] },
            "score": { "bsonType": "long", "minimum": 0 },
            "rulesVersion": { "bsonType": "long", "minimum": 1 },
            "reasons": { "bsonType": "array", "items": { "bsonType": "string" }, "maxItems": 32 },
            "at": { "bsonType": "date" },
            "forgetAt": { "bsonType": "date" },
        },
    };
    schema::collection(database, ASSESSMENTS, assessments).await?;
    let indexes = [
        // For people who ask why a customer is refused, newest first.
        schema::index("by_user", doc! { "userId": 1, "at": -1 }),
        schema::ttl("by_end", "forgetAt"),
    ];
    schema::indexes(database, ASSESSMENTS, indexes).await
}
