//! Idempotency records: the answer to a keyed request, written in the transaction of its effect and kept for 48 hours.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::FutureExt as _;
use idempotency::{Answer, Conflict, Fingerprint, ScopedKey, key_reused};
use mongodb::bson::{Binary, DateTime, doc, spec::BinarySubtype};
use mongodb::{ClientSession, Collection};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service::Deadline;

use crate::error::{duplicate_key_index, is_write_conflict};
use crate::migration::Migration;
use crate::{Abort, Db, Policy, bounded, schema};

const COLLECTION: &str = "idempotency_keys";
/// How long a record is kept; the API promises at least 24 hours.
const RETENTION: Duration = Duration::from_secs(48 * 60 * 60);

/// The records with answers of type `A`, a document of the store that uses them.
#[derive(Debug, Clone)]
pub struct Records<A: Send + Sync> {
    records: Collection<Record<A>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<A> {
    #[serde(rename = "_id")]
    id: String,
    fingerprint: Binary,
    request_id: String,
    answer: A,
    expires_at: DateTime,
}

#[derive(Debug, Deserialize)]
struct RecordId {
    #[serde(rename = "_id")]
    id: String,
}

impl<A: Serialize + DeserializeOwned + Clone + Send + Sync> Records<A> {
    /// The records in a database.
    pub fn new(db: &Db) -> Self {
        Self { records: db.collection(Policy::Ledger, COLLECTION) }
    }

    /// The stored answer for this key, if any.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` if the key was used with another request.
    pub async fn find(&self, key: &ScopedKey, deadline: Deadline) -> Result<Option<Answer<A>>, envelope::Error> {
        let filter = doc! { "_id": key.id() };
        let found = bounded(deadline, |left| self.records.find_one(filter).max_time(left)).await?;
        match found {
            Some(record) if record.fingerprint.bytes != key.fingerprint() => Err(key_reused()),
            Some(record) => Ok(Some(Answer { value: record.answer, replay_of: Some(record.request_id) })),
            None => Ok(None),
        }
    }

    /// The keys that have a record, read in the caller's transaction.
    pub async fn existing<'a>(
        &self,
        session: &mut ClientSession,
        keys: impl IntoIterator<Item = &'a ScopedKey>,
    ) -> mongodb::error::Result<HashSet<ScopedKey>> {
        let by_id: HashMap<_, _> = keys.into_iter().map(|key| (key.id(), key)).collect();
        if by_id.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<_> = by_id.keys().copied().collect();
        let only_id = self.records.clone_with_type::<RecordId>();
        let mut cursor =
            only_id.find(doc! { "_id": { "$in": ids } }).projection(doc! { "_id": 1 }).session(&mut *session).await?;
        let mut existing = HashSet::new();
        while let Some(found) = cursor.next(session).await.transpose()? {
            existing.extend(by_id.get(found.id.as_str()).map(|key| (*key).clone()));
        }
        Ok(existing)
    }

    /// Writes the answer in the transaction of its effect. Call this first in the transaction, so that a conflict can
    /// only come from a concurrent duplicate.
    pub async fn record<R: From<Conflict>>(
        &self,
        session: &mut ClientSession,
        key: &ScopedKey,
        request_id: &str,
        answer: &A,
    ) -> Result<(), Abort<R>> {
        let record = Record::new(key, request_id, answer.clone());
        match self.records.insert_one(record).session(session).await {
            Ok(_) => Ok(()),
            Err(error) => Err(conflict_or(error)),
        }
    }

    /// Writes several answers in the transaction of their effects. A concurrent duplicate of one of them fails all,
    /// with a duplicate key or a write conflict.
    pub async fn record_all(
        &self,
        session: &mut ClientSession,
        answers: &[KeyedAnswer<A>],
    ) -> mongodb::error::Result<()> {
        if answers.is_empty() {
            return Ok(());
        }
        let record = |keyed: &KeyedAnswer<A>| Record::new(&keyed.key, &keyed.request_id, keyed.answer.clone());
        self.records.insert_many(answers.iter().map(record)).session(session).await?;
        Ok(())
    }
}

/// An answer to be stored.
#[derive(Debug, Clone)]
pub struct KeyedAnswer<A> {
    /// The key of the request.
    pub key: ScopedKey,
    /// The id of the request.
    pub request_id: String,
    /// The answer.
    pub answer: A,
}

impl<A> Record<A> {
    fn new(key: &ScopedKey, request_id: &str, answer: A) -> Self {
        Self {
            id: key.id().to_owned(),
            fingerprint: to_binary(key.fingerprint()),
            request_id: request_id.to_owned(),
            answer,
            expires_at: DateTime::from_millis(DateTime::now().timestamp_millis() + retention_ms()),
        }
    }
}

/// Maps a failed insert of the record to the conflict that it means.
fn conflict_or<R: From<Conflict>>(error: mongodb::error::Error) -> Abort<R> {
    if is_write_conflict(&error) {
        Abort::Refused(Conflict::InFlight.into())
    } else if duplicate_key_index(&error).is_some() {
        Abort::Refused(Conflict::Finished.into())
    } else {
        Abort::Driver(error)
    }
}

/// A fingerprint as BSON.
pub fn to_binary(fingerprint: &Fingerprint) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: fingerprint.to_vec() }
}

fn retention_ms() -> i64 {
    i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX)
}

/// The schema of the records, for the migrations of every service that stores them.
pub const MIGRATIONS: &[Migration] = &[Migration {
    component: "idempotency",
    version: 1,
    name: "idempotency keys with their time to live",
    up: |database| {
        async move {
            let schema = doc! {
                "bsonType": "object",
                "required": ["_id", "fingerprint", "requestId", "answer", "expiresAt"],
                "properties": {
                    "_id": { "bsonType": "string" },
                    "fingerprint": { "bsonType": "binData" },
                    "requestId": { "bsonType": "string" },
                    "expiresAt": { "bsonType": "date" },
                },
            };
            schema::collection(database, COLLECTION, schema).await?;
            schema::indexes(database, COLLECTION, [schema::ttl("ttl", "expiresAt")]).await
        }
        .boxed()
    },
}];
