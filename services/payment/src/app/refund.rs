//! Refunds the captured payment of an order, once.

use primitives::OrderId;
use service::Deadline;

use super::{MAX_ROUNDS, Payments};
use crate::domain::refund::{self, RefundDecision};
use crate::domain::{Payment, Refusal, Step, Transition};
use crate::error::{Error, ProviderError};

impl Payments {
    /// Returns the order's refunded payment, and refunds it if that was not done before.
    ///
    /// A refund by card is recorded before the provider is asked. So after an unknown outcome it need not be requested
    /// again: the resolver carries it out.
    ///
    /// # Errors
    /// `NothingToRefund`; `OutcomeUnknown` or the provider's error when the provider does not report the outcome.
    pub(crate) async fn refund(&self, order: OrderId, deadline: Deadline) -> Result<Payment, Error> {
        for _ in 0..MAX_ROUNDS {
            match refund::decide(self.store.live(order, deadline).await?)? {
                RefundDecision::Refunded(payment) => return Ok(payment),
                RefundDecision::CarryOut(refunding) => return self.carry_out(refunding, deadline).await,
                RefundDecision::LookUp(pending) => refund::check_looked_up(&self.look_up(&pending, deadline).await?)?,
                RefundDecision::ToBalance(payment) => {
                    if let Some(refunded) = self.refund_to_balance(payment, deadline).await? {
                        return Ok(refunded);
                    }
                }
                RefundDecision::Begin(payment) => {
                    if let Some(refunding) = self.begin_refund(payment, deadline).await? {
                        return self.carry_out(refunding, deadline).await;
                    }
                }
            }
        }
        Err(Refusal::OutcomeUnknown.into())
    }

    /// `None` when another request changed the payment first.
    async fn refund_to_balance(&self, payment: Payment, deadline: Deadline) -> Result<Option<Payment>, Error> {
        match self.store.refund_to_balance(&payment, deadline).await {
            Ok(()) => {
                let refunded = Transition::RefundToBalance.apply(payment);
                super::settle::count(refunded.method, refunded.status);
                Ok(Some(refunded))
            }
            Err(Error::Refused(Refusal::Changed)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records that the refund of a captured card payment was decided. `None` when another request changed the payment
    /// first.
    async fn begin_refund(&self, payment: Payment, deadline: Deadline) -> Result<Option<Payment>, Error> {
        let transition = Transition::BeginRefund { next_look: primitives::now() + self.first_look };
        match self.store.step(payment.id, Step::take(transition, None), deadline).await {
            Ok(()) => Ok(Some(transition.apply(payment))),
            Err(Error::Refused(Refusal::Changed)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the provider give the money back; a repeated call is safe.
    pub(super) async fn carry_out(&self, refunding: Payment, deadline: Deadline) -> Result<Payment, Error> {
        let this = self.clone();
        let work = async move {
            let charge = this.provider.refund(refunding.id, deadline).await?;
            let not_refunded = ProviderError::Unreadable("a charge was not refunded and no cause is given");
            let transition = refund::carried_out(charge.status).ok_or(not_refunded)?;
            this.finish(&refunding, transition, charge.reference).await
        };
        self.run_to_end(work).await
    }
}
