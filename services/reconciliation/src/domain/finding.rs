//! Differences, and what is known of each.

use primitives::EventId;

use super::remedy::Remedy;

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// An event that its writer keeps was never applied.
    LostEvent,
    /// A line that no event accounts for: an event was applied twice, or a line was written by hand.
    DoubledEffect,
    /// A movement has pieces that no order accounts for.
    MovementWithoutOrder,
    /// An order names a movement that does not exist, or that moved fewer pieces than its orders have.
    OrderWithoutMovement,
    /// Money was captured for no order, for one that ended unpaid, or more than once.
    PaymentWithoutOrder,
    /// A paid order has no captured payment of its amount.
    OrderWithoutPayment,
    /// An account entry names a payment that does not exist or has another amount.
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

/// A difference, with the state of each side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind.
    pub difference: Difference,
    /// Its subject: an id, a SKU, or a customer and a day.
    pub subject: String,
    /// The expected state, for people.
    pub expected: String,
    /// The actual state, for people.
    pub found: String,
    /// What can safely be done about it without asking a person.
    pub remedy: Option<Remedy>,
}

/// Tells differences apart: kind and subject. Lists of exceptions are in its order.
pub type ExceptionKey = (String, String);

impl Finding {
    pub(super) fn new(
        difference: Difference,
        subject: impl ToString,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self {
            difference,
            subject: subject.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            remedy: None,
        }
    }

    /// What tells it apart from other differences.
    pub fn key(&self) -> ExceptionKey {
        (self.difference.name().to_owned(), self.subject.clone())
    }

    /// The event that was not applied, if it is such a difference.
    pub fn lost_event(&self) -> Option<EventId> {
        (self.difference == Difference::LostEvent).then(|| self.subject.parse().ok()).flatten()
    }

    pub(super) fn with_remedy(self, remedy: Option<Remedy>) -> Self {
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
