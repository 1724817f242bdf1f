//! Payments of orders and their statuses. [`Transition`](super::Transition) has the changes from one status to another.
//!
//! A payment is live in every status but `declined`; an order has at most one live payment.

use jiff::Timestamp;
use primitives::{Currency, Money, OrderId, PaymentId, UserId};

use super::{Method, Refusal};

/// One attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    /// Also the idempotency key and the reference at the card provider.
    pub(crate) id: PaymentId,
    /// The order that is paid.
    pub(crate) order_id: OrderId,
    /// The payer: the order's owner.
    pub(crate) user_id: UserId,
    /// The payment method.
    pub(crate) method: Method,
    /// Its present status.
    pub(crate) status: Status,
    /// Above 0.
    pub(crate) amount: Money,
    /// When the payment was requested.
    pub(crate) created_at: Timestamp,
}

impl Payment {
    /// A payment from the owner's account: captured at once, together with the posting to the account.
    pub(super) fn from_balance(order: &Order, at: Timestamp) -> Self {
        Self::new(order, Method::Balance, Status::Captured, at)
    }

    /// A payment by card: pending until the provider's answer is known.
    pub(crate) fn by_card(order: &Order, at: Timestamp) -> Self {
        Self::new(order, Method::Card, Status::Pending, at)
    }

    fn new(order: &Order, method: Method, status: Status, at: Timestamp) -> Self {
        Self {
            id: PaymentId::new(),
            order_id: order.id,
            user_id: order.owner,
            method,
            status,
            amount: order.amount,
            created_at: at,
        }
    }

    /// Whether the payment keeps its order from being paid again.
    pub(crate) fn is_live(&self) -> bool {
        Status::LIVE.contains(&self.status)
    }

    /// Whether this payment is for this order, with the same owner and amount.
    pub(crate) fn is_of(&self, order: &Order) -> bool {
        self.order_id == order.id && self.user_id == order.owner && self.amount == order.amount
    }
}

/// An order to be paid, as the order service has it on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// The order's id.
    pub(crate) id: OrderId,
    /// The user who placed it.
    pub(crate) owner: UserId,
    /// Above 0, in the shop's currency.
    pub(crate) amount: Money,
}

impl Order {
    /// Checks the price.
    ///
    /// # Errors
    /// `AmountOutOfRange` unless it is above 0; `WrongCurrency` unless it is in the shop's currency.
    pub(crate) fn check(&self, shop: Currency) -> Result<(), Refusal> {
        if self.amount.amount() <= 0 {
            return Err(Refusal::AmountOutOfRange("must be above 0"));
        }
        if self.amount.currency() != shop {
            return Err(Refusal::WrongCurrency(shop));
        }
        Ok(())
    }
}

/// The status of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The provider was asked, or is about to be; its answer is not known yet.
    Pending,
    /// The money was taken.
    Captured,
    /// The provider declined it, or was instructed to refuse it. The order may be paid again.
    Declined,
    /// A refund was decided and is retried until the provider has carried it out. Callers see it as captured.
    Refunding,
    /// The money was given back.
    Refunded,
}

impl Status {
    /// Every status.
    pub(crate) const ALL: [Self; 5] = [Self::Pending, Self::Captured, Self::Declined, Self::Refunding, Self::Refunded];
    /// The statuses in which a payment keeps its order from being paid again.
    pub(crate) const LIVE: [Self; 4] = [Self::Pending, Self::Captured, Self::Refunding, Self::Refunded];

    /// Whether the outcome is known and carried out. The resolver works on the others.
    pub(crate) fn is_settled(self) -> bool {
        match self {
            Self::Pending | Self::Refunding => false,
            Self::Captured | Self::Declined | Self::Refunded => true,
        }
    }

    /// The name in the database and in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }

    /// The status of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An order of 700 cents.
    pub(in crate::domain) fn order() -> Order {
        Order { id: OrderId::new(), owner: UserId::new(), amount: Money::new(700, Currency::USD) }
    }

    /// A card payment of some order with that status.
    pub(in crate::domain) fn card_payment(status: Status) -> Payment {
        Payment { status, ..Payment::by_card(&order(), Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn an_order_must_cost_something_in_the_shops_currency() {
        let costing = |amount| Order { amount: Money::new(amount, Currency::USD), ..order() };
        assert_eq!(costing(1).check(Currency::USD), Ok(()));
        for amount in [0, -1, i64::MIN] {
            assert!(matches!(costing(amount).check(Currency::USD), Err(Refusal::AmountOutOfRange(_))));
        }
        let euro = "EUR".parse().unwrap();
        assert_eq!(costing(1).check(euro), Err(Refusal::WrongCurrency(euro)));
    }

    #[test]
    fn a_payment_belongs_to_one_order_user_and_amount() {
        let order = order();
        let payment = Payment::by_card(&order, Timestamp::UNIX_EPOCH);
        assert!(payment.is_of(&order));
        assert!(!payment.is_of(&Order { id: OrderId::new(), ..order }));
        assert!(!payment.is_of(&Order { owner: UserId::new(), ..order }));
        assert!(!payment.is_of(&Order { amount: Money::new(701, Currency::USD), ..order }));
    }

    #[test]
    fn every_status_has_a_name_of_its_own_and_all_but_declined_are_live() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
            assert_eq!(Status::LIVE.contains(&status), status != Status::Declined);
        }
        assert_eq!(Status::from_name(""), None);
    }
}
