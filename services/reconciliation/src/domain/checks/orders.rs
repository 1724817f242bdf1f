//! Orders against payments.

use ids::{OrderId, PaymentId};

use super::{Difference, Finding};

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    /// It may still be paid.
    Pending,
    /// It was paid.
    Paid,
    /// It was cancelled or has expired.
    Ended,
}

/// What payments have to know of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Where it is.
    pub status: OrderStatus,
    /// What it costs, in minor units.
    pub total: i64,
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStatus {
    /// The money was taken.
    Captured,
    /// It was taken and given back.
    Refunded,
    /// It was never taken.
    NotTaken,
}

/// What orders have to know of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// The order that it is for.
    pub order: OrderId,
    /// Where it is.
    pub status: PaymentStatus,
    /// Minor units.
    pub amount: i64,
    /// Whether it was made from an account.
    pub from_account: bool,
}

/// Compares an order with its payments, both settled; `order` is `None` when nobody has it. A paid order has one captured
/// payment of its total; any other has none.
pub fn payments_of_order(order: Option<Order>, payments: &[Payment]) -> Vec<Finding> {
    let mut captured = payments.iter().filter(|payment| payment.status == PaymentStatus::Captured);
    let paid = order.filter(|order| order.status == OrderStatus::Paid);
    let mut findings = Vec::new();
    if let Some(order) = paid {
        match captured.next() {
            Some(payment) if payment.amount == order.total => {}
            other => findings.push(Finding::new(
                Difference::OrderWithoutPayment,
                order.id,
                format!("one captured payment of {}", order.total),
                other.map_or_else(
                    || "none".to_owned(),
                    |payment| format!("{} of {}", payment.id, payment.amount),
                ),
            )),
        }
    }
    findings.extend(captured.map(|payment| {
        let expected = match order.map(|order| order.status) {
            None => "an order",
            Some(OrderStatus::Paid) => "one payment",
            Some(OrderStatus::Ended) => "a refund, since the order has ended",
            Some(OrderStatus::Pending) => "a paid order",
        };
        let found = format!("{} captured for order {}", payment.amount, payment.order);
        Finding::new(Difference::PaymentWithoutOrder, payment.id, expected, found)
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(status: OrderStatus) -> Order {
        Order { id: OrderId::new(), status, total: 500 }
    }

    fn payment(order: Order, status: PaymentStatus, amount: i64) -> Payment {
        Payment { id: PaymentId::new(), order: order.id, status, amount, from_account: false }
    }

    fn kinds(order: Option<Order>, payments: &[Payment]) -> Vec<Difference> {
        payments_of_order(order, payments).into_iter().map(|finding| finding.difference).collect()
    }

    #[test]
    fn an_order_paid_once_is_equal_whatever_failed_before() {
        let paid = order(OrderStatus::Paid);
        let payments =
            [payment(paid, PaymentStatus::NotTaken, 500), payment(paid, PaymentStatus::Captured, 500)];
        assert_eq!(kinds(Some(paid), &payments), []);
    }

    #[test]
    fn a_paid_order_without_its_payment_is_found() {
        let paid = order(OrderStatus::Paid);
        assert_eq!(kinds(Some(paid), &[]), [Difference::OrderWithoutPayment]);
        let short = payment(paid, PaymentStatus::Captured, 499);
        assert_eq!(kinds(Some(paid), &[short]), [Difference::OrderWithoutPayment]);
        let given_back = payment(paid, PaymentStatus::Refunded, 500);
        assert_eq!(kinds(Some(paid), &[given_back]), [Difference::OrderWithoutPayment]);
    }

    #[test]
    fn a_payment_that_no_order_accounts_for_is_found() {
        let ended = order(OrderStatus::Ended);
        let captured = payment(ended, PaymentStatus::Captured, 500);
        for order in [None, Some(ended), Some(Order { status: OrderStatus::Pending, ..ended })] {
            assert_eq!(kinds(order, &[captured]), [Difference::PaymentWithoutOrder]);
        }
        assert_eq!(kinds(Some(ended), &[payment(ended, PaymentStatus::Refunded, 500)]), []);
    }

    #[test]
    fn the_second_payment_of_an_order_is_found() {
        let paid = order(OrderStatus::Paid);
        let payments =
            [payment(paid, PaymentStatus::Captured, 500), payment(paid, PaymentStatus::Captured, 500)];
        let findings = payments_of_order(Some(paid), &payments);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].subject, payments[1].id.to_string());
    }
}
