//! The rules of the ledger: every change is a movement, taken only while the counter covers it.

use std::num::NonZeroI64;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use messaging::Event;
use mongo::{Abort, Db, Error, Policy, bounded};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error as DriverError;
use mongodb::{ClientSession, Collection};
use primitives::{MovementId, Sku};
use service::Deadline;

use crate::event::moved;
use crate::levels::{Levels, MAX_AVAILABLE, Shortage, StockRefusal};
use crate::store::{LEVELS, LevelDocument, MOVEMENTS, MovementDocument, pieces};
use crate::{Movement, Posting, Reason};

/// The ledger in a database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) db: Db,
    levels: Collection<LevelDocument>,
    /// The same for looking at.
    shown: Collection<LevelDocument>,
    movements: Collection<MovementDocument>,
    /// The same for looking at.
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

    /// The pieces there; `None` for a SKU without a counter.
    pub async fn available(&self, sku: &Sku, deadline: Deadline) -> Result<Option<u64>, Error> {
        let filter = doc! { "_id": sku.as_str() };
        let level = bounded(deadline, |left| self.shown.find_one(filter).max_time(left)).await?;
        Ok(level.map(|level| pieces(level.available)))
    }

    /// Up to `limit` movements of a SKU, newest first, older than `before`, to be looked at.
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

    /// Gives new SKUs a counter, in the caller's transaction, with their first stock as a movement. The events of it
    /// are to be written in the same transaction.
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
        let movements: Vec<_> = initial
            .iter()
            .filter_map(|(sku, pieces)| Some((sku, NonZeroI64::new(i64::from(*pieces))?)))
            .map(|(sku, delta)| Movement {
                id: MovementId::new(),
                sku: sku.clone(),
                delta,
                reason: Reason::Initial,
                order_id: None,
                created_at: at,
            })
            .collect();
        self.record(session, movements.iter()).await?;
        Ok(movements.iter().map(moved).collect())
    }

    /// The counters of these SKUs, in the caller's transaction.
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

    /// The counters of these SKUs, as a majority has them.
    pub async fn current_levels(
        &self,
        skus: impl IntoIterator<Item = &Sku>,
        deadline: Deadline,
    ) -> Result<Levels, Error> {
        let cursor = bounded(deadline, |left| self.levels.find(of(skus)).max_time(left)).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(LevelDocument::into_level).collect::<Result<_, _>>()?)
    }

    /// Changes the counters and records the movements, in the caller's transaction: two round trips. The events of it
    /// are to be written in the same transaction. `None` when a counter does not cover its change, or would go over its
    /// limit: then the transaction must be aborted.
    ///
    /// This condition, not any check before it, is what keeps stock from being sold twice.
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

    /// Applies one movement that a person asked for, in the caller's transaction. The events of it are to be written in
    /// the same transaction.
    pub async fn adjust<R: From<StockRefusal>>(
        &self,
        session: &mut ClientSession,
        movement: &Movement,
    ) -> Result<Vec<Event>, Abort<R>> {
        if let Some(events) = self.post(session, &Posting::from(movement.clone())).await? {
            return Ok(events);
        }
        let sku = &movement.sku;
        let refusal = match self.levels(session, [sku]).await?.available(sku) {
            None => StockRefusal::UnknownSkus(vec![sku.clone()]),
            Some(available) if movement.delta.get() < 0 => StockRefusal::Insufficient(vec![Shortage {
                sku: sku.clone(),
                requested: movement.delta.get().unsigned_abs(),
                available,
            }]),
            Some(_) => StockRefusal::TooLarge,
        };
        Err(Abort::Refused(refusal.into()))
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

/// The counter changes only while it covers the change. `None` for a change of 0.
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

/// In a transaction a write error fails the whole command, so one inside a reply is not a conflict to try again.
fn unexpected(errors: &[Bson]) -> DriverError {
    DriverError::custom(format!("the counters could not be written: {errors:?}"))
}
