//! Why a use case fails, and what the caller is told.

use std::time::Duration;

use envelope::Reason;
use mongo::TransactError;
use primitives::{Currency, UserId};

use crate::domain::PostingError;
use crate::provider::ProviderError;
use crate::store::Refusal;

/// How soon asking for an unknown outcome again makes sense.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why a use case fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The account does not cover the payment.
    #[error("the balance does not cover the payment")]
    InsufficientFunds,
    /// The provider said no.
    #[error("the payment was declined")]
    Declined,
    /// The provider's answer is not known yet; the payment or refund stays recorded and is brought to its end in the
    /// background.
    #[error("the outcome at the card provider is not known yet")]
    OutcomeUnknown(#[source] Option<ProviderError>),
    /// The order's payment does not allow this.
    #[error("{0}")]
    InvalidState(&'static str),
    /// An amount is out of its range.
    #[error("the amount {0}")]
    AmountOutOfRange(&'static str),
    /// The shop has another currency.
    #[error("the shop's currency is {}", .0.code())]
    WrongCurrency(Currency),
    /// An account does not agree with its ledger: nothing is written until a person has looked.
    #[error("the account {0} does not agree with its ledger")]
    LedgerDisagrees(UserId),
    /// A twin with the same idempotency key is under way.
    #[error("the same request is under way")]
    InFlight,
    /// The idempotency record refuses or can't be read.
    #[error(transparent)]
    Idempotency(envelope::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] mongo::Error),
}

impl From<TransactError<Refusal>> for Error {
    fn from(error: TransactError<Refusal>) -> Self {
        match error {
            TransactError::Store(error) => Self::Store(error),
            TransactError::Refused(Refusal::Posting(PostingError::InsufficientFunds)) => Self::InsufficientFunds,
            TransactError::Refused(Refusal::Posting(PostingError::TooLarge)) => {
                Self::AmountOutOfRange("would take the balance over 10^15")
            }
            TransactError::Refused(Refusal::Posting(PostingError::Disagrees(owner))) => Self::LedgerDisagrees(owner),
            TransactError::Refused(Refusal::Conflict(_)) => Self::InFlight,
            TransactError::Refused(Refusal::AlreadyLive | Refusal::Changed) => {
                Self::InvalidState("the order's payment has just changed")
            }
        }
    }
}

impl From<Error> for envelope::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::InsufficientFunds => {
                Self::new(Reason::InsufficientFunds, "the account's balance does not cover the payment")
            }
            Error::Declined => Self::new(Reason::PaymentDeclined, "the payment was declined"),
            Error::OutcomeUnknown(_) => {
                Self::new(Reason::Unavailable, "the outcome at the card provider is not known yet; ask again")
                    .with_retry_after(ASK_AGAIN_AFTER)
                    .with_source(error)
            }
            Error::InvalidState(message) => Self::new(Reason::InvalidState, message),
            Error::AmountOutOfRange(description) => Self::invalid("amount", description),
            Error::WrongCurrency(shop) => Self::invalid("currency", format!("must be {}", shop.code())),
            Error::LedgerDisagrees(_) => Self::internal(error),
            Error::InFlight => idempotency::in_flight(),
            Error::Idempotency(error) => error,
            Error::Store(error) => error.into(),
        }
    }
}
