//! Idempotency records: the answer to a keyed request, written in the transaction of its effect and kept for 48 hours.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::FutureExt as _;
use idempotency::{Answer, Conflict, Fingerprint, ScopedKey, key_reused};
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
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

/// What of a record tells whether an answer may be recorded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    #[serde(rename = "_id")]
    id: String,
    /// The requests that a fence keeps out; none in an answer.
    #[serde(default)]
    refused_requests: Option<Vec<String>>,
}

/// The most requests that a fence keeps out.
const MAX_REFUSED: usize = 32;
/// How often a fence is tried again that loses a race against another holder of the key.
const MAX_FENCE_ATTEMPTS: usize = 3;

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
        let filter = doc! { "_id": key.id(), "answer": { "$exists": true } };
        let found = bounded(deadline, |left| self.records.find_one(filter).max_time(left)).await?;
        match found {
            Some(record) if record.fingerprint.bytes != key.fingerprint() => Err(key_reused()),
            Some(record) => Ok(Some(Answer { value: record.answer, replay_of: Some(record.request_id) })),
            None => Ok(None),
        }
    }

    /// Makes it impossible that an earlier attempt of this request takes effect: its transaction can't record an answer
    /// any more. Once this returns `None`, a majority has the fence; an answer that was recorded before is given
    /// instead.
    ///
    /// A transaction that is recording an answer at this moment holds the key: the write waits until that has ended.
    ///
    /// # Errors
    /// As [`Records::find`]; `UNAVAILABLE` when the key changes hands all the time or has too many refusals.
    pub async fn fence(
        &self,
        key: &ScopedKey,
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Option<Answer<A>>, envelope::Error> {
        let last = format!("refusedRequests.{}", MAX_REFUSED - 1);
        let filter = doc! { "_id": key.id(), "answer": { "$exists": false }, last: { "$exists": false } };
        let update = doc! {
            "$addToSet": { "refusedRequests": request_id },
            "$set": { "expiresAt": expiry() },
            "$setOnInsert": { "fingerprint": to_binary(key.fingerprint()), "requestId": request_id },
        };
        for _ in 0..MAX_FENCE_ATTEMPTS {
            let upsert = |_| self.records.update_one(filter.clone(), update.clone()).upsert(true);
            match bounded(deadline, upsert).await {
                Ok(_) => return Ok(None),
                Err(crate::Error::Failed(error)) if duplicate_key_index(&error).is_some() => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(answer) = self.find(key, deadline).await? {
                return Ok(Some(answer));
            }
        }
        Err(envelope::Error::new(envelope::Reason::Unavailable, "the outcome of an earlier attempt is still open"))
    }

    /// Those of the keys, each with its request, that have an answer or are fenced against the request, in the caller's
    /// transaction.
    pub async fn closed<'a>(
        &self,
        session: &mut ClientSession,
        keys: impl IntoIterator<Item = (&'a ScopedKey, &'a str)>,
    ) -> mongodb::error::Result<HashSet<ScopedKey>> {
        let by_id: HashMap<_, _> = keys.into_iter().map(|(key, request)| (key.id(), (key, request))).collect();
        if by_id.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<_> = by_id.keys().copied().collect();
        let holders = self.records.clone_with_type::<Holder>();
        let wanted = doc! { "refusedRequests": 1 };
        let mut cursor = holders.find(doc! { "_id": { "$in": ids } }).projection(wanted).session(&mut *session).await?;
        let mut closed = HashSet::new();
        while let Some(found) = cursor.next(session).await.transpose()? {
            let Some((key, request)) = by_id.get(found.id.as_str()) else { continue };
            if found.refused_requests.is_none_or(|refused| refused.iter().any(|id| id == request)) {
                closed.insert((*key).clone());
            }
        }
        Ok(closed)
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
        let replaced = self.records.replace_one(replaceable(key, request_id), record).upsert(true);
        match replaced.session(session).await {
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
        if let [keyed] = answers {
            let replaced = self.records.replace_one(replaceable(&keyed.key, &keyed.request_id), record(keyed));
            return replaced.upsert(true).session(session).await.map(drop);
        }
        // Two round trips, however many they are.
        let fences: Vec<_> = answers.iter().map(|keyed| replaceable(&keyed.key, &keyed.request_id)).collect();
        self.records.delete_many(doc! { "$or": fences }).session(&mut *session).await?;
        self.records.insert_many(answers.iter().map(record)).session(session).await.map(drop)
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
            expires_at: expiry(),
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

/// Matches no record or a fence against other requests: an upsert of an answer fails as a duplicate for all else.
fn replaceable(key: &ScopedKey, request_id: &str) -> Document {
    doc! { "_id": key.id(), "answer": { "$exists": false }, "refusedRequests": { "$ne": request_id } }
}

fn expiry() -> DateTime {
    let retention_ms = i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_millis(DateTime::now().timestamp_millis().saturating_add(retention_ms))
}

/// The schema of the records; every service that keeps some lists it among its migrations.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        component: "idempotency",
        version: 1,
        name: "idempotency keys with their time to live",
        up: |database| {
            async move {
                schema::collection(database, COLLECTION, record_schema()).await?;
                schema::indexes(database, COLLECTION, [schema::ttl("ttl", "expiresAt")]).await
            }
            .boxed()
        },
    },
    Migration {
        component: "idempotency",
        version: 2,
        name: "fences against requests that were refused",
        up: |database| async move { schema::collection(database, COLLECTION, record_schema()).await }.boxed(),
    },
];

/// A record is an answer or a fence.
fn record_schema() -> Document {
    doc! {
        "bsonType": "object",
        "required": ["_id", "fingerprint", "requestId", "expiresAt"],
        "anyOf": [{ "required": ["answer"] }, { "required": ["refusedRequests"] }],
        "properties": {
            "_id": { "bsonType": "string" },
            "fingerprint": { "bsonType": "binData" },
            "requestId": { "bsonType": "string" },
            "refusedRequests": { "bsonType": "array", "items": { "bsonType": "string" } },
            "expiresAt": { "bsonType": "date" },
        },
    }
}
