//! Cancels an order: its stock comes back at once, and what was paid for it follows.

use ids::{IdempotencyKey, OrderId};
use mongo::idempotency::{Answer, Conflict, ScopedKey};
use service::RequestContext;

use super::App;
use crate::domain::Order;
use crate::error::OrderError;

/// What the owner or an admin wants.
#[derive(Debug)]
pub(crate) struct Cancellation {
    pub(crate) id: OrderId,
    pub(crate) key: IdempotencyKey,
}

impl App {
    pub(crate) async fn cancel_order(
        &self,
        context: &RequestContext,
        cancellation: Cancellation,
    ) -> Result<Answer<Order>, OrderError> {
        let caller = context.require_caller()?;
        let id = self.order(context, cancellation.id).await?.id;
        let key = ScopedKey::new(caller.user_id, "cancel-order", &cancellation.key, &id)?;
        if let Some(answer) = self.store.cancelled_earlier(&key, context.deadline).await? {
            return Ok(answer);
        }
        let cancelled = self
            .store
            .cancel(id, key.clone(), context.request_id.clone(), ids::now(), context.deadline)
            .await;
        match cancelled {
            Ok(order) => {
                self.refund_soon(context, &order);
                Ok(Answer::first(order))
            }
            Err(OrderError::Conflict(Conflict::Finished)) => {
                let earlier = self.store.cancelled_earlier(&key, context.deadline).await?;
                earlier.ok_or(OrderError::Conflict(Conflict::InFlight))
            }
            Err(error) => Err(error),
        }
    }
}
