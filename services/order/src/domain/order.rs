//! An order and its state machine: pending payment, then paid, cancelled or expired; a paid one can be cancelled.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use primitives::{Money, OrderId, Quantity, Sku, UserId};

use super::Risk;

/// The quantity of each SKU, in order of SKU.
pub(crate) type Quantities = BTreeMap<Sku, Quantity>;

/// The least time between two changes of an order: the precision of stored times.
const TICK: Duration = Duration::from_millis(1);

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    pub(crate) lines: Vec<OrderLine>,
    pub(crate) total: Money,
    pub(crate) risk: Risk,
    /// Counts the changes, from 1.
    pub(crate) version: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) paid_at: Option<Timestamp>,
    pub(crate) cancelled_at: Option<Timestamp>,
}

/// Pieces of one SKU at the price at which they are sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderLine {
    pub(crate) sku: Sku,
    pub(crate) quantity: Quantity,
    pub(crate) unit_price: Money,
    pub(crate) line_total: Money,
}

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    PendingPayment,
    Paid,
    Cancelled,
    Expired,
}

impl Status {
    /// Every status.
    pub(crate) const ALL: [Self; 4] = [Self::PendingPayment, Self::Paid, Self::Cancelled, Self::Expired];

    /// The stored name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PendingPayment => "pending_payment",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PendingPayment => "waiting to be paid",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        })
    }
}

/// The order is in a state that does not allow the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {0}")]
pub(crate) struct InvalidState(pub(crate) Status);

/// The total is beyond what can be counted, or its lines have several currencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the total of the order is too large")]
pub(crate) struct TooExpensive;

impl OrderLine {
    /// A line at a price.
    pub(crate) fn new(sku: Sku, quantity: Quantity, unit_price: Money) -> Result<Self, TooExpensive> {
        let line_total = unit_price.checked_mul(quantity).ok_or(TooExpensive)?;
        Ok(Self { sku, quantity, unit_price, line_total })
    }
}

impl Order {
    /// A new order, waiting to be paid until `expires_at`. There is at least one line.
    pub(crate) fn place(
        id: OrderId,
        user_id: UserId,
        lines: Vec<OrderLine>,
        risk: Risk,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Self, TooExpensive> {
        let total = Self::total_of(&lines)?;
        Ok(Self {
            id,
            user_id,
            status: Status::PendingPayment,
            lines,
            total,
            risk,
            version: 1,
            created_at,
            expires_at,
            paid_at: None,
            cancelled_at: None,
        })
    }

    /// The sum of the lines.
    pub(crate) fn total_of(lines: &[OrderLine]) -> Result<Money, TooExpensive> {
        let mut totals = lines.iter().map(|line| line.line_total);
        let first = totals.next().ok_or(TooExpensive)?;
        totals.try_fold(first, Money::checked_add).ok_or(TooExpensive)
    }

    /// The stock that it takes.
    pub(crate) fn quantities(&self) -> Quantities {
        self.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect()
    }

    /// The order as it was answered when it was placed.
    pub(crate) fn into_placed(mut self) -> Self {
        self.status = Status::PendingPayment;
        self.version = 1;
        self.paid_at = None;
        self.cancelled_at = None;
        self
    }

    /// The order placed at `at`, with the same time to pay.
    pub(crate) fn placed_at(self, at: Timestamp) -> Self {
        let expires_at = at + self.expires_at.duration_since(self.created_at);
        Self { created_at: at, expires_at, ..self }
    }

    /// The time of a change that is made at `at`: always later than the change before, though the clocks of replicas
    /// differ, so that the changes of an order are ordered by time.
    pub(crate) fn changed_at(&self, at: Timestamp) -> Timestamp {
        let before = self.cancelled_at.or(self.paid_at).unwrap_or(self.created_at);
        at.max(before + TICK)
    }

    /// Whether the order can be paid at a time.
    ///
    /// # Errors
    /// Its state. An order that is pending after its time to pay counts as expired, though it is not marked so yet.
    pub(crate) fn payable(&self, at: Timestamp) -> Result<(), InvalidState> {
        match self.status {
            Status::PendingPayment if at < self.expires_at => Ok(()),
            Status::PendingPayment => Err(InvalidState(Status::Expired)),
            other => Err(InvalidState(other)),
        }
    }

    /// The order after it was paid.
    pub(crate) fn pay(self, at: Timestamp) -> Result<Self, InvalidState> {
        match self.status {
            Status::PendingPayment => Ok(Self { paid_at: Some(self.changed_at(at)), ..self.moved_to(Status::Paid) }),
            other => Err(InvalidState(other)),
        }
    }

    /// The order after it was cancelled.
    pub(crate) fn cancel(self, at: Timestamp) -> Result<Self, InvalidState> {
        match self.status {
            Status::PendingPayment | Status::Paid => {
                Ok(Self { cancelled_at: Some(self.changed_at(at)), ..self.moved_to(Status::Cancelled) })
            }
            other => Err(InvalidState(other)),
        }
    }

    /// The order after its time to pay has passed. This decides that an order expires: it is unpaid at `at`, and
    /// `expires_at` is not later.
    pub(crate) fn expire(self, at: Timestamp) -> Result<Self, InvalidState> {
        match self.status {
            Status::PendingPayment if self.expires_at <= at => Ok(self.moved_to(Status::Expired)),
            other => Err(InvalidState(other)),
        }
    }

    fn moved_to(self, status: Status) -> Self {
        Self { status, version: self.version + 1, ..self }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use primitives::Currency;

    use super::*;
    use crate::domain::RiskSource;

    pub(crate) fn order() -> Order {
        let price = Money::new(250, Currency::USD);
        let lines = [("a", 2), ("b", 3)].map(|(sku, quantity)| {
            OrderLine::new(sku.parse().unwrap(), Quantity::try_from(quantity).unwrap(), price).unwrap()
        });
        let risk = Risk { source: RiskSource::LocalRules };
        let now = primitives::now();
        Order::place(OrderId::new(), UserId::new(), lines.to_vec(), risk, now, now).unwrap()
    }

    #[test]
    fn totals_add_up_and_never_wrap() {
        assert_eq!(order().total, Money::new(1_250, Currency::USD));
        let most = Quantity::try_from(Quantity::MAX).unwrap();
        assert!(OrderLine::new("a".parse().unwrap(), most, Money::new(i64::MAX / 2, Currency::USD)).is_err());
        let line = |sku: &str, currency: &str| {
            let price = Money::new(i64::MAX / 2 + 1, currency.parse().unwrap());
            OrderLine::new(sku.parse().unwrap(), Quantity::try_from(1).unwrap(), price).unwrap()
        };
        assert!(Order::total_of(&[line("a", "USD"), line("b", "USD")]).is_err());
        assert!(Order::total_of(&[line("a", "USD"), line("b", "EUR")]).is_err());
        assert!(Order::total_of(&[]).is_err());
    }

    #[test]
    fn only_the_steps_of_the_state_machine_are_taken() {
        let now = primitives::now() + TICK;
        let paid = order().pay(now).unwrap();
        assert_eq!((paid.status, paid.version, paid.paid_at), (Status::Paid, 2, Some(now)));
        assert!(paid.clone().pay(now).is_err());
        assert!(paid.clone().expire(now).is_err());
        let refunded = paid.cancel(now).unwrap();
        assert_eq!((refunded.status, refunded.version), (Status::Cancelled, 3));
        let expired = order().expire(now).unwrap();
        for done in [refunded, expired] {
            assert!(done.clone().pay(now).is_err());
            assert!(done.clone().cancel(now).is_err());
            assert!(done.clone().expire(now).is_err());
            assert_eq!(done.into_placed().status, Status::PendingPayment);
        }
    }

    #[test]
    fn an_order_expires_when_its_time_to_pay_has_passed_and_not_before() {
        let order = order();
        let expiry = order.expires_at;
        let early = order.clone().expire(expiry - TICK);
        assert_eq!(early, Err(InvalidState(Status::PendingPayment)));
        assert_eq!(order.expire(expiry).unwrap().status, Status::Expired);
    }

    #[test]
    fn a_change_comes_after_the_one_before_though_a_clock_is_behind() {
        let placed = order();
        let behind = placed.created_at - Duration::from_secs(1);
        let paid = placed.clone().pay(behind).unwrap();
        assert_eq!(paid.paid_at, Some(placed.created_at + TICK));
        let cancelled = paid.cancel(behind).unwrap();
        assert_eq!(cancelled.cancelled_at, Some(placed.created_at + TICK * 2));
    }

    #[test]
    fn every_status_survives_its_name() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
    }
}
