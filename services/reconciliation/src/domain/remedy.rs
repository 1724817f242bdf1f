//! Remedies of differences, and which of them a run applies.

use std::collections::{BTreeMap, BTreeSet};

use primitives::{EventId, OrderId};

/// The most orders that a run refunds; the next run continues.
const MAX_REFUNDS: usize = 1_000;

/// What can safely be done about a difference without asking a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Publish an entry of a service's outbox again: consumers drop events that they have applied.
    PublishAgain(Publisher, EventId),
    /// Refund what was captured for an order that has ended unpaid.
    Refund(OrderId),
}

/// A service that publishes events.
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

/// The remedies that a run applies, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RemedyPlan {
    /// The entries of outboxes to publish again.
    pub entries: BTreeMap<Publisher, BTreeSet<EventId>>,
    /// The orders to refund, 1,000 at most.
    pub refunds: BTreeSet<OrderId>,
}

impl RemedyPlan {
    /// Those of a run's findings.
    pub fn new(remedies: impl IntoIterator<Item = Remedy>) -> Self {
        let mut plan = Self::default();
        for remedy in remedies {
            match remedy {
                Remedy::PublishAgain(publisher, entry) => {
                    plan.entries.entry(publisher).or_default().insert(entry);
                }
                Remedy::Refund(order) => {
                    plan.refunds.insert(order);
                }
            }
        }
        plan.refunds = plan.refunds.into_iter().take(MAX_REFUNDS).collect();
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_remedy_is_applied_once() {
        let (entry, other, order) = (EventId::new(), EventId::new(), OrderId::new());
        let plan = RemedyPlan::new([
            Remedy::PublishAgain(Publisher::Order, entry),
            Remedy::PublishAgain(Publisher::Order, entry),
            Remedy::PublishAgain(Publisher::Payment, other),
            Remedy::Refund(order),
            Remedy::Refund(order),
        ]);
        let entries = [(Publisher::Order, [entry].into()), (Publisher::Payment, [other].into())];
        assert_eq!(plan, RemedyPlan { entries: entries.into(), refunds: [order].into() });
        assert_eq!(RemedyPlan::new([]), RemedyPlan::default());
    }

    #[test]
    fn a_run_refunds_1000_orders_at_most() {
        let plan = RemedyPlan::new((0..=MAX_REFUNDS).map(|_| Remedy::Refund(OrderId::new())));
        assert_eq!(plan.refunds.len(), MAX_REFUNDS);
    }
}
