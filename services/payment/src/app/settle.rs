//! Records the status that a card payment has at the provider.

use std::time::Duration;

use service::Deadline;

use super::Payments;
use crate::domain::{Charge, Method, Payment, Refusal, Status, Step, Transition, settlement};
use crate::error::Error;

/// How long recording an outcome may take. It has a time budget of its own, because the outcome matters most when the
/// request's is used up.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(5);

impl Payments {
    /// Looks a pending payment up at the provider and records its outcome. The payment stays pending when the provider
    /// does not know it.
    pub(super) async fn look_up(&self, payment: &Payment, deadline: Deadline) -> Result<Payment, Error> {
        match self.provider.find(payment.id, deadline).await? {
            Some(charge) => self.settle(payment, &charge).await,
            None => Ok(payment.clone()),
        }
    }

    /// Records the outcome of a pending payment, or returns the payment as another request has recorded it.
    pub(super) async fn settle(&self, pending: &Payment, charge: &Charge) -> Result<Payment, Error> {
        self.finish(pending, settlement::settle(charge.status), charge.reference.clone()).await
    }

    /// Takes a transition that settles a payment, or returns the payment as another request has left it.
    pub(super) async fn finish(
        &self,
        payment: &Payment,
        transition: Transition,
        provider_reference: String,
    ) -> Result<Payment, Error> {
        let deadline = Deadline::after(WRITE_WITHIN);
        let step = Step::take(transition, Some(provider_reference));
        match self.store.step(payment.id, step, deadline).await {
            Ok(()) => {
                count(payment.method, transition.to());
                Ok(transition.apply(payment.clone()))
            }
            Err(Error::Refused(Refusal::Changed)) => {
                let present = self.store.payment(payment.id, deadline).await?;
                Ok(present.ok_or(Refusal::NoSuchPayment)?)
            }
            Err(error) => Err(error),
        }
    }
}

pub(super) fn count(method: Method, status: Status) {
    metrics::counter!("payments_settled_total", "method" => method.name(), "status" => status.name()).increment(1);
}
