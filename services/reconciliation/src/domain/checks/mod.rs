//! What must be equal, and what it is called when it is not. Each check compares what belongs together as of a cut;
//! whoever calls it hands over only what is settled.

mod accounts;
mod events;
mod orders;
mod statements;
mod stock;

pub use accounts::{Account, Entry, EntryKind, account, chain, entries_of_payment};
pub use events::{Effect, KeptEvent, events_and_effects};
pub use orders::{Order, OrderStatus, Payment, PaymentStatus, payments_of_order};
pub use statements::{merchant_day, statement};
pub use stock::{Movement, counter, movement};

use primitives::EventId;

use super::Remedy;

/// What kind of difference was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// An event that its writer keeps was never applied.
    LostEvent,
    /// Something was applied that no event accounts for: one was applied twice, or by hand.
    DoubledEffect,
    /// A movement took or gave pieces that no order accounts for.
    MovementWithoutOrder,
    /// An order names a movement that is not there, or moved less than the orders on it say.
    OrderWithoutMovement,
    /// Money was captured for no order, for one that ended unpaid, or more than once.
    PaymentWithoutOrder,
    /// A paid order has no captured payment of its amount.
    OrderWithoutPayment,
    /// An account entry names a payment that is not there or has another amount.
    EntryWithoutPayment,
    /// A payment from an account, or its refund, has no entry.
    PaymentWithoutEntry,
    /// A counter is not the sum of its movements.
    CounterDiffers,
    /// An account's entries have a gap, or a balance that does not follow from the one before.
    AccountDiffers,
    /// A statement does not add up, or is not the sum of its lines.
    StatementDiffers,
}

impl Difference {
    const ALL: [Self; 11] = [
        Self::LostEvent,
        Self::DoubledEffect,
        Self::MovementWithoutOrder,
        Self::OrderWithoutMovement,
        Self::PaymentWithoutOrder,
        Self::OrderWithoutPayment,
        Self::EntryWithoutPayment,
        Self::PaymentWithoutEntry,
        Self::CounterDiffers,
        Self::AccountDiffers,
        Self::StatementDiffers,
    ];

    /// The difference of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|difference| difference.name() == name)
    }

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::LostEvent => "lost_event",
            Self::DoubledEffect => "doubled_effect",
            Self::MovementWithoutOrder => "movement_without_order",
            Self::OrderWithoutMovement => "order_without_movement",
            Self::PaymentWithoutOrder => "payment_without_order",
            Self::OrderWithoutPayment => "order_without_payment",
            Self::EntryWithoutPayment => "entry_without_payment",
            Self::PaymentWithoutEntry => "payment_without_entry",
            Self::CounterDiffers => "counter_differs",
            Self::AccountDiffers => "account_differs",
            Self::StatementDiffers => "statement_differs",
        }
    }
}

/// A difference, with what each side says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of difference.
    pub difference: Difference,
    /// What it is about: an id, a SKU, or a customer and a day.
    pub subject: String,
    /// What should be, for people.
    pub expected: String,
    /// What is, for people.
    pub found: String,
    /// What can be done about it without asking anybody.
    pub remedy: Option<Remedy>,
}

impl Finding {
    fn new(difference: Difference, subject: impl ToString, expected: impl ToString, found: impl ToString) -> Self {
        Self {
            difference,
            subject: subject.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            remedy: None,
        }
    }

    /// The event that was not applied, if that is what was found.
    pub fn lost_event(&self) -> Option<EventId> {
        (self.difference == Difference::LostEvent).then(|| self.subject.parse().ok()).flatten()
    }

    fn with_remedy(self, remedy: Option<Remedy>) -> Self {
        Self { remedy, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_found_by_its_name() {
        for difference in Difference::ALL {
            assert_eq!(Difference::from_name(difference.name()), Some(difference));
        }
    }
}
