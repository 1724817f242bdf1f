//! The vocabulary of every part of Fournines: typed ids, SKUs, money, quantities and idempotency keys. Values are
//! checked once, when they are parsed; the inside never validates again. No I/O.

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
pub use uuids::{EntryId, EventId, MovementId, OrderId, PaymentId, RunId, SessionId, UserId, lowest_at};

/// A text that is not of the form its type asks for. The message is fit for the caller of a public API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub &'static str);

/// The present time, cut to milliseconds: the precision that MongoDB keeps, so that a stored time equals the one
/// that was answered.
#[allow(clippy::disallowed_methods)] // the one place that reads the clock for a time to be stored
pub fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
