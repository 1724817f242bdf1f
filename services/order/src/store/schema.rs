//! The collection of orders, its validator and its indexes.

use std::sync::LazyLock;

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::bson::{Document, doc};
use primitives::{OrderLines, Quantity};

use super::ORDERS;
use super::document::{ACCEPTED, review_name};
use super::fences::{FENCED, MAX_REQUESTS};
use crate::domain::{RiskSource, Status, Verdict};

/// The unique index that keeps a key from placing two orders.
pub(super) const BY_KEY: &str = "by_idempotency_key";

const ORDER: &[Migration] = &[ORDERS_AND_INDEXES, REVIEWS, FENCES];

/// For requests that were refused while the outcome of an earlier attempt was open.
const FENCES: Migration = Migration {
    component: "order",
    version: 3,
    name: "fences",
    up: |database| {
        async move {
            schema::collection(database, ORDERS, holder_schema()).await?;
            let fences = doc! { "fencedUntil": { "$exists": true } };
            schema::indexes(database, ORDERS, [schema::partial_ttl("fences", "fencedUntil", fences)]).await
        }
        .boxed()
    },
};

/// For orders under review by the risk service.
const REVIEWS: Migration = Migration {
    component: "order",
    version: 2,
    name: "reviews of risk",
    up: |database| {
        async move {
            schema::collection(database, ORDERS, holder_schema()).await?;
            let to_review = doc! { "reviewAt": { "$exists": true } };
            let by_review = schema::partial("by_review", doc! { "reviewAt": 1 }, to_review);
            schema::indexes(database, ORDERS, [by_review]).await
        }
        .boxed()
    },
};

const ORDERS_AND_INDEXES: Migration = Migration {
    component: "order",
    version: 1,
    name: "orders",
    up: |database| {
        async move {
            schema::collection(database, ORDERS, holder_schema()).await?;
            let pending = doc! { "status": Status::PendingPayment.name() };
            let to_follow_up = doc! { "followUpAt": { "$exists": true } };
            let indexes = [
                schema::unique(BY_KEY, doc! { "userId": 1, "idempotencyKey": 1 }),
                schema::index("by_user_and_status", doc! { "userId": 1, "status": 1, "_id": -1 }),
                schema::index("by_status", doc! { "status": 1, "_id": -1 }),
                schema::partial("pending_by_expiry", doc! { "expiresAt": 1 }, pending),
                schema::partial("by_follow_up", doc! { "followUpAt": 1 }, to_follow_up),
            ];
            schema::indexes(database, ORDERS, indexes).await
        }
        .boxed()
    },
};

/// The holder of an idempotency key: an order or a fence.
fn holder_schema() -> Document {
    let fence = doc! {
        "bsonType": "object",
        "required": ["_id", "userId", "status", "idempotencyKey", "requestIds", "fencedUntil"],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "userId": { "bsonType": "binData" },
            "status": { "enum": [FENCED] },
            "idempotencyKey": { "bsonType": "string", "minLength": 1, "maxLength": 255 },
            "requestIds": {
                "bsonType": "array",
                "minItems": 1,
                "maxItems": i32::try_from(MAX_REQUESTS).unwrap_or(i32::MAX),
                "items": { "bsonType": "string" },
            },
            "fencedUntil": { "bsonType": "date" },
        },
    };
    doc! { "anyOf": [order_schema(), fence] }
}

fn order_schema() -> Document {
    let max_lines = i32::try_from(OrderLines::MAX).unwrap_or(i32::MAX);
    let max_quantity = i32::try_from(Quantity::MAX).unwrap_or(i32::MAX);
    let line = doc! {
        "bsonType": "object",
        "required": ["sku", "quantity", "unitPrice", "lineTotal", "takenBy"],
        "additionalProperties": false,
        "properties": {
            "sku": { "bsonType": "string", "minLength": 1, "maxLength": 64 },
            "quantity": { "bsonType": "int", "minimum": 1, "maximum": max_quantity },
            "unitPrice": { "bsonType": "long", "minimum": 1 },
            "lineTotal": { "bsonType": "long", "minimum": 1 },
            "takenBy": { "bsonType": "binData" },
            "returnedBy": { "bsonType": "binData" },
        },
    };
    let attempt = doc! {
        "bsonType": "object",
        "required": ["id", "key", "fingerprint", "requestId"],
        "additionalProperties": false,
        "properties": {
            "id": { "bsonType": "binData" },
            "key": { "bsonType": "string" },
            "fingerprint": { "bsonType": "binData" },
            "requestId": { "bsonType": "string" },
        },
    };
    doc! {
        "bsonType": "object",
        "required": [
            "_id", "userId", "status", "lines", "total", "currency", "risk", "version", "createdAt", "expiresAt",
            "idempotencyKey", "fingerprint", "requestId",
        ],
        "additionalProperties": false,
        "properties": {
            "_id": { "bsonType": "binData" },
            "userId": { "bsonType": "binData" },
            "status": { "enum": Status::ALL.map(Status::name).to_vec() },
            "lines": { "bsonType": "array", "minItems": 1, "maxItems": max_lines, "items": line },
            "total": { "bsonType": "long", "minimum": 1 },
            "currency": { "bsonType": "string", "pattern": "^[A-Z]{3}$" },
            "risk": {
                "bsonType": "object",
                "required": ["decision", "source"],
                "properties": {
                    "decision": { "enum": [ACCEPTED] },
                    "source": { "enum": RiskSource::ALL.map(RiskSource::name).to_vec() },
                    "review": { "enum": Verdict::ALL.map(review_name).to_vec() },
                },
            },
            "version": { "bsonType": "long", "minimum": 1 },
            "createdAt": { "bsonType": "date" },
            "expiresAt": { "bsonType": "date" },
            "paidAt": { "bsonType": "date" },
            "cancelledAt": { "bsonType": "date" },
            "idempotencyKey": { "bsonType": "string", "minLength": 1, "maxLength": 255 },
            "fingerprint": { "bsonType": "binData" },
            "requestId": { "bsonType": "string" },
            "payment": attempt,
            "refundDue": { "enum": [true] },
            "followUpAt": { "bsonType": "date" },
            "reviewAt": { "bsonType": "date" },
        },
    }
}

/// The migrations of this service's schema. The stock ledger's collections belong to the inventory service.
pub(crate) fn migrations() -> &'static [Migration] {
    static ALL: LazyLock<Vec<Migration>> =
        LazyLock::new(|| [ORDER, mongo::idempotency::MIGRATIONS, messaging::MIGRATIONS].concat());
    &ALL
}
