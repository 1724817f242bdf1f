//! Pays an order. The attempt claims the order before it asks the payment service, and holds the claim until the answer
//! is recorded; [`super::follow_up`] finishes an attempt that was cut off.

use envelope::Error;
use idempotency::{Answer, Conflict, ScopedKey};
use primitives::OrderId;
use service::{OnFailure, RequestContext};

use super::{App, BACKGROUND_BUDGET};
use crate::domain::{
    Claimed, InvalidState, KeyedRequest, Method, Order, Payment, PaymentClaim, PaymentRequest, Refusal, Status,
};
use crate::error::OrderError;
use crate::upstreams::Uncharged;

impl App {
    /// Pays an order on behalf of its owner, or gives the answer again that the key was given before.
    pub(crate) async fn pay_order(
        &self,
        context: &RequestContext,
        request: PaymentRequest,
    ) -> Result<Answer<Payment>, OrderError> {
        let caller = context.require_caller()?;
        let order = self.order(context, request.id).await?;
        if order.user_id != caller.user_id {
            return Err(Refusal::NotOwner.into());
        }
        let key = ScopedKey::new(caller.user_id, "pay-order", &request.key, &request)?;
        if let Some(answer) = self.store.paid_earlier(&key, context.deadline).await? {
            return Ok(answer);
        }
        let claim = PaymentClaim::new(KeyedRequest { key, request_id: context.request_id.clone() });
        let lease = self.config.payment_lease();
        let claimed = match self.store.claim(order.id, &claim, lease, context.deadline).await {
            Ok(claimed) => claimed,
            // An earlier attempt with this key may have paid it since.
            Err(OrderError::Refused(refusal @ Refusal::InvalidState(_))) => {
                let earlier = self.store.paid_earlier(&claim.request.key, context.deadline).await?;
                return earlier.ok_or(OrderError::Refused(refusal));
            }
            Err(error) => return Err(error),
        };
        // From here on the attempt is finished even when the request is dropped.
        let (app, context) = (self.clone(), context.clone());
        let work = async move { app.charge(&context, &claimed, &claim, request.method).await };
        let panicked = || Error::internal("a payment panicked").into();
        self.tasks.run_to_end("payment", work).await.unwrap_or_else(|| Err(panicked()))
    }

    async fn charge(
        &self,
        context: &RequestContext,
        Claimed { order, overtakes }: &Claimed,
        claim: &PaymentClaim,
        method: Method,
    ) -> Result<Answer<Payment>, OrderError> {
        match self.payments.charge(context, order, method).await {
            Ok(payment) => self.settle(order.id, claim, payment).await,
            Err(Uncharged { error, is_certain }) => {
                if PaymentClaim::ends_uncharged(is_certain, *overtakes) {
                    let context = RequestContext::internal(BACKGROUND_BUDGET);
                    self.store.release(order.id, claim, context.deadline).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Records a captured payment. The caller's deadline no longer counts: the money has moved.
    pub(super) async fn settle(
        &self,
        id: OrderId,
        claim: &PaymentClaim,
        payment: Payment,
    ) -> Result<Answer<Payment>, OrderError> {
        let context = RequestContext::internal(BACKGROUND_BUDGET);
        match self.store.settle(id, claim, &payment, primitives::now(), context.deadline).await {
            Ok(()) => Ok(Answer::first(payment)),
            Err(OrderError::Refused(Refusal::Conflict(Conflict::Finished))) => {
                let earlier = self.store.paid_earlier(&claim.request.key, context.deadline).await?;
                earlier.ok_or_else(|| Conflict::InFlight.into())
            }
            Err(OrderError::Refused(Refusal::InvalidState(InvalidState(
                state @ (Status::Cancelled | Status::Expired),
            )))) => {
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
