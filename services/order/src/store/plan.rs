//! What a batch writes, decided without I/O from what its transaction has read. What is given back comes first; then
//! the new orders, first come, first served.

use std::collections::{BTreeMap, HashMap, HashSet};

use idempotency::{Answer, Conflict, ScopedKey};
use jiff::Timestamp;
use messaging::Event;
use mongo::idempotency::KeyedAnswer;
use mongo::to_bson_uuid;
use mongodb::bson::{Document, Uuid, doc};
use stock::{Levels, Posting, Reason};

use super::batch::{Cause, Committed, Placement, Release, Work};
use super::document::{OrderDocument, review_name};
use super::transitions;
use crate::domain::{Order, Status, Verdict};
use crate::error::OrderError;
use crate::events;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The orders that are to give their stock back, by id.
    pub(super) released: HashMap<Uuid, OrderDocument>,
    /// What a careful transaction reads too. Without it counters are taken to cover everything and keys to be new; the
    /// conditions of the writes find out.
    pub(super) known: Option<Known>,
}

/// What may stand in the way of some of the work.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Orders that the batch's keys have placed before.
    pub(super) placed: Vec<OrderDocument>,
    /// Keys of cancellations that have an answer.
    pub(super) answered: HashSet<ScopedKey>,
    /// The counters.
    pub(super) levels: Levels,
}

/// What is to be written, and what everybody is told when it is.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) posting: Posting,
    pub(super) orders: Vec<OrderDocument>,
    /// Update statements of orders.
    pub(super) steps: Vec<Document>,
    pub(super) answers: Vec<KeyedAnswer<OrderDocument>>,
    /// What others are told about orders.
    pub(super) events: Vec<Event>,
    outcomes: BTreeMap<usize, Result<Answer<Order>, OrderError>>,
    facts: Facts,
    at: Timestamp,
}

impl Plan {
    pub(super) fn new(batch: &[impl AsRef<Work>], facts: Facts, at: Timestamp) -> Self {
        let mut plan = Self {
            posting: Posting::new(at),
            orders: Vec::new(),
            steps: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            outcomes: BTreeMap::new(),
            facts,
            at,
        };
        for (place, work) in batch.iter().enumerate() {
            if let Work::Release(release) = work.as_ref() {
                let outcome = plan.release(release);
                plan.outcomes.insert(place, outcome);
            }
        }
        for (place, work) in batch.iter().enumerate() {
            if let Work::Place(placement) = work.as_ref() {
                let outcome = plan.place(placement);
                plan.outcomes.insert(place, outcome);
            }
        }
        plan
    }

    /// What is true once it is committed.
    pub(super) fn committed(self) -> Committed {
        let levels = self.facts.known.map(|known| known.levels).unwrap_or_default();
        Committed { outcomes: self.outcomes.into_values().collect(), levels }
    }

    fn place(&mut self, placement: &Placement) -> Result<Answer<Order>, OrderError> {
        let Placement { order, placed_by, review, traceparent } = placement;
        // What is written together has one time.
        let order = order.clone().placed_at(self.at);
        let lines = order.quantities();
        if let Some(known) = &mut self.facts.known {
            let earlier = known.placed.iter().position(|document| placed_by.has_placed(document));
            if let Some(earlier) = earlier {
                return placed_by.answer(known.placed.swap_remove(earlier));
            }
            known.levels.take(&lines)?;
        }
        let taken_by = self.posting.take(order.id, &lines);
        self.orders.push(OrderDocument::new(&order, placed_by, &taken_by));
        self.events.push(events::placed(&order, review.as_ref()).continuing(traceparent.clone()));
        Ok(Answer::first(order))
    }

    fn release(&mut self, release: &Release) -> Result<Answer<Order>, OrderError> {
        let id = to_bson_uuid(release.order.id.as_uuid());
        let document = self.facts.released.remove(&id).ok_or(OrderError::NotFound)?;
        if document.payment.is_some() {
            return Err(OrderError::BeingPaid);
        }
        let before = Order::try_from(document.clone()).map_err(mongo::Error::from)?;
        let at = before.changed_at(self.at);
        let (after, reason) = match &release.cause {
            Cause::Expired => (before.clone().expire()?, Reason::OrderExpired),
            Cause::Cancelled { .. } | Cause::RiskRejected => (before.clone().cancel(at)?, Reason::OrderCancelled),
        };
        let lines = after.quantities();
        if let Some(known) = &mut self.facts.known {
            if let Cause::Cancelled { key, .. } = &release.cause
                && known.answered.contains(key)
            {
                return Err(Conflict::Finished.into());
            }
            known.levels.give_back(&lines)?;
        }
        let movements = self.posting.give_back(after.id, &lines, &reason);
        let returned_by = movements
            .iter()
            .enumerate()
            .map(|(line, movement)| (format!("lines.{line}.returnedBy"), to_bson_uuid(movement.as_uuid()).into()));
        let mut set: Document = returned_by.collect();
        if after.status == Status::Cancelled {
            set.insert("cancelledAt", mongo::to_bson_time(at));
            if before.status == Status::Paid {
                set.extend(doc! { "refundDue": true, "followUpAt": mongo::to_bson_time(self.at) });
            }
        }
        let mut unset = Document::new();
        let event = match &release.cause {
            Cause::Expired => events::expired(&after, at),
            Cause::RiskRejected => {
                set.insert("risk.review", review_name(Verdict::Reject));
                unset.insert("reviewAt", "");
                events::cancelled(&after, at, true)
            }
            Cause::Cancelled { key, request_id } => {
                self.answers.push(KeyedAnswer {
                    key: key.clone(),
                    request_id: request_id.clone(),
                    answer: document.into_answer(&after),
                });
                events::cancelled(&after, at, false)
            }
        };
        let (filter, update) = transitions::step(&before, &after, set, unset)?;
        self.steps.push(doc! { "q": filter, "u": update });
        self.events.push(event);
        Ok(Answer::first(after))
    }
}
