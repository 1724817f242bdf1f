//! Commits a batch of work in one transaction: the orders that are placed, those that give their stock back, the
//! counters and the movements.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use idempotency::{Answer, ScopedKey};
use mongo::{Abort, Error, TransactError, duplicate_key_index, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::Error as DriverError;
use service::Deadline;
use stock::Levels;

use super::document::OrderDocument;
use super::plan::{Facts, Known, Plan};
use super::{ORDERS, PlacedBy, Store};
use crate::domain::{Order, ReviewRequest};
use crate::error::OrderError;

/// How long finding out about a commit whose outcome is unknown may take; the callers' deadlines have passed by then.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// How many orders of such a batch are looked up at once.
const LOOKUPS: usize = 16;

/// Something that changes the stock.
#[derive(Debug)]
pub(crate) enum Work {
    Place(Placement),
    Release(Release),
}

/// A new order.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) order: Order,
    pub(crate) placed_by: PlacedBy,
    /// When the risk service has not judged it, what it needs to know to do so later.
    pub(crate) review: Option<ReviewRequest>,
    /// The trace that its event continues, as its batch is in that of another order.
    pub(crate) traceparent: Option<String>,
}

/// An order that is to give its stock back.
#[derive(Debug)]
pub(crate) struct Release {
    /// As it was last seen; the transaction decides by what it is then.
    pub(crate) order: Order,
    pub(crate) cause: Cause,
}

/// Why an order gives its stock back.
#[derive(Debug)]
pub(crate) enum Cause {
    Expired,
    /// The risk service has looked at it and refuses it.
    RiskRejected,
    Cancelled {
        key: ScopedKey,
        request_id: String,
    },
}

/// What has become of a batch.
#[derive(Debug)]
pub(crate) struct Committed {
    /// In the order of the work.
    pub(crate) outcomes: Vec<Result<Answer<Order>, OrderError>>,
    /// The counters after it, where they were read.
    pub(crate) levels: Levels,
}

type Batch = Arc<[Arc<Work>]>;

impl Store {
    /// Commits the batch: what the rules refuse is refused alone, and the rest is committed together.
    ///
    /// Nothing is read before writing, unless `careful`: counters cover their orders and keys are new, most of the
    /// time. When one is not, the transaction starts over carefully: it reads first and decides by that.
    pub(crate) async fn commit(&self, batch: Batch, careful: bool, deadline: Deadline) -> Committed {
        match self.commit_together(&batch, careful, deadline).await {
            Ok(committed) => committed,
            Err(Error::OutcomeUnknown(error)) => self.find_out(&batch, &Error::OutcomeUnknown(error)).await,
            // What the server does not take is nobody's fault but its own: the others go on without it.
            Err(Error::Failed(error)) if batch.len() > 1 => {
                tracing::error!(%error, orders = batch.len(), "a batch failed and is committed one by one");
                self.commit_one_by_one(&batch, deadline).await
            }
            Err(error) => failed(&batch, &error),
        }
    }

    async fn commit_together(&self, batch: &Batch, careful: bool, deadline: Deadline) -> Result<Committed, Error> {
        let (store, batch) = (self.clone(), Arc::clone(batch));
        let careful = Arc::new(AtomicBool::new(careful));
        let transaction = self.db.transact::<_, Infallible, _>(deadline, move |session| {
            let (store, batch, careful) = (store.clone(), Arc::clone(&batch), Arc::clone(&careful));
            async move {
                let carefully = careful.load(Ordering::Relaxed);
                let facts = store.facts(session, &batch, carefully).await?;
                let plan = Plan::new(&batch, facts, primitives::now());
                if store.write(session, &plan).await? {
                    return Ok(plan.committed());
                }
                careful.store(true, Ordering::Relaxed);
                if carefully { Err(contradiction()) } else { Err(Abort::Again) }
            }
            .boxed()
        });
        transaction.await.map_err(|error| match error {
            TransactError::Store(error) => error,
            TransactError::Refused(never) => match never {},
        })
    }

    async fn commit_one_by_one(&self, batch: &Batch, deadline: Deadline) -> Committed {
        let mut outcomes = Vec::with_capacity(batch.len());
        for work in batch.iter() {
            let alone: Batch = [Arc::clone(work)].into();
            let committed = self.commit_together(&alone, true, deadline).await;
            outcomes.extend(committed.unwrap_or_else(|error| failed(&alone, &error)).outcomes);
        }
        Committed { outcomes, levels: Levels::default() }
    }

    /// Reads what the plan needs: orders that are to be released always, everything else when careful.
    async fn facts(&self, session: &mut ClientSession, batch: &Batch, careful: bool) -> Result<Facts, DriverError> {
        let released: Vec<_> = releases(batch).map(|release| to_bson_uuid(release.order.id.as_uuid())).collect();
        let released = if released.is_empty() {
            HashMap::new()
        } else {
            let found = self.read(session, doc! { "_id": { "$in": released } }).await?;
            found.into_iter().map(|document| (document.id, document)).collect()
        };
        let known = if careful { Some(self.known(session, batch).await?) } else { None };
        Ok(Facts { released, known })
    }

    async fn known(&self, session: &mut ClientSession, batch: &Batch) -> Result<Known, DriverError> {
        let keys: Vec<_> = placements(batch).map(|placement| placement.placed_by.filter()).collect();
        let placed = if keys.is_empty() { Vec::new() } else { self.read(session, doc! { "$or": keys }).await? };
        let answered = releases(batch).filter_map(|release| match &release.cause {
            Cause::Cancelled { key, .. } => Some(key),
            Cause::Expired | Cause::RiskRejected => None,
        });
        let answered = self.cancellations.existing(session, answered).await?;
        let levels = self.ledger.levels(session, batch.iter().flat_map(|work| work.skus())).await?;
        Ok(Known { placed, answered, levels })
    }

    async fn read(
        &self,
        session: &mut ClientSession,
        filter: mongodb::bson::Document,
    ) -> Result<Vec<OrderDocument>, DriverError> {
        let mut cursor = self.orders.find(filter).session(&mut *session).await?;
        cursor.stream(session).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Writes the plan, one command a collection, with the events of it. `false` when a counter does not cover it or a
    /// key is not new, as a plan that was made without reading may find.
    async fn write(&self, session: &mut ClientSession, plan: &Plan) -> Result<bool, DriverError> {
        let Some(moved) = self.ledger.post(session, &plan.posting).await? else { return Ok(false) };
        if !plan.orders.is_empty() {
            let inserted = self.orders.insert_many(&plan.orders).session(&mut *session).await;
            if !is_new(inserted.map(drop))? {
                return Ok(false);
            }
        }
        if !plan.steps.is_empty() {
            let command = doc! { "update": ORDERS, "updates": &plan.steps };
            let reply = self.db.database().run_command(command).session(&mut *session).await?;
            let stepped = reply.get_i32("n").unwrap_or_default();
            if usize::try_from(stepped).ok() != Some(plan.steps.len()) {
                return Err(DriverError::custom("an order is not what its snapshot says"));
            }
        }
        self.outbox.write(session, plan.events.iter().cloned().chain(moved)).await?;
        is_new(self.cancellations.record_all(session, &plan.answers).await)
    }

    /// Committed or not? All of it or nothing: the keys tell, at majority.
    async fn find_out(&self, batch: &Batch, unknown: &Error) -> Committed {
        let deadline = Deadline::after(LOOKUP_TIMEOUT);
        let lookups =
            stream::iter(batch.to_vec()).map(|work| async move { self.find_out_one(&work, unknown, deadline).await });
        Committed { outcomes: lookups.buffered(LOOKUPS).collect().await, levels: Levels::default() }
    }

    async fn find_out_one(
        &self,
        work: &Work,
        unknown: &Error,
        deadline: Deadline,
    ) -> Result<Answer<Order>, OrderError> {
        match work {
            Work::Place(Placement { order, placed_by, .. }) => {
                let found = self.placed_earlier(placed_by, deadline).await?;
                let answer = found.ok_or_else(|| OrderError::Store(unknown.clone()))?;
                let ours = answer.value.id == order.id;
                Ok(if ours { Answer::first(answer.value) } else { answer })
            }
            Work::Release(Release { cause: Cause::Cancelled { key, .. }, .. }) => {
                let found = self.cancelled_earlier(key, deadline).await?;
                let answer = found.ok_or_else(|| OrderError::Store(unknown.clone()))?;
                Ok(Answer::first(answer.value))
            }
            // The next round sees what has become of it.
            Work::Release(Release { cause: Cause::Expired | Cause::RiskRejected, .. }) => {
                Err(OrderError::Store(unknown.clone()))
            }
        }
    }
}

fn placements(batch: &Batch) -> impl Iterator<Item = &Placement> {
    batch.iter().filter_map(|work| match &**work {
        Work::Place(placement) => Some(placement),
        Work::Release(_) => None,
    })
}

fn releases(batch: &Batch) -> impl Iterator<Item = &Release> {
    batch.iter().filter_map(|work| match &**work {
        Work::Release(release) => Some(release),
        Work::Place(_) => None,
    })
}

/// `false` for a duplicate key.
fn is_new(written: Result<(), DriverError>) -> Result<bool, DriverError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if duplicate_key_index(&error).is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A plan was made by a snapshot, and the same snapshot does not allow it: a fault of ours.
fn contradiction() -> Abort<Infallible> {
    Abort::Driver(DriverError::custom("the stock or a key is not what its snapshot says"))
}

fn failed(batch: &Batch, error: &Error) -> Committed {
    let outcomes = batch.iter().map(|_| Err(OrderError::Store(error.clone()))).collect();
    Committed { outcomes, levels: Levels::default() }
}

impl Work {
    /// The order that it is about.
    pub(crate) fn order(&self) -> &Order {
        match self {
            Self::Place(placement) => &placement.order,
            Self::Release(release) => &release.order,
        }
    }

    /// The order, if it is a new one.
    pub(crate) fn placed(&self) -> Option<&Order> {
        match self {
            Self::Place(placement) => Some(&placement.order),
            Self::Release(_) => None,
        }
    }

    /// The SKUs whose counters it changes.
    pub(crate) fn skus(&self) -> impl Iterator<Item = &primitives::Sku> {
        self.order().lines.iter().map(|line| &line.sku)
    }
}
