//! Cancels an order: its stock is returned at once, and a captured payment is given back after that.

use idempotency::{Answer, Conflict, ScopedKey};
use service::RequestContext;

use super::App;
use crate::domain::{Cancellation, Cause, KeyedRequest, Order, Refusal, Release, Work};
use crate::error::OrderError;

impl App {
    /// Cancels an order on behalf of its owner or an administrator.
    pub(crate) async fn cancel_order(
        &self,
        context: &RequestContext,
        cancellation: Cancellation,
    ) -> Result<Answer<Order>, OrderError> {
        let caller = context.require_caller()?;
        let order = self.order(context, cancellation.id).await?;
        let key = ScopedKey::new(caller.user_id, "cancel-order", &cancellation.key, &cancellation)?;
        if let Some(answer) = self.store.cancelled_earlier(&key, context.deadline).await? {
            return Ok(answer);
        }
        let cause = Cause::Cancelled(KeyedRequest { key: key.clone(), request_id: context.request_id.clone() });
        let work = Work::Release(Release { order, cause });
        match self.lanes.commit(work, context.deadline).await {
            Ok(answer) => {
                self.refund_soon(context, &answer.value);
                Ok(answer)
            }
            // A concurrent duplicate on another replica may have cancelled it.
            Err(OrderError::Refused(refusal @ (Refusal::Conflict(Conflict::Finished) | Refusal::InvalidState(_)))) => {
                let earlier = self.store.cancelled_earlier(&key, context.deadline).await?;
                earlier.ok_or(OrderError::Refused(refusal))
            }
            Err(error) => Err(error),
        }
    }
}
