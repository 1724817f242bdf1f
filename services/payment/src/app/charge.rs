//! Charges an order, once.

use primitives::PaymentId;
use secrecy::SecretString;
use service::Deadline;

use super::{MAX_ROUNDS, Payments};
use crate::domain::charge::{self, ChargeDecision};
use crate::domain::{Charge, Means, Order, Payment, Refusal};
use crate::error::{Error, ProviderError};

impl Payments {
    /// Returns the order's captured payment, and charges the order if it has none.
    ///
    /// A payment whose outcome is unknown is looked up. The provider is asked again only when it does not know the
    /// charge, and under the same idempotency key.
    ///
    /// # Errors
    /// `InsufficientFunds` and `Declined` leave the order free to be paid again; an unknown outcome does not.
    /// `AlreadyRefunded`, or `OtherPayment` when the order has a payment of another amount or user.
    pub(crate) async fn charge(&self, order: Order, means: &Means, deadline: Deadline) -> Result<Payment, Error> {
        order.check(self.currency)?;
        for _ in 0..MAX_ROUNDS {
            let live = self.store.live(order.id, deadline).await?;
            let paid = match charge::decide(&order, live, means)? {
                ChargeDecision::Paid(payment) => Some(payment),
                ChargeDecision::LookUp(pending) => Some(self.go_on(&pending, means, deadline).await?),
                ChargeDecision::PayFromBalance => self.pay_from_balance(order, deadline).await?,
                ChargeDecision::PayByCard(token) => self.pay_by_card(&order, token, deadline).await?,
            };
            if let Some(payment) = paid {
                return Ok(payment);
            }
        }
        Err(Refusal::OutcomeUnknown.into())
    }

    async fn go_on(&self, pending: &Payment, means: &Means, deadline: Deadline) -> Result<Payment, Error> {
        let looked_up = self.look_up(pending, deadline).await?;
        match charge::retry_with(&looked_up, means) {
            Some(token) => self.capture(looked_up, token.clone(), deadline).await,
            None => Ok(charge::captured(looked_up)?),
        }
    }

    /// `None` when another request created a live payment first.
    async fn pay_from_balance(&self, order: Order, deadline: Deadline) -> Result<Option<Payment>, Error> {
        match self.store.pay_from_balance(order, deadline).await {
            Ok(payment) => {
                super::settle::count(payment.method, payment.status);
                Ok(Some(payment))
            }
            Err(Error::Refused(Refusal::AlreadyLive)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records the payment before the provider is asked, so that it can be looked up after a crash. `None` when another
    /// request created a live payment first.
    async fn pay_by_card(
        &self,
        order: &Order,
        token: &SecretString,
        deadline: Deadline,
    ) -> Result<Option<Payment>, Error> {
        let payment = Payment::by_card(order, primitives::now());
        if !self.store.begin(&payment, payment.created_at + self.first_look, deadline).await? {
            return Ok(None);
        }
        self.capture(payment, token.clone(), deadline).await.map(Some)
    }

    async fn capture(&self, payment: Payment, token: SecretString, deadline: Deadline) -> Result<Payment, Error> {
        let this = self.clone();
        let work = async move {
            let charge = this.ask(&payment, &token, deadline).await?;
            Ok(charge::captured(this.settle(&payment, &charge).await?)?)
        };
        self.run_to_end(work).await
    }

    /// Asks the provider for the money, and looks the charge up if the answer does not report the outcome. A quarter of
    /// the time is reserved for that.
    async fn ask(&self, payment: &Payment, token: &SecretString, deadline: Deadline) -> Result<Charge, Error> {
        let left = deadline.remaining()?;
        let asked = self.provider.charge(payment.id, payment.amount, token, deadline.at_most(left * 3 / 4)).await;
        let unknown = match asked {
            Ok(charge) => return Ok(charge),
            Err(error) => error,
        };
        log_unknown(payment.id, &unknown);
        Ok(self.provider.find(payment.id, deadline).await?.ok_or(unknown)?)
    }
}

fn log_unknown(payment: PaymentId, error: &ProviderError) {
    tracing::warn!(payment_id = %payment, %error, "the outcome of a charge is unknown; looking it up");
}
