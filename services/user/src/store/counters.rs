//! The `login_throttle` collection: counters of login attempts by account and by address, in fixed windows. Times are
//! the database's, so that all replicas see the same windows.

use std::time::Duration;

use mongo::{ConvertError, Db, Policy, bounded};
use mongodb::Collection;
use mongodb::bson::{DateTime, doc};
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};
use service::Deadline;

use super::LOGIN_THROTTLE;
use crate::domain::CounterKey;

/// The counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LoginCounters {
    counters: Collection<CounterDocument>,
}

/// A counted attempt.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    key: CounterKey,
    window_end: DateTime,
    /// Its number in the window, from 1.
    pub(crate) number: u64,
    /// The rest of the window after this attempt.
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

    /// Counts an attempt, in a new window when the last one is over.
    pub(crate) async fn count(
        &self,
        key: CounterKey,
        window: Duration,
        deadline: Deadline,
    ) -> Result<Attempt, mongo::Error> {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        // True for a new document too: a missing field sorts before every date.
        let over = doc! { "$lte": ["$expiresAt", "$$NOW"] };
        let count = vec![doc! { "$set": {
            "attempts": { "$cond": [&over, 1_i64, { "$add": ["$attempts", 1_i64] }] },
            "expiresAt": { "$cond": [&over, { "$add": ["$$NOW", window_ms] }, "$expiresAt"] },
            "lastAttemptAt": "$$NOW",
        } }];
        let counter = bounded(deadline, |left| {
            self.counters
                .find_one_and_update(doc! { "_id": key.as_str() }, count)
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

    /// Takes an attempt back, unless its window is over.
    pub(crate) async fn take_back(&self, attempt: &Attempt, deadline: Deadline) -> Result<(), mongo::Error> {
        let same_window =
            doc! { "_id": attempt.key.as_str(), "expiresAt": attempt.window_end, "attempts": { "$gt": 0_i64 } };
        let take_back = doc! { "$inc": { "attempts": -1_i64 } };
        bounded(deadline, |_| self.counters.update_one(same_window, take_back)).await?;
        Ok(())
    }

    /// Deletes the counter of an attempt, with all attempts in it.
    pub(crate) async fn forget(&self, attempt: &Attempt, deadline: Deadline) -> Result<(), mongo::Error> {
        let counter = doc! { "_id": attempt.key.as_str() };
        bounded(deadline, |_| self.counters.delete_one(counter)).await?;
        Ok(())
    }
}
