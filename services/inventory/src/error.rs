//! The failures of the inventory service, and the errors that callers see.

use envelope::{Detail, Error, Reason};
use idempotency::Conflict;
use primitives::Sku;
use stock::StockRefusal;

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    #[error("the request is not valid")]
    Invalid(Vec<Detail>),
    #[error("no product has this SKU")]
    SkuNotFound(Sku),
    #[error("the SKU is taken")]
    SkuTaken,
    #[error("the product has changed since that version")]
    VersionMismatch,
    #[error(transparent)]
    Stock(#[from] StockRefusal),
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error(transparent)]
    Store(#[from] mongo::Error),
    /// An error that is an envelope already, such as one about page tokens, identity or idempotency records.
    #[error(transparent)]
    Envelope(#[from] Error),
}

impl From<InventoryError> for Error {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::Invalid(details) => {
                Self::new(Reason::ValidationFailed, "the request is not valid").with_details(details)
            }
            InventoryError::SkuNotFound(sku) => Self::new(Reason::SkuNotFound, "no product has this SKU")
                .with_detail(Detail::UnknownSku { sku: sku.to_string() }),
            InventoryError::SkuTaken => Self::new(Reason::AlreadyExists, "a product with this SKU exists"),
            InventoryError::VersionMismatch => {
                Self::new(Reason::VersionMismatch, "the product has changed since that version")
            }
            InventoryError::Stock(refusal) => refusal.into(),
            InventoryError::Conflict(Conflict::InFlight | Conflict::Finished) => idempotency::in_flight(),
            InventoryError::Store(error) => error.into(),
            InventoryError::Envelope(error) => error,
        }
    }
}

impl From<mongo::TransactError<InventoryError>> for InventoryError {
    fn from(error: mongo::TransactError<InventoryError>) -> Self {
        match error {
            mongo::TransactError::Refused(refusal) => refusal,
            mongo::TransactError::Store(error) => Self::Store(error),
        }
    }
}
