//! The collections of users and sessions, their validators and their indexes. Queries that no index here names go by
//! `_id`.

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::schema;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use super::{LOGIN_AUDIT, LOGIN_THROTTLE, REFRESH_TOKENS, SESSIONS, USERS};

/// The unique index that decides whether an email is taken.
pub(super) const BY_EMAIL: &str = "by_email";

/// The schema of this service.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { component: "user", version: 1, name: "users", up: |database| users(database).boxed() },
    Migration {
        component: "user",
        version: 2,
        name: "sessions and refresh tokens",
        up: |database| sessions(database).boxed(),
    },
    Migration {
        component: "user",
        version: 3,
        name: "login counters and login audit",
        up: |database| logins(database).boxed(),
    },
];

async fn users(database: &Database) -> mongodb::error::Result<()> {
    let users = object(
        &["_id", "name", "email", "emailKey", "passwordHash", "role", "version", "createdAt"],
        doc! {
            "_id": { "bsonType": "binData" },
            "name": { "bsonType": "string", "minLength": 2, "maxLength": 100 },
            "email": { "bsonType": "string", "minLength": 3, "maxLength": 254 },
            // The email in lower case: what users are found and kept apart by.
            "emailKey": { "bsonType": "string", "minLength": 3, "maxLength": 254 },
            "passwordHash": { "bsonType": "string", "pattern": r"^\$argon2id\$" },
            "role": { "enum": ["customer", "admin"] },
            "version": { "bsonType": "long", "minimum": 1 },
            "createdAt": { "bsonType": "date" },
        },
    );
    schema::collection(database, USERS, users).await?;
    schema::indexes(database, USERS, [schema::unique(BY_EMAIL, doc! { "emailKey": 1 })]).await
}

async fn sessions(database: &Database) -> mongodb::error::Result<()> {
    let sessions = object(
        &["_id", "userId", "createdAt", "expiresAt"],
        doc! {
            "_id": { "bsonType": "binData" },
            "userId": { "bsonType": "binData" },
            "createdAt": { "bsonType": "date" },
            "expiresAt": { "bsonType": "date" },
            "endedAt": { "bsonType": "date" },
            "endReason": { "enum": ["logout", "token_reuse"] },
        },
    );
    schema::collection(database, SESSIONS, sessions).await?;
    schema::indexes(database, SESSIONS, [schema::ttl("ttl", "expiresAt")]).await?;
    let refresh_tokens = object(
        &["_id", "sessionId", "userId", "createdAt", "expiresAt"],
        doc! {
            "_id": { "bsonType": "binData" },
            "sessionId": { "bsonType": "binData" },
            "userId": { "bsonType": "binData" },
            "createdAt": { "bsonType": "date" },
            "expiresAt": { "bsonType": "date" },
            "usedAt": { "bsonType": "date" },
        },
    );
    schema::collection(database, REFRESH_TOKENS, refresh_tokens).await?;
    schema::indexes(database, REFRESH_TOKENS, [schema::ttl("ttl", "expiresAt")]).await
}

async fn logins(database: &Database) -> mongodb::error::Result<()> {
    let throttle = object(
        &["_id", "attempts", "lastAttemptAt", "expiresAt"],
        doc! {
            "_id": { "bsonType": "string" },
            "attempts": { "bsonType": "long", "minimum": 0 },
            "lastAttemptAt": { "bsonType": "date" },
            "expiresAt": { "bsonType": "date" },
        },
    );
    schema::collection(database, LOGIN_THROTTLE, throttle).await?;
    schema::indexes(database, LOGIN_THROTTLE, [schema::ttl("ttl", "expiresAt")]).await?;
    let audit = object(
        &["_id", "at", "outcome", "account", "requestId", "expiresAt"],
        doc! {
            "_id": { "bsonType": "objectId" },
            "at": { "bsonType": "date" },
            "outcome": { "enum": ["succeeded", "bad_credentials", "throttled"] },
            "account": { "bsonType": "string", "minLength": 64, "maxLength": 64 },
            "address": { "bsonType": "string" },
            "userId": { "bsonType": "binData" },
            "requestId": { "bsonType": "string", "maxLength": 128 },
            "expiresAt": { "bsonType": "date" },
        },
    );
    schema::collection(database, LOGIN_AUDIT, audit).await?;
    schema::indexes(database, LOGIN_AUDIT, [schema::ttl("ttl", "expiresAt")]).await
}

fn object(required: &[&str], properties: Document) -> Document {
    doc! { "bsonType": "object", "required": required, "additionalProperties": false, "properties": properties }
}
