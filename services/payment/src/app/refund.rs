//! Give back what was captured for an order, once.

use mongo::TransactError;
use primitives::OrderId;
use service::Deadline;

use super::{Error, MAX_ROUNDS, Payments};
use crate::domain::{Method, Payment, Status};
use crate::provider::{ChargeStatus, ProviderError};
use crate::store::{Refusal, Step};

const NOTHING_TO_REFUND: Error = Error::InvalidState("nothing was captured for the order");

impl Payments {
    /// Gives the refunded payment, refunding it when that was not done.
    ///
    /// A card's refund is decided, durably, before the provider is asked. So after `OutcomeUnknown` it need not be
    /// asked for again: the resolver carries it out.
    ///
    /// # Errors
    /// `InvalidState` when there is nothing to give back; `OutcomeUnknown` when the provider does not answer.
    pub(crate) async fn refund(&self, order: OrderId, deadline: Deadline) -> Result<Payment, Error> {
        for _ in 0..MAX_ROUNDS {
            let payment = self.store.live(order, deadline).await?.ok_or(NOTHING_TO_REFUND)?;
            match (payment.status, payment.method) {
                (Status::Refunded, _) => return Ok(payment),
                (Status::Declined, _) => return Err(NOTHING_TO_REFUND),
                (Status::Refunding, _) => return self.carry_out(payment, deadline).await,
                (Status::Pending, _) => {
                    if self.look_up(&payment, deadline).await?.status == Status::Pending {
                        return Err(Error::OutcomeUnknown(None));
                    }
                }
                (Status::Captured, Method::Balance) => {
                    if let Some(refunded) = self.refund_to_balance(payment, deadline).await? {
                        return Ok(refunded);
                    }
                }
                (Status::Captured, Method::Card) => {
                    if let Some(refunding) = self.decide(payment, deadline).await? {
                        return self.carry_out(refunding, deadline).await;
                    }
                }
            }
        }
        Err(Error::OutcomeUnknown(None))
    }

    /// `None` when another request got ahead.
    async fn refund_to_balance(&self, payment: Payment, deadline: Deadline) -> Result<Option<Payment>, Error> {
        match self.store.refund_to_balance(&payment, deadline).await {
            Ok(()) => {
                super::settle::count(payment.method, Status::Refunded);
                Ok(Some(Payment { status: Status::Refunded, ..payment }))
            }
            Err(TransactError::Refused(Refusal::Changed)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Marks a captured card payment for refund. `None` when another request got ahead.
    async fn decide(&self, payment: Payment, deadline: Deadline) -> Result<Option<Payment>, Error> {
        let step = Step {
            from: Status::Captured,
            to: Status::Refunding,
            provider_reference: None,
            due_at: Some(primitives::now() + self.first_look),
        };
        match self.store.step(payment.id, step, deadline).await {
            Ok(()) => Ok(Some(Payment { status: Status::Refunding, ..payment })),
            Err(TransactError::Refused(Refusal::Changed)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Has the provider give the money back; asking it again is safe.
    pub(super) async fn carry_out(&self, refunding: Payment, deadline: Deadline) -> Result<Payment, Error> {
        let this = self.clone();
        let work = async move {
            let answered = this.provider.refund(refunding.id, deadline).await;
            let charge = answered.map_err(|error| Error::OutcomeUnknown(Some(error)))?;
            if charge.status != ChargeStatus::Refunded {
                let error = ProviderError::Unreadable("a charge was not refunded and it does not say why");
                return Err(Error::OutcomeUnknown(Some(error)));
            }
            this.finish(&refunding, Status::Refunded, Some(charge.reference)).await
        };
        self.to_the_end(work).await
    }
}
