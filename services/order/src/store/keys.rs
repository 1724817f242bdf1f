//! What an idempotency key has placed before. An order is its own idempotency record: its unique key is what a twin
//! runs into, here or on another replica.

use envelope::Error;
use idempotency::{Answer, Fingerprint, fingerprint, key_reused};
use mongo::{bounded, to_bson_uuid};
use mongodb::bson::{Document, doc};
use primitives::{IdempotencyKey, UserId};
use service::Deadline;

use super::Store;
use super::document::OrderDocument;
use crate::domain::{Attempt, Order};
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
    /// The order that this key has placed before, as it was answered then.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` when it was for another request.
    pub(crate) async fn placed_earlier(
        &self,
        placed_by: &PlacedBy,
        deadline: Deadline,
    ) -> Result<Option<Answer<Order>>, OrderError> {
        let filter = placed_by.filter();
        let found = bounded(deadline, |left| self.orders.find_one(filter).max_time(left)).await?;
        found.map(|document| placed_by.answer(document)).transpose()
    }
}

impl PlacedBy {
    /// Names the attempt: the same whenever this key is sent, and nothing that a customer could choose.
    pub(crate) fn attempt(&self) -> Result<Attempt, Error> {
        let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            fingerprint(&(self.user_id, self.key.as_str()))?;
        Ok(first)
    }

    pub(super) fn filter(&self) -> Document {
        doc! { "userId": to_bson_uuid(self.user_id.as_uuid()), "idempotencyKey": self.key.as_str() }
    }

    /// Whether an order was placed under this key.
    pub(super) fn has_placed(&self, document: &OrderDocument) -> bool {
        document.user_id == to_bson_uuid(self.user_id.as_uuid()) && document.idempotency_key == self.key.as_str()
    }

    /// What this request is told about the order that its key has placed before.
    pub(super) fn answer(&self, document: OrderDocument) -> Result<Answer<Order>, OrderError> {
        if document.fingerprint.bytes != self.fingerprint {
            return Err(OrderError::Envelope(key_reused()));
        }
        let request_id = document.request_id.clone();
        let order = Order::try_from(document).map_err(mongo::Error::from)?;
        Ok(Answer { value: order.into_placed(), replay_of: Some(request_id) })
    }
}
