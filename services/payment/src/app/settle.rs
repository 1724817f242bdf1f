//! Write down how a card payment stands at the provider.

use std::time::Duration;

use mongo::TransactError;
use service::Deadline;

use super::{Error, Payments};
use crate::domain::{Method, Payment, Status};
use crate::provider::{Charge, ChargeStatus};
use crate::store::{Refusal, Step};

/// How long writing an outcome down may take. It has a budget of its own: it is worth most when the request's is used
/// up.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(5);

impl Payments {
    /// Asks the provider how a pending payment stands and writes it down. The payment comes back as pending when the
    /// provider has not heard of it.
    pub(super) async fn look_up(&self, payment: &Payment, deadline: Deadline) -> Result<Payment, Error> {
        match self.provider.find(payment.id, deadline).await {
            Ok(Some(charge)) => self.settle(payment, &charge).await,
            Ok(None) => Ok(payment.clone()),
            Err(error) => Err(Error::OutcomeUnknown(Some(error))),
        }
    }

    /// Writes the outcome of a pending payment down; if somebody else has done so, gives what they wrote.
    pub(super) async fn settle(&self, payment: &Payment, charge: &Charge) -> Result<Payment, Error> {
        let to = match charge.status {
            ChargeStatus::Captured => Status::Captured,
            ChargeStatus::Declined | ChargeStatus::Voided => Status::Declined,
            ChargeStatus::Refunded => Status::Refunded,
        };
        self.finish(payment, to, Some(charge.reference.clone())).await
    }

    /// Takes a payment from its present status to one that is settled, or gives the one that it has by now.
    pub(super) async fn finish(
        &self,
        payment: &Payment,
        to: Status,
        provider_reference: Option<String>,
    ) -> Result<Payment, Error> {
        let deadline = Deadline::after(WRITE_WITHIN);
        let step = Step { from: payment.status, to, provider_reference, due_at: None };
        match self.store.step(payment.id, step, deadline).await {
            Ok(()) => {
                count(payment.method, to);
                Ok(Payment { status: to, ..payment.clone() })
            }
            Err(TransactError::Refused(Refusal::Changed)) => {
                let present = self.store.payment(payment.id, deadline).await?;
                present.ok_or(Error::InvalidState("the payment is gone"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn count(method: Method, status: Status) {
    metrics::counter!("payments_settled_total", "method" => method.name(), "status" => status.name()).increment(1);
}
