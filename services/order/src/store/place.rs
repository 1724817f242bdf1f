//! Places an order: one transaction for the order and its stock.

use futures::FutureExt as _;
use ids::{IdempotencyKey, UserId};
use mongo::idempotency::{Answer, Conflict, Fingerprint, conflict_or, key_reused};
use mongo::{bounded, to_bson_uuid};
use mongodb::bson::doc;
use service::Deadline;

use super::Store;
use super::document::OrderDocument;
use crate::domain::Order;
use crate::error::OrderError;

/// The request that places an order.
#[derive(Debug, Clone)]
pub(crate) struct PlacedBy {
    pub(crate) user_id: UserId,
    pub(crate) key: IdempotencyKey,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) request_id: String,
}

impl Store {
    /// Commits the order together with its stock, or gives the order that the same key has placed before.
    ///
    /// The order is its own idempotency record: its unique key is what a twin runs into, here or on another replica.
    pub(crate) async fn place(
        &self,
        order: Order,
        placed_by: PlacedBy,
        deadline: Deadline,
    ) -> Result<Answer<Order>, OrderError> {
        match self.commit(order.clone(), placed_by.clone(), deadline).await {
            Ok(()) => Ok(Answer::first(order)),
            Err(OrderError::Conflict(Conflict::Finished)) => {
                let earlier = self.placed_earlier(&placed_by, deadline).await?;
                earlier.ok_or(OrderError::Conflict(Conflict::InFlight))
            }
            // Committed or not? The key tells, at majority.
            Err(OrderError::Store(error @ mongo::Error::OutcomeUnknown(_))) => {
                let found = self.placed_earlier(&placed_by, Deadline::after(LOOKUP_TIMEOUT)).await?;
                match found {
                    Some(answer) if answer.value.id == order.id => Ok(Answer::first(order)),
                    Some(answer) => Ok(answer),
                    None => Err(OrderError::Store(error)),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn commit(&self, order: Order, placed_by: PlacedBy, deadline: Deadline) -> Result<(), OrderError> {
        let store = self.clone();
        let lines = order.quantities();
        let document =
            OrderDocument::new(&order, placed_by.key.as_str(), placed_by.fingerprint, &placed_by.request_id);
        let transaction = self.db.transact(deadline, move |session| {
            let (store, document, lines) = (store.clone(), document.clone(), lines.clone());
            let (id, at) = (order.id, order.created_at);
            async move {
                store
                    .orders
                    .insert_one(document)
                    .session(&mut *session)
                    .await
                    .map_err(conflict_or::<OrderError>)?;
                store.ledger.take(session, id, &lines, at).await
            }
            .boxed()
        });
        Ok(transaction.await?)
    }

    async fn placed_earlier(
        &self,
        placed_by: &PlacedBy,
        deadline: Deadline,
    ) -> Result<Option<Answer<Order>>, OrderError> {
        let filter = doc! {
            "userId": to_bson_uuid(placed_by.user_id.as_uuid()),
            "idempotencyKey": placed_by.key.as_str(),
        };
        let found = bounded(deadline, |left| self.orders.find_one(filter).max_time(left)).await?;
        let Some(document) = found else { return Ok(None) };
        if document.fingerprint.bytes != placed_by.fingerprint {
            return Err(OrderError::Envelope(key_reused()));
        }
        let request_id = document.request_id.clone();
        let order = Order::try_from(document).map_err(mongo::Error::from)?;
        Ok(Some(Answer { value: order.into_placed(), replay_of: Some(request_id) }))
    }
}

/// How long the lookup of an unknown outcome may take; the caller's deadline has passed by then.
const LOOKUP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
