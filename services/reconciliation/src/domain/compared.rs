//! The streams that checks compare, and the key by which each is ordered.

use jiff::Timestamp;
use primitives::{MovementId, OrderId, Sku, UserId};

use super::checks::{Account, AccountEntry, AppliedEffect, KeptEvent, Movement, Order, Payment};

/// An item of a stream that is ordered by a key.
pub trait Keyed {
    /// Items are ordered by it; those with the same key are compared.
    type Key: Ord + Clone + Send;

    /// Its key.
    fn key(&self) -> Self::Key;
}

/// The pieces of a movement, by the order lines that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedPieces {
    /// The movement.
    pub movement: MovementId,
    /// Pieces added or, when negative, removed.
    pub pieces: i64,
}

/// A number of pieces of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuPieces {
    /// The SKU.
    pub sku: Sku,
    /// The number.
    pub pieces: i64,
}

/// An event in an outbox, with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedEvent {
    /// When it happened.
    pub at: Timestamp,
    /// The event.
    pub event: KeptEvent,
}

/// The effect of an event, with the time of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedEffect {
    /// When it happened.
    pub at: Timestamp,
    /// The effect.
    pub effect: AppliedEffect,
}

macro_rules! keyed {
    ($($item:ty, $key:ty, |$it:ident| $by:expr;)+) => {$(
        impl Keyed for $item {
            type Key = $key;

            fn key(&self) -> $key {
                let $it = self;
                $by
            }
        }
    )+};
}

keyed! {
    Order, OrderId, |it| it.id;
    Payment, OrderId, |it| it.order;
    (OrderId, AccountEntry), OrderId, |it| it.0;
    Movement, MovementId, |it| it.id;
    MovedPieces, MovementId, |it| it.movement;
    SkuPieces, Sku, |it| it.sku.clone();
    Account, UserId, |it| it.owner;
    AccountEntry, UserId, |it| it.owner;
    TimedEvent, Timestamp, |it| it.at;
    TimedEffect, Timestamp, |it| it.at;
}
