//! Validators and indexes.

use std::sync::LazyLock;

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use super::names::{EXCEPTIONS, LINES, MERCHANT_DAYS, PROGRESS, RUNS, STATEMENTS};
use crate::domain::{LineKind, RunKind, RunStatus};

/// The migrations of this service.
pub(crate) fn migrations() -> &'static [Migration] {
    static ALL: LazyLock<Vec<Migration>> = LazyLock::new(|| [RECONCILIATION, messaging::INBOX_MIGRATIONS].concat());
    &ALL
}

const RECONCILIATION: &[Migration] = &[Migration {
    component: "reconciliation",
    version: 1,
    name: "statements, their lines, the merchant's days, and runs",
    up: |database| {
        async move {
            lines(database).await?;
            statements(database).await?;
            merchant_days(database).await?;
            runs(database).await?;
            exceptions(database).await?;
            progress(database).await
        }
        .boxed()
    },
}];

async fn runs(database: &Database) -> mongodb::error::Result<()> {
    let check = doc! {
        "bsonType": "object",
        "required": ["name", "compared", "differences", "asOf"],
        "additionalProperties": false,
        "properties": {
            "name": { "bsonType": "string" },
            "compared": { "bsonType": "long", "minimum": 0 },
            "differences": { "bsonType": "long", "minimum": 0 },
            "asOf": { "bsonType": "date" },
        },
    };
    let runs = doc! {
        "bsonType": "object",
        "required": ["_id", "kind", "status", "requestedAt", "checks", "forgetAt"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "kind": { "enum": RunKind::ALL.map(RunKind::name).to_vec() },
            "status": { "enum": RunStatus::ALL.map(RunStatus::name).to_vec() },
            "requestedAt": { "bsonType": "date" },
            "startedAt": { "bsonType": "date" },
            "endedAt": { "bsonType": "date" },
            "checks": { "bsonType": "array", "items": check, "maxItems": 16 },
            "failure": { "bsonType": "string" },
            "forgetAt": { "bsonType": "date" },
        },
    };
    schema::collection(database, RUNS, runs).await?;
    let indexes = [
        // At most one waits to be started.
        schema::partial_unique("requested", doc! { "status": 1 }, doc! { "status": "requested" }),
        schema::index("by_kind", doc! { "kind": 1, "_id": -1 }),
        schema::partial("running", doc! { "status": 1, "_id": 1 }, doc! { "status": "running" }),
        schema::ttl("by_end", "forgetAt"),
    ];
    schema::indexes(database, RUNS, indexes).await
}

async fn exceptions(database: &Database) -> mongodb::error::Result<()> {
    let healing = doc! {
        "bsonType": "object",
        "required": ["action", "at", "done"],
        "additionalProperties": false,
        "properties": {
            "action": { "bsonType": "string" },
            "at": { "bsonType": "date" },
            "done": { "bsonType": "bool" },
            "failure": { "bsonType": "string" },
        },
    };
    let exceptions = doc! {
        "bsonType": "object",
        "required": ["_id", "runId", "kind", "subject", "expected", "found", "firstSeenAt", "seenAt", "forgetAt"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "objectId" },
            "runId": { "bsonType": "binData" },
            "kind": { "bsonType": "string" },
            "subject": { "bsonType": "string" },
            "expected": { "bsonType": "string" },
            "found": { "bsonType": "string" },
            "firstSeenAt": { "bsonType": "date" },
            "seenAt": { "bsonType": "date" },
            "healing": healing,
            "forgetAt": { "bsonType": "date" },
        },
    };
    schema::collection(database, EXCEPTIONS, exceptions).await?;
    let indexes = [
        schema::index("by_run", doc! { "runId": 1, "kind": 1, "subject": 1 }),
        schema::index("by_subject", doc! { "subject": 1, "seenAt": -1 }),
        schema::ttl("by_end", "forgetAt"),
    ];
    schema::indexes(database, EXCEPTIONS, indexes).await
}

async fn lines(database: &Database) -> mongodb::error::Result<()> {
    let lines = doc! {
        "bsonType": "object",
        "required": ["_id", "kind", "subject", "day", "amount", "pieces", "at"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "kind": { "enum": LineKind::ALL.map(LineKind::name).to_vec() },
            "userId": { "bsonType": "binData" },
            "subject": { "bsonType": "string", "minLength": 1, "maxLength": 64 },
            "orderId": { "bsonType": "binData" },
            "day": day(),
            "amount": { "bsonType": "long", "minimum": 0 },
            "pieces": { "bsonType": "long" },
            "at": { "bsonType": "date" },
        },
    };
    schema::collection(database, LINES, lines).await?;
    let indexes = [
        // A day's lines by customer.
        schema::index("by_day", doc! { "day": 1, "userId": 1 }),
        // The order in which they are compared with events.
        schema::index("by_time", doc! { "at": 1, "_id": 1 }),
    ];
    schema::indexes(database, LINES, indexes).await
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

/// Looked up by `_id` only.
async fn progress(database: &Database) -> mongodb::error::Result<()> {
    let progress = doc! {
        "bsonType": "object",
        "required": ["_id", "comparedTo"],
        "additionalProperties": false,
        "properties": { "_id": { "bsonType": "string" }, "comparedTo": { "bsonType": "date" } },
    };
    schema::collection(database, PROGRESS, progress).await
}

/// A day such as "2026-11-24".
fn day() -> Document {
    doc! { "bsonType": "string", "minLength": 10, "maxLength": 10 }
}
