//! Counts of orders: a document for each subject, step of time and counter.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use mongo::{ConvertError, bounded, from_bson_time, to_bson_time};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::Error as DriverError;
use service::Deadline;

use super::documents::{CountDocument, CountId};
use super::{COUNTS, Store};
use crate::domain::{Bucket, Counter, Entry, Subject, bucket_end};

/// The maximum number of counts in a page.
const PAGE: usize = 5_000;
/// How long a count is kept after the end of its step and its last change: twice the longest window.
const KEPT: std::time::Duration = std::time::Duration::from_secs(7_200);

/// A page of counts.
#[derive(Debug)]
pub(crate) struct CountPage {
    pub(crate) entries: Vec<Entry>,
    /// The database's time of the last count.
    pub(crate) last: Option<Timestamp>,
    pub(crate) is_full: bool,
}

impl Store {
    /// The counts that counters other than `ours` have written since a time of the database, sorted by that time.
    pub(crate) async fn counts_since(
        &self,
        since: Timestamp,
        ours: Counter,
        deadline: Deadline,
    ) -> Result<CountPage, mongo::Error> {
        let filter = doc! { "at": { "$gte": to_bson_time(since) }, "_id.counter": { "$ne": ours.0 } };
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let find = |left| self.counts.find(filter).sort(doc! { "at": 1 }).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let found: Vec<CountDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
        let last = found.last().map(|last| from_bson_time(last.at)).transpose()?;
        let is_full = found.len() >= PAGE;
        let entries = found.into_iter().map(Entry::try_from).collect::<Result<_, ConvertError>>()?;
        Ok(CountPage { entries, last, is_full })
    }

    /// Writes the counts of this process. Idempotent; an older count that is written later changes nothing.
    pub(crate) async fn write_counts(&self, entries: &[Entry], deadline: Deadline) -> Result<(), mongo::Error> {
        let updates: Vec<_> = entries.iter().map(|entry| update(entry, "$max")).collect();
        let command = doc! { "update": COUNTS, "updates": updates, "ordered": false };
        let reply = bounded(deadline, |_| self.db.database().run_command(command)).await?;
        check(&reply).map_err(mongo::Error::from)
    }

    /// The counts of all counters for each subject in a span of steps, both ends included.
    pub(super) async fn counts_of(
        &self,
        session: &mut ClientSession,
        spans: &HashMap<Subject, (Bucket, Bucket)>,
    ) -> Result<Vec<Entry>, DriverError> {
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let ranges: Vec<_> = spans
            .iter()
            .map(|(subject, (first, last))| {
                let (subject, end) = (subject.to_string(), last.saturating_add(1));
                let first = doc! { "subject": &subject, "bucket": *first };
                doc! { "_id": { "$gte": first, "$lt": { "subject": subject, "bucket": end } } }
            })
            .collect();
        let mut cursor = self.counts.find(doc! { "$or": ranges }).session(&mut *session).await?;
        let found: Vec<CountDocument> = cursor.stream(session).try_collect().await?;
        found.into_iter().map(Entry::try_from).collect::<Result<_, _>>().map_err(DriverError::custom)
    }

    /// Adds to stored counts.
    pub(super) async fn add_counts(&self, session: &mut ClientSession, entries: &[Entry]) -> Result<(), DriverError> {
        if entries.is_empty() {
            return Ok(());
        }
        let updates: Vec<_> = entries.iter().map(|entry| update(entry, "$inc")).collect();
        let command = doc! { "update": COUNTS, "updates": updates };
        let reply = self.db.database().run_command(command).session(session).await?;
        check(&reply)
    }
}

fn update(entry: &Entry, operator: &str) -> Document {
    let forget_at = primitives::now().max(bucket_end(entry.bucket)) + KEPT;
    let id = CountId::from(entry);
    doc! {
        "q": { "_id": { "subject": id.subject, "bucket": id.bucket, "counter": id.counter } },
        "u": {
            operator: { "count": i64::from(entry.count) },
            "$set": { "forgetAt": to_bson_time(forget_at) },
            "$currentDate": { "at": true },
        },
        "upsert": true,
    }
}

/// The reply of a command that succeeded may still report single writes that failed.
pub(super) fn check(reply: &Document) -> Result<(), DriverError> {
    match reply.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
        Some(first) => Err(DriverError::custom(format!("a write of the command failed: {first}"))),
        None => Ok(()),
    }
}
