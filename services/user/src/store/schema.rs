//! Collections, validators and indexes. Queries that use none of these indexes go by `_id`. Lists of values come from
//! the types: a new value needs a migration that applies them again.

use futures::FutureExt as _;
use mongo::migration::Migration;
use mongo::{Db, schema};
use mongodb::Database;
use mongodb::bson::{Document, doc};
use service::{Deadline, Role};

use super::{LOGIN_AUDIT, LOGIN_THROTTLE, REFRESH_TOKENS, SESSIONS, USERS};
use crate::domain::{EndReason, LoginOutcome};

/// The unique index that keeps two users from having one email.
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

/// The schema as the database has it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    db: Db,
}

impl Schema {
    /// The schema of a database.
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The name of the first migration that has not been applied, if any.
    pub(crate) async fn missing(&self, deadline: Deadline) -> Result<Option<&'static str>, mongo::Error> {
        let pending = mongo::migration::pending(&self.db, MIGRATIONS, deadline).await?;
        Ok(pending.first().map(|migration| migration.name))
    }
}

async fn users(database: &Database) -> mongodb::error::Result<()> {
    let users = object(
        &["_id", "name", "email", "emailKey", "passwordHash", "role", "version", "createdAt"],
        doc! {
            "_id": { "bsonType": "binData" },
            "name": { "bsonType": "string", "minLength": 2, "maxLength": 100 },
            "email": { "bsonType": "string", "minLength": 3, "maxLength": 254 },
            // The email in lower case, by which users are found and kept unique.
            "emailKey": { "bsonType": "string", "minLength": 3, "maxLength": 254 },
            "passwordHash": { "bsonType": "string", "pattern": r"^\$argon2id\$" },
            "role": { "enum": [Role::Customer.name(), Role::Admin.name()] },
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
            "endReason": { "enum": EndReason::ALL.map(EndReason::name).as_slice() },
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
            "outcome": { "enum": LoginOutcome::ALL.map(LoginOutcome::name).as_slice() },
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
