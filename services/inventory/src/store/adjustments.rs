//! Adjustments of stock, each with the record of its idempotency key.

use futures::FutureExt as _;
use idempotency::{Answer, ScopedKey};
use service::Deadline;
use stock::{Movement, MovementDocument};

use super::Store;
use crate::error::InventoryError;

impl Store {
    /// The earlier answer to a request with this key.
    pub(crate) async fn adjustment(
        &self,
        key: &ScopedKey,
        deadline: Deadline,
    ) -> Result<Option<Answer<Movement>>, InventoryError> {
        let Some(Answer { value, replay_of }) = self.adjustments.find(key, deadline).await? else {
            return Ok(None);
        };
        let value = Movement::try_from(value).map_err(mongo::Error::from)?;
        Ok(Some(Answer { value, replay_of }))
    }

    /// Applies an adjustment together with the record of its idempotency key.
    pub(crate) async fn adjust(
        &self,
        key: ScopedKey,
        request_id: String,
        movement: &Movement,
        deadline: Deadline,
    ) -> Result<(), InventoryError> {
        let store = self.clone();
        let movement = movement.clone();
        let transaction = self.db.transact(deadline, move |session| {
            let (store, movement, key) = (store.clone(), movement.clone(), key.clone());
            let request_id = request_id.clone();
            async move {
                let answer = MovementDocument::from(&movement);
                store.adjustments.record(session, &key, &request_id, &answer).await?;
                let events = store.ledger.adjust(session, &movement).await?;
                Ok(store.outbox.write(session, events).await?)
            }
            .boxed()
        });
        Ok(transaction.await?)
    }
}
