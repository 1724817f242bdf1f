//! Failures of the use cases, and what their callers learn of them.

use envelope::{Detail, Error, Reason};
use idempotency::Conflict;

use crate::domain::Refusal;

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The rules refuse the request.
    #[error(transparent)]
    Refused(Refusal),
    #[error(transparent)]
    Store(#[from] mongo::Error),
    /// From a part that speaks the envelope itself: other services, page tokens, identity, idempotency records.
    #[error(transparent)]
    Envelope(#[from] Error),
}

impl<R: Into<Refusal>> From<R> for OrderError {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<OrderError> for Error {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Refused(refusal) => from_refusal(refusal),
            OrderError::Store(error) => error.into(),
            OrderError::Envelope(error) => error,
        }
    }
}

fn from_refusal(refusal: Refusal) -> Error {
    let message = refusal.to_string();
    match refusal {
        Refusal::NotFound => Error::new(Reason::OrderNotFound, message),
        Refusal::NotOwner => Error::new(Reason::Forbidden, message),
        Refusal::UnknownSkus(skus) => {
            let details = skus.into_iter().map(|sku| Detail::UnknownSku { sku: sku.to_string() });
            Error::new(Reason::SkuNotFound, message).with_details(details)
        }
        Refusal::TooExpensive(_) => Error::invalid("lines", message),
        Refusal::RiskRejected => Error::new(Reason::RiskRejected, "the order was rejected"),
        Refusal::InvalidState(_) | Refusal::BeingPaid | Refusal::Fenced => Error::new(Reason::InvalidState, message),
        Refusal::Stock(refusal) => refusal.into(),
        Refusal::KeyReused => idempotency::key_reused(),
        Refusal::Conflict(Conflict::InFlight | Conflict::Finished) => idempotency::in_flight(),
    }
}

impl From<mongo::TransactError<OrderError>> for OrderError {
    fn from(error: mongo::TransactError<OrderError>) -> Self {
        match error {
            mongo::TransactError::Refused(refusal) => refusal,
            mongo::TransactError::Store(error) => Self::Store(error),
        }
    }
}
