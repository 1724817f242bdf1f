//! Validators and indexes. Lists of values come from the domain: a new value needs a migration that applies them again.

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use super::{ACCOUNTS, ENTRIES, PAYMENTS};
use crate::domain::{EntryKind, Method, Status};

/// The index that keeps an order from being paid twice; its name distinguishes that conflict from others.
pub(super) const LIVE_BY_ORDER: &str = "live_by_order";

pub(super) const MIGRATIONS: &[Migration] = &[ACCOUNTS_AND_PAYMENTS, ENTRIES_BY_ORDER];

/// Lets the reconciliation compare an order's entries with its payments.
const ENTRIES_BY_ORDER: Migration = Migration {
    component: "payment",
    version: 2,
    name: "entries by order",
    up: |database| {
        async move {
            let of_orders = doc! { "orderId": { "$exists": true } };
            let by_order = schema::partial("by_order", doc! { "orderId": 1 }, of_orders);
            schema::indexes(database, ENTRIES, [by_order]).await
        }
        .boxed()
    },
};

const ACCOUNTS_AND_PAYMENTS: Migration = Migration {
    component: "payment",
    version: 1,
    name: "accounts, their entries, and payments",
    up: |database| {
        async move {
            accounts(database).await?;
            entries(database).await?;
            payments(database).await
        }
        .boxed()
    },
};

/// Accounts are found by `_id` alone.
async fn accounts(database: &Database) -> mongodb::error::Result<()> {
    let accounts = doc! {
        "bsonType": "object",
        "required": ["_id", "balance", "currency", "version", "updatedAt"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "balance": { "bsonType": "long", "minimum": 0 },
            "currency": currency(),
            "version": { "bsonType": "long", "minimum": 1 },
            "updatedAt": { "bsonType": "date" },
        },
    };
    schema::collection(database, ACCOUNTS, accounts).await
}

async fn entries(database: &Database) -> mongodb::error::Result<()> {
    let entries = doc! {
        "bsonType": "object",
        "required": ["_id", "accountId", "sequence", "delta", "kind", "balanceAfter", "createdAt"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "accountId": { "bsonType": "binData" },
            "sequence": { "bsonType": "long", "minimum": 1 },
            "delta": { "bsonType": "long", "not": { "enum": [0] } },
            "kind": { "enum": EntryKind::NAMES.as_slice() },
            "orderId": { "bsonType": "binData" },
            "paymentId": { "bsonType": "binData" },
            "balanceAfter": { "bsonType": "long", "minimum": 0 },
            "createdAt": { "bsonType": "date" },
        },
    };
    schema::collection(database, ENTRIES, entries).await?;
    // Finds an account's last entry, and keeps a number from being given twice.
    let by_account = schema::unique("by_account", doc! { "accountId": 1, "sequence": 1 });
    schema::indexes(database, ENTRIES, [by_account]).await
}

async fn payments(database: &Database) -> mongodb::error::Result<()> {
    let payments = doc! {
        "bsonType": "object",
        "required": ["_id", "orderId", "userId", "method", "status", "amount", "currency", "createdAt", "updatedAt"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "orderId": { "bsonType": "binData" },
            "userId": { "bsonType": "binData" },
            "method": { "enum": Method::ALL.map(Method::name).as_slice() },
            "status": { "enum": Status::ALL.map(Status::name).as_slice() },
            "amount": { "bsonType": "long", "minimum": 1 },
            "currency": currency(),
            "createdAt": { "bsonType": "date" },
            "updatedAt": { "bsonType": "date" },
            "dueAt": { "bsonType": "date" },
            "providerReference": { "bsonType": "string", "minLength": 1, "maxLength": 255 },
        },
    };
    schema::collection(database, PAYMENTS, payments).await?;
    let live = doc! { "status": { "$in": Status::LIVE.map(Status::name).as_slice() } };
    let indexes = [
        schema::partial_unique(LIVE_BY_ORDER, doc! { "orderId": 1 }, live),
        // All attempts of an order, newest first.
        schema::index("by_order", doc! { "orderId": 1, "_id": -1 }),
        // Finds the payments that the resolver has to look at. Settled ones have no `dueAt`.
        schema::partial("due", doc! { "dueAt": 1 }, doc! { "dueAt": { "$exists": true } }),
    ];
    schema::indexes(database, PAYMENTS, indexes).await
}

fn currency() -> Document {
    doc! { "bsonType": "string", "minLength": 3, "maxLength": 3 }
}
