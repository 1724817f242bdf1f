//! The `login_throttle` collection: one counter for each account and each address that tried to log in, by fixed
//! windows. Times are the database's, so that all replicas see the same windows.

use std::time::Duration;

use mongo::{ConvertError, Db, Policy, bounded};
use mongodb::Collection;
use mongodb::bson::{DateTime, doc};
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};
use service::Deadline;

use super::LOGIN_THROTTLE;

/// The counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LoginCounters {
    counters: Collection<CounterDocument>,
}

/// A try as it was counted.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    key: String,
    window_end: DateTime,
    /// Which try of its window it is, from 1.
    pub(crate) number: u64,
    /// How long the window lasts from this try on.
    pub(crate) window_rest: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CounterDocument {
    #[serde(rename = "_id")]
    key: String,
    attempts: i64,
    last_attempt_at: DateTime,
    /// The end of the window.
    expires_at: DateTime,
}

impl LoginCounters {
    pub(crate) fn new(db: &Db) -> Self {
        Self { counters: db.collection(Policy::Ledger, LOGIN_THROTTLE) }
    }

    /// Counts a try, in a new window when the last one is over.
    pub(crate) async fn count(
        &self,
        key: String,
        window: Duration,
        deadline: Deadline,
    ) -> Result<Attempt, mongo::Error> {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        // True for a new document too: what is missing sorts before every date.
        let over = doc! { "$lte": ["$expiresAt", "$$NOW"] };
        let count = vec![doc! { "$set": {
            "attempts": { "$cond": [&over, 1_i64, { "$add": ["$attempts", 1_i64] }] },
            "expiresAt": { "$cond": [&over, { "$add": ["$$NOW", window_ms] }, "$expiresAt"] },
            "lastAttemptAt": "$$NOW",
        } }];
        let counter = bounded(deadline, |left| {
            self.counters
                .find_one_and_update(doc! { "_id": &key }, count)
                .upsert(true)
                .return_document(ReturnDocument::After)
                .max_time(left)
        })
        .await?
        .ok_or(ConvertError { what: "login counter" })?;
        let rest_ms = counter.expires_at.timestamp_millis() - counter.last_attempt_at.timestamp_millis();
        Ok(Attempt {
            key,
            window_end: counter.expires_at,
            number: mongo::to_u64("login counter", counter.attempts)?,
            window_rest: Duration::from_millis(mongo::to_u64("login window", rest_ms)?),
        })
    }

    /// Takes a try back, unless its window is over.
    pub(crate) async fn take_back(&self, attempt: &Attempt, deadline: Deadline) -> Result<(), mongo::Error> {
        let same_window = doc! { "_id": &attempt.key, "expiresAt": attempt.window_end, "attempts": { "$gt": 0_i64 } };
        let take_back = doc! { "$inc": { "attempts": -1_i64 } };
        bounded(deadline, |_| self.counters.update_one(same_window, take_back)).await?;
        Ok(())
    }

    /// Forgets all tries that were counted where this one was.
    pub(crate) async fn forget(&self, attempt: &Attempt, deadline: Deadline) -> Result<(), mongo::Error> {
        let counter = doc! { "_id": &attempt.key };
        bounded(deadline, |_| self.counters.delete_one(counter)).await?;
        Ok(())
    }
}
