//! Commits a batch in one transaction: reads what the decision needs, and writes what it says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{FutureExt as _, StreamExt as _};
use idempotency::Answer;
use mongo::idempotency::KeyedAnswer;
use mongo::{Abort, Error, TransactError, duplicate_key_index, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::Error as DriverError;
use primitives::OrderId;
use service::Deadline;
use stock::Levels;

use super::document::{OrderDocument, unreadable};
use super::{ORDERS, Store, fences, transitions};
use crate::domain::{Decision, Observed, ObservedOrder, Obstacles, Order, Placement, Release, Work, decide};
use crate::error::OrderError;
use crate::events;

/// Whether a batch's transaction reads counters and keys before it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitMode {
    /// Writes at once: most of the time counters cover their orders and keys are new. Where one is not, the conditions
    /// of the writes find out, and the transaction starts again in the other mode.
    WriteFirst,
    /// Reads counters and keys first, and decides by them.
    ReadFirst,
}

/// What has become of a batch.
#[derive(Debug)]
pub(crate) struct Committed {
    /// In the order of the work.
    pub(crate) outcomes: Vec<Result<Answer<Order>, OrderError>>,
    /// The counters after it, where they were read.
    pub(crate) levels: Levels,
}

pub(super) type Batch = Arc<[Arc<Work>]>;

/// The orders that a transaction has read to release them.
type Documents = HashMap<OrderId, OrderDocument>;

impl Store {
    /// Commits the batch: orders that the rules refuse are refused alone, and the rest is committed together.
    pub(crate) async fn commit(&self, batch: Batch, mode: CommitMode, deadline: Deadline) -> Committed {
        match self.commit_together(&batch, mode, deadline).await {
            Ok(committed) => committed,
            Err(Error::OutcomeUnknown(error)) => self.find_out(&batch, &Error::OutcomeUnknown(error)).await,
            // The server rejects something about one order; the others don't depend on it.
            Err(Error::Failed(error)) if batch.len() > 1 => {
                tracing::error!(%error, orders = batch.len(), "a batch failed and is committed one by one");
                self.commit_one_by_one(&batch, deadline).await
            }
            Err(error) => failed(&batch, &error),
        }
    }

    async fn commit_together(&self, batch: &Batch, mode: CommitMode, deadline: Deadline) -> Result<Committed, Error> {
        let (store, batch) = (self.clone(), Arc::clone(batch));
        let reads_first = Arc::new(AtomicBool::new(mode == CommitMode::ReadFirst));
        let transaction = self.db.transact::<_, Infallible, _>(deadline, move |session| {
            let (store, batch, reads_first) = (store.clone(), Arc::clone(&batch), Arc::clone(&reads_first));
            async move {
                let read_first = reads_first.load(Ordering::Relaxed);
                let (observed, documents) = store.observe(session, &batch, read_first).await?;
                let decision = decide(&batch, observed, primitives::now());
                if store.write(session, &decision, documents).await? {
                    let (outcomes, levels) = decision.into_outcomes();
                    let outcomes = outcomes.into_iter().map(|outcome| outcome.map_err(OrderError::from)).collect();
                    return Ok(Committed { outcomes, levels });
                }
                reads_first.store(true, Ordering::Relaxed);
                if read_first { Err(contradiction()) } else { Err(Abort::Again) }
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
            let committed = self.commit_together(&alone, CommitMode::ReadFirst, deadline).await;
            outcomes.extend(committed.unwrap_or_else(|error| failed(&alone, &error)).outcomes);
        }
        Committed { outcomes, levels: Levels::default() }
    }

    /// Reads the orders that are to be released and, in a transaction that reads first, counters and keys.
    async fn observe(
        &self,
        session: &mut ClientSession,
        batch: &Batch,
        read_first: bool,
    ) -> Result<(Observed, Documents), DriverError> {
        let ids: Vec<_> = releases(batch).map(|release| to_bson_uuid(release.order.id.as_uuid())).collect();
        let (mut released, mut documents) = (HashMap::new(), Documents::new());
        if !ids.is_empty() {
            for document in self.read(session, doc! { "_id": { "$in": ids } }).await? {
                let is_claimed = document.payment.is_some();
                let order = Order::try_from(document.clone()).map_err(unreadable)?;
                documents.insert(order.id, document);
                released.insert(order.id, ObservedOrder { order, is_claimed });
            }
        }
        let obstacles = if read_first { Some(self.obstacles(session, batch).await?) } else { None };
        Ok((Observed { released, obstacles }, documents))
    }

    async fn obstacles(&self, session: &mut ClientSession, batch: &Batch) -> Result<Obstacles, DriverError> {
        let keys: Vec<_> = placements(batch).map(|placement| fences::by_key(&placement.placed_by)).collect();
        let holders = self.key_holders(session, keys).await?;
        let keyed = releases(batch).filter_map(|release| release.cause.keyed());
        let keyed = keyed.map(|keyed| (&keyed.key, keyed.request_id.as_str()));
        let answered = self.cancellations.closed(session, keyed).await?;
        let levels = self.ledger.levels(session, batch.iter().flat_map(|work| work.skus())).await?;
        Ok(Obstacles { holders, answered, levels })
    }

    async fn read(&self, session: &mut ClientSession, filter: Document) -> Result<Vec<OrderDocument>, DriverError> {
        let mut cursor = self.orders.find(filter).session(&mut *session).await?;
        cursor.stream(session).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Writes the decision with its events, one command a collection. `false` when a counter does not cover it or a key
    /// is not new, as a transaction that has not read them may find.
    async fn write(
        &self,
        session: &mut ClientSession,
        decision: &Decision<'_>,
        documents: Documents,
    ) -> Result<bool, DriverError> {
        let Some(moved) = self.ledger.post(session, &decision.posting).await? else { return Ok(false) };
        if !decision.placed.is_empty() {
            self.remove_fences(session, decision).await?;
            let placed: Vec<_> = decision.placed.iter().map(OrderDocument::from).collect();
            let inserted = self.orders.insert_many(&placed).session(&mut *session).await;
            if !is_new(inserted.map(drop))? {
                return Ok(false);
            }
        }
        if !decision.released.is_empty() {
            let updates = decision.released.iter().map(|released| transitions::update_statement(&released.transition));
            let updates: Vec<_> = updates.collect::<Result<_, _>>().map_err(unreadable)?;
            let expected = updates.len();
            let command = doc! { "update": ORDERS, "updates": updates };
            let reply = self.db.database().run_command(command).session(&mut *session).await?;
            if usize::try_from(reply.get_i32("n").unwrap_or_default()).ok() != Some(expected) {
                return Err(DriverError::custom("an order differs from its snapshot"));
            }
        }
        self.outbox.write(session, events::of_batch(decision).chain(moved)).await?;
        is_new(self.cancellations.record_all(session, &answers(decision, documents)).await)
    }
}

pub(super) fn failed(batch: &Batch, error: &Error) -> Committed {
    let outcomes = batch.iter().map(|_| Err(OrderError::Store(error.clone()))).collect();
    Committed { outcomes, levels: Levels::default() }
}

/// The answers that the keys of cancellations are given from now on.
fn answers(decision: &Decision<'_>, mut documents: Documents) -> Vec<KeyedAnswer<OrderDocument>> {
    let answers = decision.released.iter().filter_map(|released| {
        let keyed = released.keyed?;
        let after = &released.transition.after;
        let answer = documents.remove(&after.id)?.into_answer(after);
        Some(KeyedAnswer { key: keyed.key.clone(), request_id: keyed.request_id.clone(), answer })
    });
    answers.collect()
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

/// A decision was made by a snapshot, and the same snapshot does not allow it: an internal error.
fn contradiction() -> Abort<Infallible> {
    Abort::Driver(DriverError::custom("the stock or a key differs from its snapshot"))
}
