//! What can go wrong in the order service, and what the caller learns of it.

use envelope::{Detail, Error, Reason};
use idempotency::Conflict;
use primitives::Sku;
use stock::StockRefusal;

use crate::domain::{InvalidState, TooExpensive};

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("no order of the caller has this id")]
    NotFound,
    #[error("some SKUs are not in the catalogue")]
    UnknownSkus(Vec<Sku>),
    #[error(transparent)]
    TooExpensive(#[from] TooExpensive),
    #[error("the risk rules refuse the order")]
    RiskRejected,
    #[error(transparent)]
    InvalidState(#[from] InvalidState),
    #[error("another attempt to pay the order is under way")]
    BeingPaid,
    #[error(transparent)]
    Stock(#[from] StockRefusal),
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error(transparent)]
    Store(#[from] mongo::Error),
    /// From a part that already speaks the envelope: other services, page tokens, identity, idempotency records.
    #[error(transparent)]
    Envelope(#[from] Error),
}

impl OrderError {
    /// Whether the rules refuse a new order; not when it is the platform that can't take it at present.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::UnknownSkus(_) | Self::TooExpensive(_) | Self::RiskRejected | Self::Stock(_))
    }
}

impl From<OrderError> for Error {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound => Self::new(Reason::OrderNotFound, "no order of yours has this id"),
            OrderError::UnknownSkus(skus) => {
                let details = skus.into_iter().map(|sku| Detail::UnknownSku { sku: sku.to_string() });
                Self::new(Reason::SkuNotFound, "some SKUs are not in the catalogue").with_details(details)
            }
            OrderError::TooExpensive(error) => Self::invalid("lines", error.to_string()),
            OrderError::RiskRejected => Self::new(Reason::RiskRejected, "the order was refused"),
            OrderError::InvalidState(error) => Self::new(Reason::InvalidState, error.to_string()),
            OrderError::BeingPaid => Self::new(Reason::InvalidState, "a payment of this order is under way"),
            OrderError::Stock(refusal) => refusal.into(),
            OrderError::Conflict(Conflict::InFlight | Conflict::Finished) => idempotency::in_flight(),
            OrderError::Store(error) => error.into(),
            OrderError::Envelope(error) => error,
        }
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
