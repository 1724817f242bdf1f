//! What is compared beside the types of [`super::checks`], with the key by which each is ordered.

use jiff::Timestamp;
use primitives::{MovementId, OrderId, Sku, UserId};

use super::checks::{Account, Effect, Entry, KeptEvent, Movement, Order, Payment};

/// Something that a stream gives in the order of a key.
pub trait Keyed {
    /// What it is ordered and compared by.
    type Key: Ord + Clone + Send;

    /// Its key.
    fn key(&self) -> Self::Key;
}

/// What order lines say of a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedPieces {
    /// The movement.
    pub movement: MovementId,
    /// What came or, when negative, went.
    pub pieces: i64,
}

/// A number of pieces of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuPieces {
    /// The SKU.
    pub sku: Sku,
    /// How many.
    pub pieces: i64,
}

/// An event that is kept, with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedEvent {
    /// When it happened.
    pub at: Timestamp,
    /// The event.
    pub event: KeptEvent,
}

/// Something that was applied, with the time of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedEffect {
    /// When it happened.
    pub at: Timestamp,
    /// The effect.
    pub effect: Effect,
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
    (OrderId, Entry), OrderId, |it| it.0;
    Movement, MovementId, |it| it.id;
    MovedPieces, MovementId, |it| it.movement;
    SkuPieces, Sku, |it| it.sku.clone();
    Account, UserId, |it| it.owner;
    Entry, UserId, |it| it.owner;
    TimedEvent, Timestamp, |it| it.at;
    TimedEffect, Timestamp, |it| it.at;
}
