//! The card provider as the payment service sees it.
//!
//! What is asked of a provider, so that nothing is charged twice and nothing gets lost:
//! - a charge is idempotent by its key, which is the payment's id;
//! - a charge can be looked up by its reference, which is the payment's id too;
//! - a reference can be voided before its charge arrives: the late charge is then refused;
//! - a refund is idempotent by the reference.

mod http;

use futures::future::BoxFuture;
use primitives::{Money, PaymentId};
use secrecy::SecretString;
use service::Deadline;

pub(crate) use http::HttpCardProvider;

/// A card provider. Calls are bounded by the deadline and by the provider's own time-out.
pub(crate) trait CardProvider: Send + Sync + 'static {
    /// Asks for money. Asking again with the same payment id gives the first answer again and takes nothing more.
    ///
    /// # Errors
    /// The outcome is unknown: the money may have been taken. It must be looked up.
    fn charge<'a>(
        &'a self,
        payment: PaymentId,
        amount: Money,
        token: &'a SecretString,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Charge, ProviderError>>;

    /// The charge of a payment; `None` when the provider has not heard of it so far. It may still arrive.
    fn find(&self, payment: PaymentId, deadline: Deadline) -> BoxFuture<'_, Result<Option<Charge>, ProviderError>>;

    /// Tells the provider to refuse the charge of this payment should it still arrive. The answer is how the charge
    /// stands then: one that was captured before stays captured.
    fn void(&self, payment: PaymentId, deadline: Deadline) -> BoxFuture<'_, Result<Charge, ProviderError>>;

    /// Gives the money of a captured charge back, once however often it is asked for.
    ///
    /// # Errors
    /// The outcome is unknown; asking again is safe.
    fn refund(&self, payment: PaymentId, deadline: Deadline) -> BoxFuture<'_, Result<Charge, ProviderError>>;
}

/// A charge at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charge {
    /// The provider's own name for it; at most 255 bytes.
    pub(crate) reference: String,
    /// How it stands.
    pub(crate) status: ChargeStatus,
}

/// How a charge at the provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChargeStatus {
    /// The money was taken.
    Captured,
    /// The card was refused; nothing was taken.
    Declined,
    /// It was voided before it arrived; nothing was or will be taken.
    Voided,
    /// The money was taken and given back.
    Refunded,
}

/// An answer that does not tell the outcome. Neither URL nor key is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The deadline or the time-out passed.
    #[error("the card provider did not answer in time")]
    TimedOut,
    /// The connection could not be made or was lost.
    #[error("the connection to the card provider failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answered with an HTTP status that tells nothing about the charge.
    #[error("the card provider answered with status {0}")]
    Status(u16),
    /// Its answer is not one of its API.
    #[error("the card provider's answer can't be read: {0}")]
    Unreadable(&'static str),
}
