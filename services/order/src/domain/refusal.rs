//! Why the rules refuse a request. A refusal is decided by facts that were read; it is never a failure of the platform.

use idempotency::Conflict;
use primitives::Sku;
use stock::StockRefusal;

use super::{InvalidState, TooExpensive};

/// The reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the caller has no order with this id")]
    NotFound,
    #[error("only the owner pays an order")]
    NotOwner,
    #[error("some SKUs are not in the catalogue")]
    UnknownSkus(Vec<Sku>),
    #[error(transparent)]
    TooExpensive(#[from] TooExpensive),
    #[error("the risk rules reject the order")]
    RiskRejected,
    #[error(transparent)]
    InvalidState(#[from] InvalidState),
    #[error("another payment of the order is in progress")]
    BeingPaid,
    #[error(transparent)]
    Stock(#[from] StockRefusal),
    #[error("this request was refused before; send it again under a new X-Request-Id")]
    Fenced,
    #[error("the idempotency key was used before with another request")]
    KeyReused,
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

impl Refusal {
    /// Whether the client is told that its request has had no effect and will have none. A conflict leaves that to
    /// another attempt of the request, and a fence has made it impossible already.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Conflict(_) | Self::Fenced)
    }
}
