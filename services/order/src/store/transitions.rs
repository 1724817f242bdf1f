//! Steps of an order's state machine as conditional writes.

use idempotency::{Answer, ScopedKey};
use mongo::{Abort, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use primitives::OrderId;
use service::Deadline;

use super::Store;
use super::document::OrderDocument;
use crate::domain::Order;
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

    pub(super) async fn in_session(
        &self,
        session: &mut ClientSession,
        id: OrderId,
    ) -> Result<OrderDocument, Abort<OrderError>> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
        let found = self.orders.find_one(filter).session(session).await?;
        found.ok_or(Abort::Refused(OrderError::NotFound))
    }

    /// Writes a step.
    pub(super) async fn step(
        &self,
        session: &mut ClientSession,
        before: &Order,
        after: &Order,
        set: Document,
        unset: Document,
    ) -> Result<(), Abort<OrderError>> {
        let (filter, update) = step(before, after, set, unset).map_err(Abort::Refused)?;
        let stepped = self.orders.update_one(filter, update).session(session).await?;
        if stepped.matched_count == 1 { Ok(()) } else { Err(Abort::Refused(OrderError::BeingPaid)) }
    }
}

/// The filter and the update of a step. The snapshot and the version make it the only one from that state.
pub(super) fn step(
    before: &Order,
    after: &Order,
    mut set: Document,
    unset: Document,
) -> Result<(Document, Document), OrderError> {
    let version = |order: &Order| mongo::to_i64("version", order.version).map_err(mongo::Error::from);
    let filter = doc! {
        "_id": to_bson_uuid(before.id.as_uuid()),
        "version": version(before)?,
        "status": before.status.name(),
    };
    set.extend(doc! { "status": after.status.name(), "version": version(after)? });
    let mut update = doc! { "$set": set };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    Ok((filter, update))
}

pub(super) fn refused(error: impl Into<mongo::Error>) -> Abort<OrderError> {
    Abort::Refused(OrderError::Store(error.into()))
}
