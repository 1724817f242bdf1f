//! Runs and what they found.

use std::collections::HashMap;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use mongo::{ConvertError, Db, Policy, bounded, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::Collection;
use mongodb::bson::{self, DateTime, doc};
use primitives::RunId;
use serde::{Deserialize, Serialize};
use service::Deadline;

use crate::domain::checks::{Difference, Finding};
use crate::domain::{Check, CheckResult, Exception, Healing, Run, RunKind, RunStatus};

pub(super) const RUNS: &str = "reconciliations";
pub(super) const EXCEPTIONS: &str = "reconciliation_exceptions";
pub(super) const PROGRESS: &str = "reconciliation_progress";
/// The one document of the progress.
const INCREMENTAL: &str = "incremental";
/// How many exceptions are written at once.
const CHUNK: usize = 1_000;
/// How long runs and what they found are kept.
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    runs: Collection<RunDocument>,
    shown: Collection<RunDocument>,
    exceptions: Collection<ExceptionDocument>,
    shown_exceptions: Collection<ExceptionDocument>,
    progress: Collection<ProgressDocument>,
}

/// Up to when what has changed was compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgressDocument {
    #[serde(rename = "_id")]
    id: String,
    compared_to: DateTime,
}

/// What is known of a difference that was seen before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) first_at: Timestamp,
    /// How often its remedy was accepted.
    pub(crate) healed: u32,
}

/// Where a list of exceptions goes on.
pub(crate) type ExceptionKey = (String, String);

impl Runs {
    pub(crate) fn new(db: &Db) -> Self {
        Self {
            runs: db.collection(Policy::Ledger, RUNS),
            shown: db.collection(Policy::Shown, RUNS),
            exceptions: db.collection(Policy::Ledger, EXCEPTIONS),
            shown_exceptions: db.collection(Policy::Shown, EXCEPTIONS),
            progress: db.collection(Policy::Ledger, PROGRESS),
        }
    }

    /// Writes a new run that waits to begin, unless one does: then it is that one.
    pub(crate) async fn request(&self, run: &Run, deadline: Deadline) -> Result<Run, mongo::Error> {
        let waiting = doc! { "status": RunStatus::Requested.name() };
        loop {
            if let Some(found) = bounded(deadline, |left| self.runs.find_one(waiting.clone()).max_time(left)).await? {
                return Ok(Run::try_from(found)?);
            }
            let document = RunDocument::try_from(run)?;
            match bounded(deadline, |_| self.runs.insert_one(document)).await {
                Ok(_) => return Ok(run.clone()),
                // Somebody else has just asked.
                Err(mongo::Error::Failed(error)) if mongo::duplicate_key_index(&error).is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a run as it is now.
    pub(crate) async fn save(&self, run: &Run, deadline: Deadline) -> Result<(), mongo::Error> {
        let document = RunDocument::try_from(run)?;
        let filter = doc! { "_id": key(run.id) };
        bounded(deadline, |_| self.runs.replace_one(filter, document).upsert(true)).await?;
        Ok(())
    }

    /// A run, to be looked at: without a primary it comes from a secondary.
    pub(crate) async fn find(&self, id: RunId, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        let filter = doc! { "_id": key(id) };
        let found = bounded(deadline, |left| self.shown.find_one(filter).max_time(left)).await?;
        Ok(found.map(Run::try_from).transpose()?)
    }

    /// Up to `limit` runs, newest first, older than `before`, to be looked at.
    pub(crate) async fn list(
        &self,
        before: Option<RunId>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Run>, mongo::Error> {
        let filter = before.map_or_else(bson::Document::new, |id| doc! { "_id": { "$lt": key(id) } });
        let limit = i64::from(limit);
        let find = |left| self.shown.find(filter).sort(doc! { "_id": -1 }).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let found: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(found.into_iter().map(Run::try_from).collect::<Result<_, _>>()?)
    }

    /// The run that has waited longest to begin.
    pub(crate) async fn next_requested(&self, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        self.first(doc! { "status": RunStatus::Requested.name() }, 1, deadline).await
    }

    /// Runs that somebody has left unfinished.
    pub(crate) async fn unfinished(&self, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        self.first(doc! { "status": RunStatus::Running.name() }, 1, deadline).await
    }

    /// The newest daily run.
    pub(crate) async fn last_daily(&self, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        self.first(doc! { "kind": RunKind::Daily.name() }, -1, deadline).await
    }

    /// When the newest run began that has compared everything.
    pub(crate) async fn last_complete(&self, deadline: Deadline) -> Result<Option<Timestamp>, mongo::Error> {
        let whole = [RunKind::Daily.name(), RunKind::OnDemand.name()].to_vec();
        let filter = doc! { "kind": { "$in": whole }, "status": RunStatus::Completed.name() };
        Ok(self.first(filter, -1, deadline).await?.and_then(|run| run.started_at))
    }

    /// Up to when what has changed was compared.
    pub(crate) async fn compared_to(&self, deadline: Deadline) -> Result<Option<Timestamp>, mongo::Error> {
        let filter = doc! { "_id": INCREMENTAL };
        let found = bounded(deadline, |left| self.progress.find_one(filter).max_time(left)).await?;
        Ok(found.map(|progress| from_bson_time(progress.compared_to)).transpose()?)
    }

    pub(crate) async fn set_compared_to(&self, to: Timestamp, deadline: Deadline) -> Result<(), mongo::Error> {
        let document = ProgressDocument { id: INCREMENTAL.to_owned(), compared_to: to_bson_time(to) };
        let filter = doc! { "_id": INCREMENTAL };
        bounded(deadline, |_| self.progress.replace_one(filter, document).upsert(true)).await?;
        Ok(())
    }

    async fn first(&self, filter: bson::Document, order: i32, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        let find = |left| self.runs.find_one(filter).sort(doc! { "_id": order }).max_time(left);
        Ok(bounded(deadline, find).await?.map(Run::try_from).transpose()?)
    }

    /// What is known of the differences of these findings that were seen since `since`.
    pub(crate) async fn seen_before(
        &self,
        findings: &[Finding],
        since: Timestamp,
        deadline: Deadline,
    ) -> Result<HashMap<ExceptionKey, Seen>, mongo::Error> {
        let mut seen = HashMap::new();
        for chunk in findings.chunks(CHUNK) {
            let subjects: Vec<_> = chunk.iter().map(|finding| finding.subject.as_str()).collect();
            let filter = doc! { "subject": { "$in": subjects }, "seenAt": { "$gte": to_bson_time(since) } };
            let cursor = bounded(deadline, |left| self.exceptions.find(filter).max_time(left)).await?;
            let found: Vec<ExceptionDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
            for document in found {
                let at = from_bson_time(document.first_seen_at)?;
                let healed = u32::from(document.healing.is_some_and(|healing| healing.done));
                let key = (document.kind, document.subject);
                let seen = seen.entry(key).or_insert(Seen { first_at: at, healed: 0 });
                seen.first_at = at.min(seen.first_at);
                seen.healed += healed;
            }
        }
        Ok(seen)
    }

    /// Keeps what a run found.
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

    /// Up to `limit` exceptions of a run, by kind and subject, after `after`, to be looked at.
    pub(crate) async fn exceptions(
        &self,
        run: RunId,
        after: Option<ExceptionKey>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Exception>, mongo::Error> {
        let mut filter = doc! { "runId": key(run) };
        if let Some((kind, subject)) = after {
            let same_kind = doc! { "kind": &kind, "subject": { "$gt": subject } };
            filter.insert("$or", [doc! { "kind": { "$gt": kind } }, same_kind].to_vec());
        }
        let order = doc! { "runId": 1, "kind": 1, "subject": 1 };
        let find = |left| self.shown_exceptions.find(filter).sort(order).limit(i64::from(limit)).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let found: Vec<ExceptionDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(found.into_iter().map(Exception::try_from).collect::<Result<_, _>>()?)
    }
}

fn key(id: RunId) -> bson::Uuid {
    to_bson_uuid(id.as_uuid())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunDocument {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    kind: String,
    status: String,
    requested_at: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime>,
    checks: Vec<CheckDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    forget_at: DateTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckDocument {
    name: String,
    compared: i64,
    differences: i64,
    as_of: DateTime,
}

impl TryFrom<&Run> for RunDocument {
    type Error = ConvertError;

    fn try_from(run: &Run) -> Result<Self, ConvertError> {
        let check = |result: &CheckResult| {
            Ok(CheckDocument {
                name: result.check.name().to_owned(),
                compared: mongo::to_i64("count", result.compared)?,
                differences: mongo::to_i64("count", result.differences)?,
                as_of: to_bson_time(result.as_of),
            })
        };
        Ok(Self {
            id: key(run.id),
            kind: run.kind.name().to_owned(),
            status: run.status.name().to_owned(),
            requested_at: to_bson_time(run.requested_at),
            started_at: run.started_at.map(to_bson_time),
            ended_at: run.ended_at.map(to_bson_time),
            checks: run.checks.iter().map(check).collect::<Result<_, ConvertError>>()?,
            failure: run.failure.clone(),
            forget_at: to_bson_time(run.requested_at + KEPT),
        })
    }
}

impl TryFrom<RunDocument> for Run {
    type Error = ConvertError;

    fn try_from(document: RunDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "reconciliation" };
        let check = |stored: CheckDocument| {
            Ok(CheckResult {
                check: Check::from_name(&stored.name).ok_or_else(invalid)?,
                compared: mongo::to_u64("count", stored.compared)?,
                differences: mongo::to_u64("count", stored.differences)?,
                as_of: from_bson_time(stored.as_of)?,
            })
        };
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            kind: RunKind::from_name(&document.kind).ok_or_else(invalid)?,
            status: RunStatus::from_name(&document.status).ok_or_else(invalid)?,
            requested_at: from_bson_time(document.requested_at)?,
            started_at: document.started_at.map(from_bson_time).transpose()?,
            ended_at: document.ended_at.map(from_bson_time).transpose()?,
            checks: document.checks.into_iter().map(check).collect::<Result<_, ConvertError>>()?,
            failure: document.failure,
        })
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
            run_id: key(run),
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
            forget_at: to_bson_time(now + KEPT),
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
                // What was done about it is in the healing.
                remedy: None,
            },
            first_seen_at: from_bson_time(document.first_seen_at)?,
            healing: healing.transpose()?,
        })
    }
}
