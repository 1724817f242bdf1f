//! A difference as it is kept, and what was done about it.

use jiff::Timestamp;
use primitives::{EventId, OrderId};

use super::checks::Finding;

/// What can safely be done about a difference without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Publish an entry of a service's outbox again: consumers drop what they have had.
    PublishAgain(Publisher, EventId),
    /// Give back what was captured for an order that has ended unpaid.
    Refund(OrderId),
}

/// Who publishes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Publisher {
    /// The order service.
    Order,
    /// The inventory service.
    Inventory,
    /// The payment service.
    Payment,
}

impl Publisher {
    /// Every publisher.
    pub const ALL: [Self; 3] = [Self::Order, Self::Inventory, Self::Payment];
}

impl Remedy {
    /// The name that is stored and shown when it has been tried.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublishAgain(..) => "event_published_again",
            Self::Refund(_) => "payment_refunded",
        }
    }
}

/// A remedy that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healing {
    /// The remedy's name.
    pub action: String,
    /// When it was tried.
    pub at: Timestamp,
    /// Whether who had to do it accepted; otherwise the next run tries again.
    pub done: bool,
    /// Why it was not done, for people.
    pub failure: Option<String>,
}

/// A difference that a run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What was found.
    pub finding: Finding,
    /// When a run first found it, without a run since that did not.
    pub first_seen_at: Timestamp,
    /// What was done about it.
    pub healing: Option<Healing>,
}
