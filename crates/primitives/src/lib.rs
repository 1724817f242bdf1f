//! The value types that all parts of Fournines share: typed ids, SKUs, money, quantities, order lines and idempotency
//! keys; and the clock, in the precision of stored times. Values are validated once, when they are parsed.

mod idempotency_key;
mod money;
mod order_lines;
mod quantity;
mod sku;
mod uuids;

pub use idempotency_key::IdempotencyKey;
pub use money::{Currency, Money};
pub use order_lines::{OrderLines, OrderLinesError};
pub use quantity::Quantity;
pub use sku::Sku;
pub use uuids::{ClaimId, EntryId, EventId, MovementId, OrderId, PaymentId, RunId, SessionId, UserId, lowest_at};

/// A value that its type does not allow. The message is fit for the caller of a public API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub &'static str);

/// The current time, truncated to milliseconds. MongoDB stores times in this precision, so a stored time equals the one
/// in the response.
#[allow(clippy::disallowed_methods)] // the only place that reads the clock for times to be stored
pub fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
