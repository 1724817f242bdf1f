//! Steps of the state machine that give stock back: cancelling and expiring.

use futures::FutureExt as _;
use ids::OrderId;
use jiff::Timestamp;
use mongo::idempotency::{Answer, ScopedKey};
use mongo::{Abort, to_bson_time, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use service::Deadline;
use stock::Reason;

use super::Store;
use super::document::OrderDocument;
use crate::domain::{Order, Status};
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

    /// Cancels an order and gives its stock back; a paid one is marked to be refunded. Refused while a payment of it
    /// is under way.
    pub(crate) async fn cancel(
        &self,
        id: OrderId,
        key: ScopedKey,
        request_id: String,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<Order, OrderError> {
        let store = self.clone();
        let transaction = self.db.transact(deadline, move |session| {
            let (store, key, request_id) = (store.clone(), key.clone(), request_id.clone());
            async move {
                let document = store.in_session(session, id).await?;
                if document.payment.is_some() {
                    return Err(Abort::Refused(OrderError::BeingPaid));
                }
                let before = Order::try_from(document.clone()).map_err(refused)?;
                let after = before.clone().cancel(at).map_err(|error| Abort::Refused(error.into()))?;
                store.cancellations.record(session, &key, &request_id, &document.with_order(&after)).await?;
                let mut set = doc! { "cancelledAt": to_bson_time(at) };
                if before.status == Status::Paid {
                    set.extend(doc! { "refundDue": true, "followUpAt": to_bson_time(at) });
                }
                store.step(session, &before, &after, set, doc! {}).await?;
                let lines = after.quantities();
                store.ledger.give_back(session, id, &lines, Reason::OrderCancelled, at).await?;
                Ok(after)
            }
            .boxed()
        });
        Ok(transaction.await?)
    }

    /// Expires an order that nobody is paying and gives its stock back; `false` when it is no longer one.
    pub(crate) async fn expire(
        &self,
        id: OrderId,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<bool, OrderError> {
        let store = self.clone();
        let transaction = self.db.transact(deadline, move |session| {
            let store = store.clone();
            async move {
                let document = store.in_session(session, id).await?;
                if document.payment.is_some() {
                    return Ok(false);
                }
                let before = Order::try_from(document).map_err(refused)?;
                let Ok(after) = before.clone().expire() else { return Ok(false) };
                store.step(session, &before, &after, doc! {}, doc! {}).await?;
                let lines = after.quantities();
                store.ledger.give_back(session, id, &lines, Reason::OrderExpired, at).await?;
                Ok::<bool, Abort<OrderError>>(true)
            }
            .boxed()
        });
        Ok(transaction.await?)
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

    /// Writes a step. The snapshot and the version make it the only one from that state.
    pub(super) async fn step(
        &self,
        session: &mut ClientSession,
        before: &Order,
        after: &Order,
        mut set: Document,
        unset: Document,
    ) -> Result<(), Abort<OrderError>> {
        let version = |order: &Order| mongo::to_i64("version", order.version).map_err(refused);
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
        let stepped = self.orders.update_one(filter, update).session(session).await?;
        if stepped.matched_count == 1 { Ok(()) } else { Err(Abort::Refused(OrderError::BeingPaid)) }
    }
}

pub(super) fn refused(error: impl Into<mongo::Error>) -> Abort<OrderError> {
    Abort::Refused(OrderError::Store(error.into()))
}
