//! Orders against payments.

use primitives::{OrderId, PaymentId};

use crate::domain::finding::{Difference, Finding};
use crate::domain::remedy::Remedy;

/// The status of an order, as far as payments depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    /// It may still be paid.
    Pending,
    /// It was paid.
    Paid,
    /// It was cancelled or has expired.
    Ended,
}

/// An order, as far as payments depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Its status.
    pub status: OrderStatus,
    /// Its total, in minor units.
    pub total: i64,
    /// A payment is under way: it may exist before the order is marked as paid.
    pub being_paid: bool,
    /// A captured payment is about to be refunded.
    pub refund_due: bool,
}

/// The status of a payment, as far as orders depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStatus {
    /// The money was captured.
    Captured,
    /// It was captured and refunded.
    Refunded,
    /// It was never captured.
    NotTaken,
}

/// A payment, as far as orders depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// The order that it is for.
    pub order: OrderId,
    /// Its status.
    pub status: PaymentStatus,
    /// Minor units.
    pub amount: i64,
    /// Whether it was made from an account.
    pub from_account: bool,
    /// Whether a refund is under way.
    pub refunding: bool,
}

/// Compares an order with its payments, both of one moment; `order` is `None` when it does not exist. A paid order has
/// one captured payment of its total; any other has none. Order and payment are written one after the other, so nothing
/// is compared while the order is being paid, and a payment whose refund is due or under way counts as refunded.
pub fn payments_of_order(order: Option<Order>, payments: &[Payment]) -> Vec<Finding> {
    if order.is_some_and(|order| order.being_paid) {
        return Vec::new();
    }
    let is_being_refunded = |payment: &&Payment| payment.refunding || order.is_some_and(|order| order.refund_due);
    let captured = payments.iter().filter(|payment| payment.status == PaymentStatus::Captured);
    let mut captured = captured.filter(|payment| !is_being_refunded(payment));
    let paid = order.filter(|order| order.status == OrderStatus::Paid);
    let mut findings = Vec::new();
    if let Some(order) = paid {
        match captured.next() {
            Some(payment) if payment.amount == order.total => {}
            other => findings.push(Finding::new(
                Difference::OrderWithoutPayment,
                order.id,
                format!("one captured payment of {}", order.total),
                other.map_or_else(|| "none".to_owned(), |payment| format!("{} of {}", payment.id, payment.amount)),
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
        let ended = order.filter(|order| order.status == OrderStatus::Ended);
        Finding::new(Difference::PaymentWithoutOrder, payment.id, expected, found)
            .with_remedy(ended.map(|order| Remedy::Refund(order.id)))
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(status: OrderStatus) -> Order {
        Order { id: OrderId::new(), status, total: 500, being_paid: false, refund_due: false }
    }

    fn payment(order: Order, status: PaymentStatus, amount: i64) -> Payment {
        Payment { id: PaymentId::new(), order: order.id, status, amount, from_account: false, refunding: false }
    }

    fn kinds(order: Option<Order>, payments: &[Payment]) -> Vec<Difference> {
        payments_of_order(order, payments).into_iter().map(|finding| finding.difference).collect()
    }

    #[test]
    fn failed_payments_before_the_captured_one_make_no_difference() {
        let paid = order(OrderStatus::Paid);
        let payments = [payment(paid, PaymentStatus::NotTaken, 500), payment(paid, PaymentStatus::Captured, 500)];
        assert_eq!(kinds(Some(paid), &payments), []);
    }

    #[test]
    fn a_paid_order_without_its_payment_is_found() {
        let paid = order(OrderStatus::Paid);
        assert_eq!(kinds(Some(paid), &[]), [Difference::OrderWithoutPayment]);
        let short = payment(paid, PaymentStatus::Captured, 499);
        assert_eq!(kinds(Some(paid), &[short]), [Difference::OrderWithoutPayment]);
        let refunded = payment(paid, PaymentStatus::Refunded, 500);
        assert_eq!(kinds(Some(paid), &[refunded]), [Difference::OrderWithoutPayment]);
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
    fn only_a_payment_of_an_ended_order_is_refunded_without_asking() {
        let ended = order(OrderStatus::Ended);
        let captured = payment(ended, PaymentStatus::Captured, 500);
        let remedy = |order| payments_of_order(order, &[captured])[0].remedy;
        assert_eq!(remedy(Some(ended)), Some(Remedy::Refund(ended.id)));
        assert_eq!(remedy(None), None);
        assert_eq!(remedy(Some(Order { status: OrderStatus::Pending, ..ended })), None);
    }

    #[test]
    fn a_payment_or_refund_under_way_is_no_difference() {
        let pending = order(OrderStatus::Pending);
        let captured = payment(pending, PaymentStatus::Captured, 500);
        assert_eq!(kinds(Some(Order { being_paid: true, ..pending }), &[captured]), []);
        let ended = Order { status: OrderStatus::Ended, ..pending };
        assert_eq!(kinds(Some(Order { refund_due: true, ..ended }), &[captured]), []);
        assert_eq!(kinds(Some(ended), &[Payment { refunding: true, ..captured }]), []);
    }

    #[test]
    fn the_second_payment_of_an_order_is_found() {
        let paid = order(OrderStatus::Paid);
        let payments = [payment(paid, PaymentStatus::Captured, 500), payment(paid, PaymentStatus::Captured, 500)];
        let findings = payments_of_order(Some(paid), &payments);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].subject, payments[1].id.to_string());
    }
}
