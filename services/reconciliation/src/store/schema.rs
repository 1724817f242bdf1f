//! Validators and indexes.

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use super::{LINES, MERCHANT_DAYS, STATEMENTS};
use crate::domain::Kind;

pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    component: "reconciliation",
    version: 1,
    name: "statements, their lines, and the merchant's days",
    up: |database| {
        async move {
            lines(database).await?;
            statements(database).await?;
            merchant_days(database).await
        }
        .boxed()
    },
}];

async fn lines(database: &Database) -> mongodb::error::Result<()> {
    let lines = doc! {
        "bsonType": "object",
        "required": ["_id", "kind", "subject", "day", "amount", "pieces", "at"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "kind": { "enum": Kind::ALL.map(Kind::name).to_vec() },
            "userId": { "bsonType": "binData" },
            "subject": { "bsonType": "string", "minLength": 1, "maxLength": 64 },
            "day": day(),
            "amount": { "bsonType": "long", "minimum": 0 },
            "pieces": { "bsonType": "long" },
            "at": { "bsonType": "date" },
        },
    };
    schema::collection(database, LINES, lines).await?;
    // A day's lines, customer by customer.
    schema::indexes(database, LINES, [schema::index("by_day", doc! { "day": 1, "userId": 1 })]).await
}

async fn statements(database: &Database) -> mongodb::error::Result<()> {
    let tally = doc! {
        "bsonType": "object",
        "required": ["count", "amount"],
        "additionalProperties": false,
        "properties": { "count": { "bsonType": "long" }, "amount": { "bsonType": "long" } },
    };
    let statements = doc! {
        "bsonType": "object",
        "required": ["_id", "tallies", "lines", "net", "version"],
        "additionalProperties": false,
        "properties": {
            "_id": {
                "bsonType": "object",
                "required": ["userId", "day"],
                "properties": { "userId": { "bsonType": "binData" }, "day": day() },
            },
            "tallies": { "bsonType": "object", "additionalProperties": tally },
            "lines": { "bsonType": "long", "minimum": 1 },
            "net": { "bsonType": "long" },
            "version": { "bsonType": "long", "minimum": 1 },
        },
    };
    schema::collection(database, STATEMENTS, statements).await?;
    let indexes = [
        schema::unique("by_user", doc! { "_id.userId": 1, "_id.day": -1 }),
        schema::index("by_day", doc! { "_id.day": 1, "_id.userId": 1 }),
    ];
    schema::indexes(database, STATEMENTS, indexes).await
}

async fn merchant_days(database: &Database) -> mongodb::error::Result<()> {
    let days = doc! {
        "bsonType": "object",
        "required": ["_id", "sales", "refunds", "stockValueOut", "stockValueBack", "piecesOut", "piecesIn", "version"],
        "additionalProperties": false,
        "properties": {
            "_id": {
                "bsonType": "object",
                "required": ["day", "slot"],
                "properties": { "day": day(), "slot": { "bsonType": "int" } },
            },
            "sales": { "bsonType": "long" },
            "refunds": { "bsonType": "long" },
            "stockValueOut": { "bsonType": "long" },
            "stockValueBack": { "bsonType": "long" },
            "piecesOut": { "bsonType": "long" },
            "piecesIn": { "bsonType": "long" },
            "version": { "bsonType": "long", "minimum": 1 },
        },
    };
    schema::collection(database, MERCHANT_DAYS, days).await?;
    schema::indexes(database, MERCHANT_DAYS, [schema::index("by_day", doc! { "_id.day": 1 })]).await
}

/// As "2026-11-24".
fn day() -> Document {
    doc! { "bsonType": "string", "minLength": 10, "maxLength": 10 }
}
