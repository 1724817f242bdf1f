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
        let request = KeyedRequest { key, request_id: context.request_id.clone() };
        let cause = Cause::Cancelled(request.clone());
        let work = Work::Release(Release { order, cause });
        match self.lanes.commit(work, context.deadline).await {
            Ok(answer) => {
                self.refund_soon(context, &answer.value);
                Ok(answer)
            }
            // The key has an answer, perhaps from another replica, or a fence.
            Err(OrderError::Refused(Refusal::Conflict(Conflict::Finished))) => {
                let earlier = self.store.cancelled_earlier(&request.key, context.deadline).await?;
                earlier.ok_or_else(|| Refusal::Fenced.into())
            }
            Err(OrderError::Refused(refusal)) if refusal.is_final() => {
                let earlier = if context.has_earlier_attempt {
                    self.store.fence_cancellation(&request, context.deadline).await?
                } else {
                    self.store.cancelled_earlier(&request.key, context.deadline).await?
                };
                earlier.ok_or(OrderError::Refused(refusal))
            }
            Err(error) => Err(error),
        }
    }
}
