//! The request that places an order. An order is its own idempotency record: its user and key are unique for good, so a
//! concurrent duplicate is rejected by the index, on this replica or another.

use envelope::Error;
use idempotency::{Answer, Fingerprint, ScopedKey, fingerprint};
use primitives::{IdempotencyKey, UserId};

use super::{Attempt, Order, Refusal};

/// The request that places an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedBy {
    pub(crate) user_id: UserId,
    pub(crate) key: IdempotencyKey,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) request_id: String,
}

/// An order and the request that placed it.
#[derive(Debug, Clone)]
pub(crate) struct PlacedOrder {
    pub(crate) order: Order,
    pub(crate) placed_by: PlacedBy,
}

/// Makes it impossible that some requests place an order: stored under the unique key of the order that they would
/// place, so that an attempt whose outcome was open when its request was refused can no longer be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) user_id: UserId,
    pub(crate) key: IdempotencyKey,
    /// The requests that were refused.
    pub(crate) request_ids: Vec<String>,
}

/// What holds an idempotency key of orders.
#[derive(Debug, Clone)]
pub(crate) enum KeyHolder {
    Order(PlacedOrder),
    Fence(Fence),
}

/// A request with an idempotency key in its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyedRequest {
    pub(crate) key: ScopedKey,
    pub(crate) request_id: String,
}

impl PlacedBy {
    /// Identifies the attempt to the risk service: the same each time this key is sent, and not chosen by the customer.
    pub(crate) fn attempt(&self) -> Result<Attempt, Error> {
        let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            fingerprint(&(self.user_id, self.key.as_str()))?;
        Ok(first)
    }

    /// Whether its key is held by an order or a fence.
    pub(crate) fn has_key_of(&self, holder: &KeyHolder) -> bool {
        let (user_id, key) = match holder {
            KeyHolder::Order(PlacedOrder { placed_by, .. }) => (placed_by.user_id, &placed_by.key),
            KeyHolder::Fence(fence) => (fence.user_id, &fence.key),
        };
        self.user_id == user_id && self.key == *key
    }

    /// Whether this request was refused for good.
    pub(crate) fn is_fenced_by(&self, fence: &Fence) -> bool {
        fence.request_ids.contains(&self.request_id)
    }

    /// Answers this request with the order that its key has placed before, as it was placed.
    ///
    /// # Errors
    /// `KeyReused` when the key was sent with another request.
    pub(crate) fn replay(&self, earlier: PlacedOrder) -> Result<Answer<Order>, Refusal> {
        let PlacedOrder { order, placed_by } = earlier;
        if placed_by.fingerprint != self.fingerprint {
            return Err(Refusal::KeyReused);
        }
        Ok(Answer { value: order.into_placed(), replay_of: Some(placed_by.request_id) })
    }
}
