//! A snapshot of the database, and its collections as sorted streams.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::{ClientSession, Collection, Database, SessionCursor};
use serde::Deserialize;

use crate::documents::Stored;
use crate::error::VerifyError;
use crate::findings::{Difference, Differences};

/// Documents per batch of a cursor.
const BATCH: u32 = 1_000;

/// A snapshot of the database: everything that is read through it is as of one moment.
pub(crate) struct Cut {
    database: Database,
    session: ClientSession,
    unreadable: Differences,
}

impl Cut {
    /// Starts a session; its first query decides the moment.
    pub(crate) async fn open(database: &Database) -> Result<Self, VerifyError> {
        let session = database.client().start_session().snapshot(true).await?;
        Ok(Self { database: database.clone(), session, unreadable: Differences::default() })
    }

    /// The moment of the snapshot; `None` before the first query.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        let seconds = self.session.snapshot_time()?.time;
        Timestamp::from_second(i64::from(seconds)).ok()
    }

    /// The documents that could not be read; the other checks leave them out.
    pub(crate) fn unreadable(&mut self) -> Differences {
        std::mem::take(&mut self.unreadable)
    }

    /// Runs a pipeline, whose results must be sorted by the key of `T`.
    pub(crate) async fn stream<T: Stored>(&mut self, pipeline: Vec<Document>) -> Result<Sorted<T>, VerifyError> {
        let collection = self.collection::<T>();
        let cursor = collection
            .aggregate(pipeline)
            .session(&mut self.session)
            .with_type::<RawDocumentBuf>()
            .allow_disk_use(true)
            .batch_size(BATCH)
            .await?;
        let mut sorted = Sorted { cursor, head: None };
        sorted.advance(self).await?;
        Ok(sorted)
    }

    /// Counts documents by their `status`.
    pub(crate) async fn count_by_status<T: Stored>(&mut self) -> Result<BTreeMap<String, u64>, VerifyError> {
        #[derive(Deserialize)]
        struct Group {
            #[serde(rename = "_id")]
            status: Option<String>,
            number: i32,
        }
        let collection = self.collection::<T>();
        let pipeline = [doc! { "$group": { "_id": "$status", "number": { "$sum": 1 } } }];
        let groups = collection.aggregate(pipeline).session(&mut self.session).with_type::<Group>();
        let mut groups = groups.allow_disk_use(true).await?;
        let mut counts = BTreeMap::new();
        while let Some(Group { status, number }) = groups.next(&mut self.session).await.transpose()? {
            counts.insert(status.unwrap_or_default(), u64::try_from(number).unwrap_or_default());
        }
        Ok(counts)
    }

    fn collection<T: Stored>(&self) -> Collection<RawDocumentBuf> {
        #[allow(clippy::disallowed_methods)]
        // the snapshot session sets the read concern, and nothing is written
        self.database.collection(T::COLLECTION)
    }
}

/// Documents in order of their key.
pub(crate) struct Sorted<T> {
    cursor: SessionCursor<RawDocumentBuf>,
    head: Option<T>,
}

impl<T: Stored> Sorted<T> {
    /// The key of the next document.
    pub(crate) fn key(&self) -> Option<T::Key> {
        self.head.as_ref().map(T::key)
    }

    /// The next document, if it has this key.
    pub(crate) async fn next_of(&mut self, key: &T::Key, cut: &mut Cut) -> Result<Option<T>, VerifyError> {
        if self.key().as_ref() != Some(key) {
            return Ok(None);
        }
        let document = self.head.take();
        self.advance(cut).await?;
        Ok(document)
    }

    /// The documents with this key, at most `limit`; the others are skipped.
    pub(crate) async fn all_of(&mut self, key: &T::Key, limit: usize, cut: &mut Cut) -> Result<Vec<T>, VerifyError> {
        let mut documents = Vec::new();
        while let Some(document) = self.next_of(key, cut).await? {
            if documents.len() < limit {
                documents.push(document);
            }
        }
        Ok(documents)
    }

    async fn advance(&mut self, cut: &mut Cut) -> Result<(), VerifyError> {
        while self.cursor.advance(&mut cut.session).await? {
            let document = self.cursor.current();
            match mongodb::bson::deserialize_from_slice::<T>(document.as_bytes()) {
                Ok(document) => {
                    self.head = Some(document);
                    return Ok(());
                }
                Err(error) => {
                    let id = document.get("_id").ok().flatten();
                    let subject = format!("{} {id:?}", T::COLLECTION);
                    cut.unreadable.add(Difference::new(subject, "a document of the expected form", error));
                }
            }
        }
        Ok(())
    }
}

/// The lowest of the next keys of several streams, so that they can be merged.
pub(crate) fn lowest<K: Ord>(keys: impl IntoIterator<Item = Option<K>>) -> Option<K> {
    keys.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_merged_by_their_lowest_key_until_all_have_ended() {
        assert_eq!(lowest([Some(3), None, Some(2)]), Some(2));
        assert_eq!(lowest::<u8>([None, None]), None);
        // Documents that name no order come before all that do.
        assert_eq!(lowest([Some(Some(1)), Some(None)]), Some(None));
    }
}
