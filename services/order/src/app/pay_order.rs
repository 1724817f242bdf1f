//! Pays an order. One attempt has the order to itself from before the payment service is asked until its answer is
//! written down; an attempt that is cut off is finished by [`super::follow_up`].

use envelope::{Error, Reason};
use idempotency::{Answer, Conflict, ScopedKey};
use primitives::{IdempotencyKey, OrderId};
use service::{OnFailure, RequestContext};

use super::{App, BACKGROUND_BUDGET};
use crate::domain::{InvalidState, Method, Order, Payment, Status};
use crate::error::OrderError;
use crate::grpc::Uncharged;
use crate::store::{Claim, Claimed};

/// What the owner wants.
#[derive(Debug)]
pub(crate) struct PaymentRequest {
    pub(crate) id: OrderId,
    pub(crate) method: Method,
    pub(crate) key: IdempotencyKey,
}

impl App {
    pub(crate) async fn pay_order(
        &self,
        context: &RequestContext,
        request: PaymentRequest,
    ) -> Result<Answer<Payment>, OrderError> {
        let caller = context.require_caller()?;
        let order = self.order(context, request.id).await?;
        if order.user_id != caller.user_id {
            return Err(Error::new(Reason::Forbidden, "only the owner pays an order").into());
        }
        let key = ScopedKey::new(caller.user_id, "pay-order", &request.key, &(order.id, &request.method))?;
        if let Some(answer) = self.store.paid_earlier(&key, context.deadline).await? {
            return Ok(answer);
        }
        let claim = Claim::new(key, context.request_id.clone());
        let lease = self.config.payment_lease();
        let claimed = match self.store.claim(order.id, &claim, lease, context.deadline).await {
            Ok(claimed) => claimed,
            // An earlier attempt with this key may have paid it since.
            Err(error @ OrderError::InvalidState(_)) => {
                let earlier = self.store.paid_earlier(&claim.key, context.deadline).await?;
                return earlier.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        // From here on the request may be dropped: what was begun is brought to its end.
        let (app, context) = (self.clone(), context.clone());
        let work = async move { app.charge(&context, &claimed, &claim, request.method).await };
        let panicked = || Error::internal("a payment panicked").into();
        self.tasks.run_to_end("payment", work).await.unwrap_or_else(|| Err(panicked()))
    }

    async fn charge(
        &self,
        context: &RequestContext,
        Claimed { order, overtakes }: &Claimed,
        claim: &Claim,
        method: Method,
    ) -> Result<Answer<Payment>, OrderError> {
        match self.payments.charge(context, order, method).await {
            Ok(payment) => self.settle(order.id, claim, payment).await,
            Err(Uncharged { error, is_certain }) => {
                // What was overtaken may still be charging, whatever became of this attempt: the follow-up looks later.
                if is_certain && !overtakes {
                    let context = RequestContext::internal(BACKGROUND_BUDGET);
                    self.store.release(order.id, claim, context.deadline).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Writes a captured payment down. The caller's deadline no longer counts: the money has moved.
    pub(super) async fn settle(
        &self,
        id: OrderId,
        claim: &Claim,
        payment: Payment,
    ) -> Result<Answer<Payment>, OrderError> {
        let context = RequestContext::internal(BACKGROUND_BUDGET);
        match self.store.settle(id, claim, &payment, primitives::now(), context.deadline).await {
            Ok(()) => Ok(Answer::first(payment)),
            Err(OrderError::Conflict(Conflict::Finished)) => {
                let earlier = self.store.paid_earlier(&claim.key, context.deadline).await?;
                earlier.ok_or(OrderError::Conflict(Conflict::InFlight))
            }
            Err(OrderError::InvalidState(InvalidState(state @ (Status::Cancelled | Status::Expired)))) => {
                self.store.owe_refund(id, context.deadline).await?;
                Err(InvalidState(state).into())
            }
            Err(error) => Err(error),
        }
    }

    /// Gives a cancelled order's payment back now; if that fails, the follow-up does it.
    pub(super) fn refund_soon(&self, context: &RequestContext, order: &Order) {
        if order.paid_at.is_none() {
            return;
        }
        let (app, id) = (self.clone(), order.id);
        let context = RequestContext { deadline: service::Deadline::after(BACKGROUND_BUDGET), ..context.clone() };
        self.tasks.spawn("refund", OnFailure::Log, async move { app.refund(&context, id).await });
    }

    pub(super) async fn refund(&self, context: &RequestContext, id: OrderId) -> Result<(), OrderError> {
        self.payments.refund(context, id).await?;
        self.store.refunded(id, context.deadline).await
    }
}
