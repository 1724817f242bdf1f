//! Cancels an order: its stock comes back at once, and what was paid for it follows.

use idempotency::{Answer, Conflict, ScopedKey};
use primitives::{IdempotencyKey, OrderId};
use service::RequestContext;

use super::App;
use crate::domain::Order;
use crate::error::OrderError;
use crate::store::{Cause, Release, Work};

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
        let order = self.order(context, cancellation.id).await?;
        let key = ScopedKey::new(caller.user_id, "cancel-order", &cancellation.key, &order.id)?;
        if let Some(answer) = self.store.cancelled_earlier(&key, context.deadline).await? {
            return Ok(answer);
        }
        let cause = Cause::Cancelled { key: key.clone(), request_id: context.request_id.clone() };
        let work = Work::Release(Release { order, cause });
        match self.lanes.commit(work, context.deadline).await {
            Ok(answer) => {
                self.refund_soon(context, &answer.value);
                Ok(answer)
            }
            // By a twin on another replica, perhaps.
            Err(error @ (OrderError::Conflict(Conflict::Finished) | OrderError::InvalidState(_))) => {
                let earlier = self.store.cancelled_earlier(&key, context.deadline).await?;
                earlier.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}
