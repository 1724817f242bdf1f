//! Orders against payments.

use primitives::{OrderId, PaymentId};

use super::{Difference, Finding};
use crate::domain::Remedy;

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
    /// Somebody is paying it: a payment may be there before the order says so.
    pub being_paid: bool,
    /// A captured payment is about to be given back.
    pub refund_due: bool,
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
    /// Whether it is on its way back.
    pub refunding: bool,
}

/// Compares an order with its payments, both of one moment; `order` is `None` when nobody has it. A paid order has one
/// captured payment of its total; any other has none, but for the steps between order and payment, which are written
/// one after the other: while it is being paid nothing can be said, and a refund may be due or under way.
pub fn payments_of_order(order: Option<Order>, payments: &[Payment]) -> Vec<Finding> {
    if order.is_some_and(|order| order.being_paid) {
        return Vec::new();
    }
    let goes_back = |payment: &&Payment| payment.refunding || order.is_some_and(|order| order.refund_due);
    let captured = payments.iter().filter(|payment| payment.status == PaymentStatus::Captured);
    let mut captured = captured.filter(|payment| !goes_back(payment));
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
    fn an_order_paid_once_is_equal_whatever_failed_before() {
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
    fn only_what_an_ended_order_was_paid_with_can_be_given_back_unasked() {
        let ended = order(OrderStatus::Ended);
        let captured = payment(ended, PaymentStatus::Captured, 500);
        let remedy = |order| payments_of_order(order, &[captured])[0].remedy;
        assert_eq!(remedy(Some(ended)), Some(Remedy::Refund(ended.id)));
        assert_eq!(remedy(None), None);
        assert_eq!(remedy(Some(Order { status: OrderStatus::Pending, ..ended })), None);
    }

    #[test]
    fn what_is_between_two_steps_is_no_difference() {
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
