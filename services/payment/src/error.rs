//! Failures of the payment service, and their form for callers.

use std::time::Duration;

use envelope::Reason;
use service::Expired;

use crate::domain::Refusal;

/// When asking for an unknown outcome again makes sense.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why a use case fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A rule refuses the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The card provider did not report the outcome; the resolver settles the payment or refund.
    #[error("the outcome at the card provider is not known yet")]
    Provider(#[from] ProviderError),
    /// The idempotency record refuses the request or can't be read.
    #[error(transparent)]
    Idempotency(envelope::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] mongo::Error),
}

/// An answer of the card provider, or the lack of one, that does not report the outcome. Contains neither URL nor key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The deadline or the time-out passed.
    #[error("the card provider did not answer in time")]
    TimedOut,
    /// The connection could not be made or was lost.
    #[error("the connection to the card provider failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answered with an HTTP status that does not report the charge's status.
    #[error("the card provider answered with status {0}")]
    Status(u16),
    /// Its answer does not follow its API.
    #[error("the card provider's answer is invalid: {0}")]
    Unreadable(&'static str),
}

impl Error {
    /// The task that ran the use case panicked.
    pub(crate) fn panicked() -> Self {
        Self::Store(mongo::Error::Panicked)
    }
}

impl From<Expired> for Error {
    fn from(expired: Expired) -> Self {
        Self::Store(expired.into())
    }
}

impl From<mongo::TransactError<Refusal>> for Error {
    fn from(error: mongo::TransactError<Refusal>) -> Self {
        match error {
            mongo::TransactError::Refused(refusal) => Self::Refused(refusal),
            mongo::TransactError::Store(error) => Self::Store(error),
        }
    }
}

impl From<Error> for envelope::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refused(refusal),
            Error::Provider(_) => unknown_outcome(error),
            Error::Idempotency(error) => error,
            Error::Store(error) => error.into(),
        }
    }
}

fn refused(refusal: Refusal) -> envelope::Error {
    match refusal {
        Refusal::InsufficientFunds => {
            envelope::Error::new(Reason::InsufficientFunds, "the account's balance does not cover the payment")
        }
        Refusal::Declined => envelope::Error::new(Reason::PaymentDeclined, "the payment was declined"),
        Refusal::OutcomeUnknown => unknown_outcome(refusal),
        Refusal::OtherPayment | Refusal::AlreadyRefunded | Refusal::NothingToRefund | Refusal::NoSuchPayment => {
            envelope::Error::new(Reason::InvalidState, refusal.to_string())
        }
        Refusal::AlreadyLive | Refusal::Changed => {
            envelope::Error::new(Reason::InvalidState, "the order's payment has just changed")
        }
        Refusal::AmountOutOfRange(description) => envelope::Error::invalid("amount", description),
        Refusal::WrongCurrency(shop) => envelope::Error::invalid("currency", format!("must be {}", shop.code())),
        Refusal::LedgerDisagrees(_) => envelope::Error::internal(refusal),
        Refusal::Key(_) => idempotency::in_flight(),
    }
}

fn unknown_outcome(source: impl std::error::Error + Send + Sync + 'static) -> envelope::Error {
    envelope::Error::new(Reason::Unavailable, "the outcome at the card provider is not known yet; try again")
        .with_retry_after(ASK_AGAIN_AFTER)
        .with_source(source)
}

#[cfg(test)]
mod tests {
    use idempotency::Conflict;
    use primitives::{Currency, UserId};

    use super::*;

    fn sent(error: impl Into<Error>) -> envelope::Error {
        envelope::Error::from(error.into())
    }

    #[test]
    fn every_refusal_has_its_reason() {
        for (refusal, reason) in [
            (Refusal::InsufficientFunds, Reason::InsufficientFunds),
            (Refusal::Declined, Reason::PaymentDeclined),
            (Refusal::OutcomeUnknown, Reason::Unavailable),
            (Refusal::OtherPayment, Reason::InvalidState),
            (Refusal::AlreadyRefunded, Reason::InvalidState),
            (Refusal::NothingToRefund, Reason::InvalidState),
            (Refusal::NoSuchPayment, Reason::InvalidState),
            (Refusal::AlreadyLive, Reason::InvalidState),
            (Refusal::Changed, Reason::InvalidState),
            (Refusal::AmountOutOfRange("must be above 0"), Reason::ValidationFailed),
            (Refusal::WrongCurrency(Currency::USD), Reason::ValidationFailed),
            (Refusal::LedgerDisagrees(UserId::new()), Reason::Internal),
            (Refusal::Key(Conflict::InFlight), Reason::IdempotencyInFlight),
        ] {
            assert_eq!(sent(refusal.clone()).reason(), reason, "{refusal:?}");
        }
    }

    #[test]
    fn an_unknown_outcome_says_when_to_try_again() {
        for error in [sent(Refusal::OutcomeUnknown), sent(ProviderError::TimedOut)] {
            assert_eq!((error.reason(), error.retry_after_seconds()), (Reason::Unavailable, Some(1)));
        }
    }
}
