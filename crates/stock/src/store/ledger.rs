//! Reads and writes the ledger: every change is a movement, and a counter changes only if it covers the change.

use futures::TryStreamExt as _;
use jiff::Timestamp;
use messaging::Event;
use mongo::{Abort, Db, Error, Policy, bounded};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error as DriverError;
use mongodb::{ClientSession, Collection};
use primitives::{MovementId, Sku};
use service::Deadline;

use super::documents::{LevelDocument, MovementDocument, pieces};
use super::event::moved;
use super::{LEVELS, MOVEMENTS};
use crate::rules::{Levels, MAX_AVAILABLE, Movement, Posting, StockRefusal};

/// The ledger in a database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) db: Db,
    levels: Collection<LevelDocument>,
    /// For display: may be read from a secondary while there is no primary.
    shown: Collection<LevelDocument>,
    movements: Collection<MovementDocument>,
    /// For display, as above.
    shown_movements: Collection<MovementDocument>,
}

impl Ledger {
    /// The ledger in a database.
    pub fn new(db: &Db) -> Self {
        Self {
            db: db.clone(),
            levels: db.collection(Policy::Ledger, LEVELS),
            shown: db.collection(Policy::Shown, LEVELS),
            movements: db.collection(Policy::Ledger, MOVEMENTS),
            shown_movements: db.collection(Policy::Shown, MOVEMENTS),
        }
    }

    /// The available pieces of a SKU, for display; `None` if it has no counter.
    pub async fn available(&self, sku: &Sku, deadline: Deadline) -> Result<Option<u64>, Error> {
        let filter = doc! { "_id": sku.as_str() };
        let level = bounded(deadline, |left| self.shown.find_one(filter).max_time(left)).await?;
        Ok(level.map(|level| pieces(level.available)))
    }

    /// Up to `limit` movements of a SKU that are older than `before`, newest first, for display.
    pub async fn movements(
        &self,
        sku: &Sku,
        before: Option<MovementId>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Movement>, Error> {
        let mut filter = doc! { "sku": sku.as_str() };
        if let Some(before) = before {
            filter.insert("_id", doc! { "$lt": mongo::to_bson_uuid(before.as_uuid()) });
        }
        let limit = i64::from(limit);
        let find =
            |left| self.shown_movements.find(filter).sort(doc! { "sku": 1, "_id": -1 }).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(Movement::try_from).collect::<Result<_, _>>()?)
    }

    /// Opens the counters of new SKUs in the caller's transaction and records their initial stock as movements. The
    /// caller writes the returned events in the same transaction.
    pub async fn open<R>(
        &self,
        session: &mut ClientSession,
        initial: &[(Sku, u32)],
        at: Timestamp,
    ) -> Result<Vec<Event>, Abort<R>> {
        let levels = initial
            .iter()
            .map(|(sku, pieces)| LevelDocument { sku: sku.as_str().to_owned(), available: i64::from(*pieces) });
        self.levels.insert_many(levels).session(&mut *session).await?;
        let movements = Movement::initial(initial, at);
        self.record(session, movements.iter()).await?;
        Ok(movements.iter().map(moved).collect())
    }

    /// Reads the counters of these SKUs in the caller's transaction.
    pub async fn levels(
        &self,
        session: &mut ClientSession,
        skus: impl IntoIterator<Item = &Sku>,
    ) -> Result<Levels, DriverError> {
        let mut cursor = self.levels.find(of(skus)).session(&mut *session).await?;
        let mut levels = Vec::new();
        while let Some(level) = cursor.next(session).await.transpose()? {
            levels.push(level.into_level()?);
        }
        Ok(levels.into_iter().collect())
    }

    /// Reads the counters of these SKUs as committed by a majority.
    pub async fn current_levels(
        &self,
        skus: impl IntoIterator<Item = &Sku>,
        deadline: Deadline,
    ) -> Result<Levels, Error> {
        let cursor = bounded(deadline, |left| self.levels.find(of(skus)).max_time(left)).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(LevelDocument::into_level).collect::<Result<_, _>>()?)
    }

    /// Changes the counters and records the movements in the caller's transaction, in two round trips. The caller then
    /// writes the returned events in the same transaction. Returns `None` if a counter does not cover its change or
    /// would exceed its maximum; the caller must then abort the transaction.
    ///
    /// Only this condition prevents overselling; correctness does not depend on any earlier check.
    pub async fn post(
        &self,
        session: &mut ClientSession,
        posting: &Posting,
    ) -> Result<Option<Vec<Event>>, DriverError> {
        let updates: Vec<_> = posting.changes().into_iter().filter_map(conditional_update).collect();
        if !updates.is_empty() {
            let expected = updates.len();
            let command = doc! { "update": LEVELS, "updates": updates };
            let reply = self.db.database().run_command(command).session(&mut *session).await?;
            if let Ok(errors) = reply.get_array("writeErrors") {
                return Err(unexpected(errors));
            }
            let matched = reply.get_i32("n").unwrap_or_default();
            if usize::try_from(matched).ok() != Some(expected) {
                return Ok(None);
            }
        }
        self.record(session, posting.movements()).await?;
        Ok(Some(posting.movements().map(moved).collect()))
    }

    /// Applies an administrator's adjustment in the caller's transaction. The caller writes the returned events in the
    /// same transaction.
    pub async fn adjust<R: From<StockRefusal>>(
        &self,
        session: &mut ClientSession,
        movement: &Movement,
    ) -> Result<Vec<Event>, Abort<R>> {
        if let Some(events) = self.post(session, &Posting::from(movement.clone())).await? {
            return Ok(events);
        }
        let available = self.levels(session, [&movement.sku]).await?.available(&movement.sku);
        Err(Abort::Refused(movement.refusal(available).into()))
    }

    async fn record(
        &self,
        session: &mut ClientSession,
        movements: impl Iterator<Item = &Movement>,
    ) -> Result<(), DriverError> {
        let documents: Vec<_> = movements.map(MovementDocument::from).collect();
        if !documents.is_empty() {
            self.movements.insert_many(documents).session(session).await?;
        }
        Ok(())
    }
}

fn of<'a>(skus: impl IntoIterator<Item = &'a Sku>) -> Document {
    let skus: Vec<_> = skus.into_iter().map(Sku::as_str).collect();
    doc! { "_id": { "$in": skus } }
}

/// The update of a counter, on the condition that it covers the change. `None` for a change of 0.
fn conditional_update((sku, change): (&Sku, i64)) -> Option<Document> {
    let bound = match change {
        0 => return None,
        ..0 => doc! { "$gte": -change },
        1.. => doc! { "$lte": i64::try_from(MAX_AVAILABLE).unwrap_or(i64::MAX) - change },
    };
    Some(doc! {
        "q": { "_id": sku.as_str(), "available": bound },
        "u": { "$inc": { "available": change } },
    })
}

/// In a transaction a write error fails the whole command, so one inside a reply is not a conflict to retry.
fn unexpected(errors: &[Bson]) -> DriverError {
    DriverError::custom(format!("the counters could not be written: {errors:?}"))
}
