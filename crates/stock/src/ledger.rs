//! The rules of the ledger: every change is a movement, taken only while the counter covers it.

use std::collections::BTreeMap;
use std::num::NonZeroI64;

use envelope::{Detail, Reason as ErrorReason};
use futures::TryStreamExt as _;
use ids::{MovementId, OrderId, Quantity, Sku};
use jiff::Timestamp;
use mongo::{Abort, Db, Error, Policy, bounded};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{ClientSession, Collection, Database};
use service::Deadline;

use crate::store::{LEVELS, LevelDocument, MOVEMENTS, MovementDocument};
use crate::{Movement, Reason};

/// The highest counter, so that no sum comes near an overflow.
const MAX_AVAILABLE: i64 = 1_000_000_000_000;

/// Why stock was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StockRefusal {
    /// Some counters don't cover what was asked for.
    #[error("there is not enough stock")]
    Insufficient(Vec<Shortage>),
    /// Some SKUs have no counter.
    #[error("a SKU is not known")]
    UnknownSkus(Vec<Sku>),
    /// The counter would go over its limit of 10¹².
    #[error("the stock would be too large")]
    TooLarge,
}

/// A SKU with less than was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The SKU.
    pub sku: Sku,
    /// Pieces asked for.
    pub requested: u64,
    /// Pieces there, as of the transaction that refused.
    pub available: u64,
}

impl From<StockRefusal> for envelope::Error {
    fn from(refusal: StockRefusal) -> Self {
        match refusal {
            StockRefusal::Insufficient(shortages) => {
                let details = shortages.into_iter().map(|shortage| Detail::Stock {
                    sku: shortage.sku.to_string(),
                    requested: shortage.requested,
                    available: shortage.available,
                });
                Self::new(ErrorReason::InsufficientStock, "there is not enough stock").with_details(details)
            }
            StockRefusal::UnknownSkus(skus) => {
                let details = skus.into_iter().map(|sku| Detail::UnknownSku { sku: sku.to_string() });
                Self::new(ErrorReason::SkuNotFound, "no product has this SKU").with_details(details)
            }
            StockRefusal::TooLarge => Self::invalid("delta", "the stock must stay at 10^12 or below"),
        }
    }
}

/// The ledger in a database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    database: Database,
    levels: Collection<LevelDocument>,
    movements: Collection<MovementDocument>,
}

impl Ledger {
    /// The ledger in a database.
    pub fn new(db: &Db) -> Self {
        Self {
            database: db.database().clone(),
            levels: db.collection(Policy::Ledger, LEVELS),
            movements: db.collection(Policy::Ledger, MOVEMENTS),
        }
    }

    /// The pieces there; `None` for a SKU without a counter.
    pub async fn available(&self, sku: &Sku, deadline: Deadline) -> Result<Option<u64>, Error> {
        let filter = doc! { "_id": sku.as_str() };
        let level = bounded(deadline, |left| self.levels.find_one(filter).max_time(left)).await?;
        Ok(level.map(|level| pieces(level.available)))
    }

    /// Up to `limit` movements of a SKU, newest first, older than `before`.
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
            |left| self.movements.find(filter).sort(doc! { "sku": 1, "_id": -1 }).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(Movement::try_from).collect::<Result<_, _>>()?)
    }

    /// Gives new SKUs a counter, in the caller's transaction, with their first stock as a movement.
    pub async fn open<R>(
        &self,
        session: &mut ClientSession,
        initial: &[(Sku, u32)],
        at: Timestamp,
    ) -> Result<(), Abort<R>> {
        let levels = initial.iter().map(|(sku, pieces)| LevelDocument {
            sku: sku.as_str().to_owned(),
            available: i64::from(*pieces),
            last_movement: None,
        });
        self.levels.insert_many(levels).session(&mut *session).await?;
        let movements: Vec<_> = initial
            .iter()
            .filter_map(|(sku, pieces)| Some((sku, NonZeroI64::new(i64::from(*pieces))?)))
            .map(|(sku, delta)| movement(sku, delta, Reason::Initial, None, at))
            .collect();
        self.record(session, &movements).await
    }

    /// Takes the stock of an order, in the caller's transaction: all lines or none.
    pub async fn take<R: From<StockRefusal>>(
        &self,
        session: &mut ClientSession,
        order_id: OrderId,
        lines: &BTreeMap<Sku, Quantity>,
        at: Timestamp,
    ) -> Result<(), Abort<R>> {
        let deltas =
            lines.iter().filter_map(|(sku, quantity)| Some((sku, NonZeroI64::new(-i64::from(*quantity))?)));
        let movements: Vec<_> = deltas
            .map(|(sku, delta)| movement(sku, delta, Reason::OrderPlaced, Some(order_id), at))
            .collect();
        self.apply(session, &movements).await
    }

    /// Gives the stock of an order back, in the caller's transaction.
    pub async fn give_back<R: From<StockRefusal>>(
        &self,
        session: &mut ClientSession,
        order_id: OrderId,
        lines: &BTreeMap<Sku, Quantity>,
        reason: Reason,
        at: Timestamp,
    ) -> Result<(), Abort<R>> {
        let deltas =
            lines.iter().filter_map(|(sku, quantity)| Some((sku, NonZeroI64::new(i64::from(*quantity))?)));
        let movements: Vec<_> =
            deltas.map(|(sku, delta)| movement(sku, delta, reason.clone(), Some(order_id), at)).collect();
        self.apply(session, &movements).await
    }

    /// Applies one movement that a person asked for, in the caller's transaction.
    pub async fn adjust<R: From<StockRefusal>>(
        &self,
        session: &mut ClientSession,
        movement: &Movement,
    ) -> Result<(), Abort<R>> {
        self.apply(session, std::slice::from_ref(movement)).await
    }

    /// Changes the counters of the movements, at most one a SKU, and records them: two round trips.
    async fn apply<R: From<StockRefusal>>(
        &self,
        session: &mut ClientSession,
        movements: &[Movement],
    ) -> Result<(), Abort<R>> {
        let updates: Vec<_> = movements.iter().map(conditional_update).collect();
        let command = doc! { "update": LEVELS, "updates": updates };
        let reply = self.database.run_command(command).session(&mut *session).await?;
        if let Ok(errors) = reply.get_array("writeErrors") {
            return Err(unexpected(errors).into());
        }
        let matched = reply.get_i32("n").unwrap_or_default();
        if usize::try_from(matched).ok() != Some(movements.len()) {
            return Err(self.refusal(session, movements).await?);
        }
        self.record(session, movements).await
    }

    /// Finds out, in the same snapshot, which counters did not cover their movement.
    async fn refusal<R: From<StockRefusal>>(
        &self,
        session: &mut ClientSession,
        movements: &[Movement],
    ) -> Result<Abort<R>, Abort<R>> {
        let skus: Vec<&str> = movements.iter().map(|movement| movement.sku.as_str()).collect();
        let mut cursor = self.levels.find(doc! { "_id": { "$in": skus } }).session(&mut *session).await?;
        let mut levels = BTreeMap::new();
        while let Some(level) = cursor.next(session).await.transpose()? {
            levels.insert(level.sku.clone(), level);
        }
        Ok(Abort::Refused(R::from(why(movements, &levels))))
    }

    async fn record<R>(&self, session: &mut ClientSession, movements: &[Movement]) -> Result<(), Abort<R>> {
        if movements.is_empty() {
            return Ok(());
        }
        let documents = movements.iter().map(MovementDocument::from);
        self.movements.insert_many(documents).session(session).await?;
        Ok(())
    }
}

/// The counter changes only while it covers the movement; this condition, not any check before it, is what keeps
/// stock from being sold twice.
fn conditional_update(movement: &Movement) -> Document {
    let delta = movement.delta.get();
    let bound = if delta < 0 {
        doc! { "$gte": -delta }
    } else {
        doc! { "$lte": MAX_AVAILABLE - delta }
    };
    let last_movement = mongo::to_bson_uuid(movement.id.as_uuid());
    doc! {
        "q": { "_id": movement.sku.as_str(), "available": bound },
        "u": { "$inc": { "available": delta }, "$set": { "lastMovement": last_movement } },
    }
}

/// `levels` are the counters after the updates that did match, which the transaction undoes; those carry the id of
/// their movement.
fn why(movements: &[Movement], levels: &BTreeMap<String, LevelDocument>) -> StockRefusal {
    let mut unknown = Vec::new();
    let mut shortages = Vec::new();
    for movement in movements {
        let Some(level) = levels.get(movement.sku.as_str()) else {
            unknown.push(movement.sku.clone());
            continue;
        };
        let covered = level.last_movement == Some(mongo::to_bson_uuid(movement.id.as_uuid()));
        if !covered && movement.delta.get() < 0 {
            let requested = movement.delta.get().unsigned_abs();
            shortages.push(Shortage {
                sku: movement.sku.clone(),
                requested,
                available: pieces(level.available),
            });
        }
    }
    match (unknown.is_empty(), shortages.is_empty()) {
        (false, _) => StockRefusal::UnknownSkus(unknown),
        (true, false) => StockRefusal::Insufficient(shortages),
        (true, true) => StockRefusal::TooLarge,
    }
}

/// In a transaction a write error fails the whole command, so one inside a reply is not a conflict to try again.
fn unexpected(errors: &[Bson]) -> mongodb::error::Error {
    mongodb::error::Error::custom(format!("the counters could not be written: {errors:?}"))
}

fn movement(
    sku: &Sku,
    delta: NonZeroI64,
    reason: Reason,
    order_id: Option<OrderId>,
    at: Timestamp,
) -> Movement {
    Movement { id: MovementId::new(), sku: sku.clone(), delta, reason, order_id, created_at: at }
}

/// Counters are never negative: the validator and the conditional update see to it.
fn pieces(available: i64) -> u64 {
    u64::try_from(available).unwrap_or_default()
}
