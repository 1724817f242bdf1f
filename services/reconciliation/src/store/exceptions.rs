//! What runs have found.

use futures::TryStreamExt as _;
use jiff::Timestamp;
use mongo::{ConvertError, Db, Policy, bounded, from_bson_time, to_bson_time};
use mongodb::Collection;
use mongodb::bson::{self, DateTime, doc};
use primitives::RunId;
use serde::{Deserialize, Serialize};
use service::Deadline;

use super::names::EXCEPTIONS;
use super::run_document::run_key;
use crate::domain::{Difference, Exception, ExceptionHistories, ExceptionKey, Finding, Healing, Run};

/// The most exceptions of a command.
const CHUNK: usize = 1_000;

/// The exceptions of runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Exceptions {
    exceptions: Collection<ExceptionDocument>,
    /// As administrators read them.
    shown: Collection<ExceptionDocument>,
}

impl Exceptions {
    pub(crate) fn new(db: &Db) -> Self {
        Self { exceptions: db.collection(Policy::Ledger, EXCEPTIONS), shown: db.collection(Policy::Shown, EXCEPTIONS) }
    }

    /// What runs have found since `since` of the same differences.
    pub(crate) async fn histories(
        &self,
        findings: &[Finding],
        since: Timestamp,
        deadline: Deadline,
    ) -> Result<ExceptionHistories, mongo::Error> {
        let mut histories = ExceptionHistories::default();
        for chunk in findings.chunks(CHUNK) {
            let subjects: Vec<_> = chunk.iter().map(|finding| finding.subject.as_str()).collect();
            let filter = doc! { "subject": { "$in": subjects }, "seenAt": { "$gte": to_bson_time(since) } };
            let cursor = bounded(deadline, |left| self.exceptions.find(filter).max_time(left)).await?;
            let found: Vec<ExceptionDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
            for document in found {
                let first_seen_at = from_bson_time(document.first_seen_at)?;
                let healed = document.healing.is_some_and(|healing| healing.done);
                histories.add((document.kind, document.subject), first_seen_at, healed);
            }
        }
        Ok(histories)
    }

    /// Keeps what a run has found.
    pub(crate) async fn keep(
        &self,
        run: RunId,
        exceptions: &[Exception],
        deadline: Deadline,
    ) -> Result<(), mongo::Error> {
        let now = primitives::now();
        for chunk in exceptions.chunks(CHUNK) {
            let documents = chunk.iter().map(|exception| ExceptionDocument::new(run, exception, now));
            bounded(deadline, |_| self.exceptions.insert_many(documents)).await?;
        }
        Ok(())
    }

    /// Up to `limit` exceptions of a run after `after`, by kind and subject. Without a primary they are read from a
    /// secondary.
    pub(crate) async fn list(
        &self,
        run: RunId,
        after: Option<ExceptionKey>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Exception>, mongo::Error> {
        let mut filter = doc! { "runId": run_key(run) };
        if let Some((kind, subject)) = after {
            let same_kind = doc! { "kind": &kind, "subject": { "$gt": subject } };
            filter.insert("$or", [doc! { "kind": { "$gt": kind } }, same_kind].to_vec());
        }
        let order = doc! { "runId": 1, "kind": 1, "subject": 1 };
        let find = |left| self.shown.find(filter).sort(order).limit(i64::from(limit)).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let found: Vec<ExceptionDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(found.into_iter().map(Exception::try_from).collect::<Result<_, _>>()?)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExceptionDocument {
    run_id: bson::Uuid,
    kind: String,
    subject: String,
    expected: String,
    found: String,
    first_seen_at: DateTime,
    seen_at: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    healing: Option<HealingDocument>,
    forget_at: DateTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct HealingDocument {
    action: String,
    at: DateTime,
    done: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl ExceptionDocument {
    fn new(run: RunId, exception: &Exception, now: Timestamp) -> Self {
        let finding = &exception.finding;
        Self {
            run_id: run_key(run),
            kind: finding.difference.name().to_owned(),
            subject: finding.subject.clone(),
            expected: finding.expected.clone(),
            found: finding.found.clone(),
            first_seen_at: to_bson_time(exception.first_seen_at),
            seen_at: to_bson_time(now),
            healing: exception.healing.as_ref().map(|healing| HealingDocument {
                action: healing.action.clone(),
                at: to_bson_time(healing.at),
                done: healing.done,
                failure: healing.failure.clone(),
            }),
            forget_at: to_bson_time(now + Run::RETENTION),
        }
    }
}

impl TryFrom<ExceptionDocument> for Exception {
    type Error = ConvertError;

    fn try_from(document: ExceptionDocument) -> Result<Self, ConvertError> {
        let difference = Difference::from_name(&document.kind);
        let healing = document.healing.map(|stored| {
            let at = from_bson_time(stored.at)?;
            Ok(Healing { action: stored.action, at, done: stored.done, failure: stored.failure })
        });
        Ok(Self {
            finding: Finding {
                difference: difference.ok_or(ConvertError { what: "exception" })?,
                subject: document.subject,
                expected: document.expected,
                found: document.found,
                // The remedy that was tried is in the healing.
                remedy: None,
            },
            first_seen_at: from_bson_time(document.first_seen_at)?,
            healing: healing.transpose()?,
        })
    }
}
