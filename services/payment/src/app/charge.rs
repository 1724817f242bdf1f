//! Charge an order, once.

use std::fmt;

use mongo::TransactError;
use primitives::PaymentId;
use secrecy::SecretString;
use service::Deadline;

use super::{Error, MAX_ROUNDS, Payments};
use crate::domain::{Method, Order, Payment, Status};
use crate::provider::{Charge, ProviderError};
use crate::store::Refusal;

/// What an order is to be paid with.
#[derive(Clone)]
pub(crate) enum Means {
    /// The owner's account.
    Balance,
    /// A card, by the provider's token for it. The token is handed on and never stored.
    Card(SecretString),
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Balance => "Balance",
            Self::Card(_) => "Card([redacted])",
        })
    }
}

impl Payments {
    /// Gives the order's captured payment, charging for it when there is none.
    ///
    /// A payment whose outcome is unknown is looked up. Only when the provider has not heard of it, it is asked again,
    /// under the same idempotency key.
    ///
    /// # Errors
    /// `InsufficientFunds` and `Declined` leave the order free to be paid again; `OutcomeUnknown` does not.
    /// `InvalidState` when the order's payment was given back, or was of another amount or user.
    pub(crate) async fn charge(&self, order: Order, means: &Means, deadline: Deadline) -> Result<Payment, Error> {
        self.check(&order)?;
        for _ in 0..MAX_ROUNDS {
            if let Some(live) = self.store.live(order.id, deadline).await? {
                return self.go_on(live, &order, means, deadline).await;
            }
            let paid = match means {
                Means::Balance => self.pay_from_balance(order, deadline).await?,
                Means::Card(token) => self.pay_by_card(&order, token, deadline).await?,
            };
            if let Some(payment) = paid {
                return Ok(payment);
            }
        }
        Err(Error::OutcomeUnknown(None))
    }

    fn check(&self, order: &Order) -> Result<(), Error> {
        if order.amount.amount() <= 0 {
            return Err(Error::AmountOutOfRange("must be above 0"));
        }
        if order.amount.currency() != self.currency {
            return Err(Error::WrongCurrency(self.currency));
        }
        Ok(())
    }

    /// Answers by the payment that the order has.
    async fn go_on(&self, live: Payment, order: &Order, means: &Means, deadline: Deadline) -> Result<Payment, Error> {
        if !live.is_of(order) {
            return Err(Error::InvalidState("the order has a payment of another amount or user"));
        }
        if live.status != Status::Pending {
            return captured(live);
        }
        let looked_up = self.look_up(&live, deadline).await?;
        match (looked_up.status, means) {
            (Status::Pending, Means::Card(token)) => self.capture(live, token.clone(), deadline).await,
            _ => captured(looked_up),
        }
    }

    /// `None` when another request has made a live payment meanwhile.
    async fn pay_from_balance(&self, order: Order, deadline: Deadline) -> Result<Option<Payment>, Error> {
        match self.store.pay_from_balance(order, deadline).await {
            Ok(payment) => {
                super::settle::count(payment.method, payment.status);
                Ok(Some(payment))
            }
            Err(TransactError::Refused(Refusal::AlreadyLive)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The payment is recorded before the provider is asked, so that a crash leaves something to look up. `None` when
    /// another request has made a live payment meanwhile.
    async fn pay_by_card(
        &self,
        order: &Order,
        token: &SecretString,
        deadline: Deadline,
    ) -> Result<Option<Payment>, Error> {
        let payment = Payment::new(order, Method::Card, Status::Pending, primitives::now());
        if !self.store.begin(&payment, payment.created_at + self.first_look, deadline).await? {
            return Ok(None);
        }
        self.capture(payment, token.clone(), deadline).await.map(Some)
    }

    async fn capture(&self, payment: Payment, token: SecretString, deadline: Deadline) -> Result<Payment, Error> {
        let this = self.clone();
        let work = async move {
            let charge = this.ask(&payment, &token, deadline).await?;
            captured(this.settle(&payment, &charge).await?)
        };
        self.to_the_end(work).await
    }

    /// Asks for the money, and looks the outcome up if the answer does not tell it. A quarter of the time is kept for
    /// that.
    async fn ask(&self, payment: &Payment, token: &SecretString, deadline: Deadline) -> Result<Charge, Error> {
        let left = deadline.remaining().map_err(mongo::Error::from)?;
        let asked = self.provider.charge(payment.id, payment.amount, token, deadline.at_most(left * 3 / 4)).await;
        let unknown = match asked {
            Ok(charge) => return Ok(charge),
            Err(error) => error,
        };
        log_unknown(payment.id, &unknown);
        match self.provider.find(payment.id, deadline).await {
            Ok(Some(charge)) => Ok(charge),
            Ok(None) => Err(Error::OutcomeUnknown(Some(unknown))),
            Err(error) => Err(Error::OutcomeUnknown(Some(error))),
        }
    }
}

fn log_unknown(payment: PaymentId, error: &ProviderError) {
    tracing::warn!(payment_id = %payment, %error, "the outcome of a charge is unknown and is looked up");
}

/// The payment, if the money is ours.
fn captured(payment: Payment) -> Result<Payment, Error> {
    match payment.status {
        Status::Captured => Ok(payment),
        Status::Declined => Err(Error::Declined),
        Status::Pending => Err(Error::OutcomeUnknown(None)),
        Status::Refunding | Status::Refunded => Err(Error::InvalidState("the order's payment was given back")),
    }
}
