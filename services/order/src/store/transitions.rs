//! Transitions of an order as conditional updates.

use idempotency::{Answer, ScopedKey};
use mongo::{Abort, ConvertError, to_bson_time, to_bson_uuid, to_i64};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::Error as DriverError;
use primitives::OrderId;
use service::Deadline;

use super::Store;
use super::document::{OrderDocument, review_name};
use crate::domain::{KeyedRequest, Order, Refusal, Transition};
use crate::error::OrderError;

impl Store {
    /// The answer that an earlier cancellation with this key was given.
    pub(crate) async fn cancelled_earlier(
        &self,
        key: &ScopedKey,
        deadline: Deadline,
    ) -> Result<Option<Answer<Order>>, OrderError> {
        let Some(Answer { value, replay_of }) = self.cancellations.find(key, deadline).await? else {
            return Ok(None);
        };
        let value = Order::try_from(value).map_err(mongo::Error::from)?;
        Ok(Some(Answer { value, replay_of }))
    }

    /// Makes it impossible that an earlier attempt of a request cancels the order, or gives the answer of one that has.
    pub(crate) async fn fence_cancellation(
        &self,
        request: &KeyedRequest,
        deadline: Deadline,
    ) -> Result<Option<Answer<Order>>, OrderError> {
        let Some(Answer { value, replay_of }) =
            self.cancellations.fence(&request.key, &request.request_id, deadline).await?
        else {
            return Ok(None);
        };
        let value = Order::try_from(value).map_err(mongo::Error::from)?;
        Ok(Some(Answer { value, replay_of }))
    }

    pub(super) async fn in_session(
        &self,
        session: &mut ClientSession,
        id: OrderId,
    ) -> Result<OrderDocument, Abort<OrderError>> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
        let found = self.orders.find_one(filter).session(session).await?;
        found.ok_or(Abort::Refused(Refusal::NotFound.into()))
    }

    /// Writes a transition.
    pub(super) async fn step(
        &self,
        session: &mut ClientSession,
        transition: &Transition,
    ) -> Result<(), Abort<OrderError>> {
        let (filter, update) = conditional_update(transition).map_err(refused)?;
        let stepped = self.orders.update_one(filter, update).session(session).await?;
        // The snapshot has this version, and a later write conflicts with this one.
        let differs = || Abort::Driver(DriverError::custom("an order differs from its snapshot"));
        if stepped.matched_count == 1 { Ok(()) } else { Err(differs()) }
    }
}

/// A transition as a statement of the `update` command.
pub(super) fn update_statement(transition: &Transition) -> Result<Document, ConvertError> {
    let (filter, update) = conditional_update(transition)?;
    Ok(doc! { "q": filter, "u": update })
}

/// The filter and the update of a transition. Snapshot and version make it the only one from that state.
fn conditional_update(transition: &Transition) -> Result<(Document, Document), ConvertError> {
    let after = &transition.after;
    let filter = doc! {
        "_id": to_bson_uuid(after.id.as_uuid()),
        "version": to_i64("version", transition.from_version)?,
        "status": transition.from_status.name(),
    };
    let mut set = doc! { "status": after.status.name(), "version": to_i64("version", after.version)? };
    let mut unset = Document::new();
    for (name, time) in [("paidAt", after.paid_at), ("cancelledAt", after.cancelled_at)] {
        if time == Some(transition.at) {
            set.insert(name, to_bson_time(transition.at));
        }
    }
    for (line, movement) in transition.returned_by.iter().enumerate() {
        set.insert(format!("lines.{line}.returnedBy"), to_bson_uuid(movement.as_uuid()));
    }
    if let Some(at) = transition.refund_due_at {
        set.extend(doc! { "refundDue": true, "followUpAt": to_bson_time(at) });
    }
    if let Some(verdict) = transition.review {
        set.insert("risk.review", review_name(verdict));
        unset.insert("reviewAt", "");
    }
    if transition.ends_claim {
        unset.extend(doc! { "payment": "", "followUpAt": "" });
    }
    let mut update = doc! { "$set": set };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    Ok((filter, update))
}

pub(super) fn refused(error: impl Into<mongo::Error>) -> Abort<OrderError> {
    Abort::Refused(OrderError::Store(error.into()))
}
