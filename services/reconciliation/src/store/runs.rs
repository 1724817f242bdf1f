//! Runs, and how far incremental runs have come.

use futures::TryStreamExt as _;
use jiff::Timestamp;
use mongo::{Db, Policy, bounded, from_bson_time, to_bson_time};
use mongodb::Collection;
use mongodb::bson::{self, DateTime, doc};
use primitives::RunId;
use serde::{Deserialize, Serialize};
use service::Deadline;

use super::names::{PROGRESS, RUNS};
use super::run_document::{RunDocument, run_key};
use crate::domain::{Run, RunKind, RunStatus};

/// The one document of the progress.
const INCREMENTAL: &str = "incremental";

/// The runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    runs: Collection<RunDocument>,
    /// As administrators read them.
    shown: Collection<RunDocument>,
    progress: Collection<ProgressDocument>,
}

/// The end of the time that incremental runs have compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgressDocument {
    #[serde(rename = "_id")]
    id: String,
    compared_to: DateTime,
}

impl Runs {
    pub(crate) fn new(db: &Db) -> Self {
        Self {
            runs: db.collection(Policy::Ledger, RUNS),
            shown: db.collection(Policy::Shown, RUNS),
            progress: db.collection(Policy::Ledger, PROGRESS),
        }
    }

    /// Writes a new run that waits to be started; while there is such a run, returns that one.
    pub(crate) async fn request(&self, run: &Run, deadline: Deadline) -> Result<Run, mongo::Error> {
        let waiting = doc! { "status": RunStatus::Requested.name() };
        loop {
            if let Some(found) = bounded(deadline, |left| self.runs.find_one(waiting.clone()).max_time(left)).await? {
                return Ok(Run::try_from(found)?);
            }
            let document = RunDocument::try_from(run)?;
            match bounded(deadline, |_| self.runs.insert_one(document)).await {
                Ok(_) => return Ok(run.clone()),
                // A concurrent request has just written one.
                Err(mongo::Error::Failed(error)) if mongo::duplicate_key_index(&error).is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a run.
    pub(crate) async fn save(&self, run: &Run, deadline: Deadline) -> Result<(), mongo::Error> {
        let document = RunDocument::try_from(run)?;
        let filter = doc! { "_id": run_key(run.id) };
        bounded(deadline, |_| self.runs.replace_one(filter, document).upsert(true)).await?;
        Ok(())
    }

    /// A run. Without a primary it is read from a secondary.
    pub(crate) async fn find(&self, id: RunId, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        let filter = doc! { "_id": run_key(id) };
        let found = bounded(deadline, |left| self.shown.find_one(filter).max_time(left)).await?;
        Ok(found.map(Run::try_from).transpose()?)
    }

    /// Up to `limit` runs older than `before`, newest first. Without a primary they are read from a secondary.
    pub(crate) async fn list(
        &self,
        before: Option<RunId>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Run>, mongo::Error> {
        let filter = before.map_or_else(bson::Document::new, |id| doc! { "_id": { "$lt": run_key(id) } });
        let limit = i64::from(limit);
        let find = |left| self.shown.find(filter).sort(doc! { "_id": -1 }).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let found: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(found.into_iter().map(Run::try_from).collect::<Result<_, _>>()?)
    }

    /// The run that has waited longest to be started.
    pub(crate) async fn next_requested(&self, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        self.first(doc! { "status": RunStatus::Requested.name() }, 1, deadline).await
    }

    /// A run that was started and has not ended.
    pub(crate) async fn unfinished(&self, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        self.first(doc! { "status": RunStatus::Running.name() }, 1, deadline).await
    }

    /// The newest daily run.
    pub(crate) async fn last_daily(&self, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        self.first(doc! { "kind": RunKind::Daily.name() }, -1, deadline).await
    }

    /// The newest full run that was completed.
    pub(crate) async fn last_full(&self, deadline: Deadline) -> Result<Option<Run>, mongo::Error> {
        let kinds = RunKind::FULL.map(RunKind::name).to_vec();
        let filter = doc! { "kind": { "$in": kinds }, "status": RunStatus::Completed.name() };
        self.first(filter, -1, deadline).await
    }

    /// The end of the time that incremental runs have compared.
    pub(crate) async fn compared_to(&self, deadline: Deadline) -> Result<Option<Timestamp>, mongo::Error> {
        let filter = doc! { "_id": INCREMENTAL };
        let found = bounded(deadline, |left| self.progress.find_one(filter).max_time(left)).await?;
        Ok(found.map(|progress| from_bson_time(progress.compared_to)).transpose()?)
    }

    /// Sets the end of the time that incremental runs have compared.
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
}
