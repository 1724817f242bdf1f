//! Checks the payments of an order, and the account entries of those that were paid by balance.

use mongodb::bson::Uuid;

use crate::documents::{Method, Order, OrderEntry, OrderStatus, Payment, PaymentStatus};
use crate::findings::{Check, Difference, Findings};
use crate::order_books::OrderBooks;

pub(crate) fn judge(books: &OrderBooks, findings: &mut Findings) {
    if books.payments.len() > 1 {
        let found: Vec<String> = books.payments.iter().map(describe).collect();
        let expected = "at most one payment that was not declined";
        findings.add(Check::PaidOnce, Difference::new(books.subject(), expected, found.join("; ")));
    }
    match &books.order {
        Some(order) => {
            is_paid(order, &books.payments, findings);
            for payment in &books.payments {
                status(order, payment, findings);
                amount(order, payment, findings);
            }
        }
        None => {
            for payment in &books.payments {
                let difference = Difference::new(books.subject(), "an order to be paid", describe(payment));
                findings.add(Check::PaymentsOfOrders, difference);
            }
        }
    }
    entries(books, findings);
}

fn describe(payment: &Payment) -> String {
    format!("payment {} {} of {} {}", payment.id, payment.status.name(), payment.amount, payment.currency)
}

fn is_paid(order: &Order, payments: &[Payment], findings: &mut Findings) {
    let captured = payments.iter().filter(|payment| payment.status == PaymentStatus::Captured).count();
    if order.status == OrderStatus::Paid && captured == 0 {
        let found: Vec<String> = payments.iter().map(describe).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join("; ") };
        let difference = Difference::new(format!("order {} (paid)", order.id), "a captured payment", found);
        findings.add(Check::PaidOrdersCaptured, difference);
    }
}

/// The payment's status matches the order's. While an order is being paid or has a refund due, the payment may be on
/// either side of the step, since order and payment are written one after the other.
fn status(order: &Order, payment: &Payment, findings: &mut Findings) {
    let being_paid = order.payment.is_some();
    let refund_due = order.refund_due == Some(true);
    let was_paid = order.paid_at.is_some();
    let holds_money = matches!(payment.status, PaymentStatus::Captured | PaymentStatus::Refunding);
    let (check, expected) = match order.status {
        OrderStatus::Paid => return,
        _ if !holds_money || being_paid || refund_due => return,
        OrderStatus::PendingPayment => (Check::PaymentsOfOrders, "a paid order, or one that is being paid"),
        OrderStatus::Cancelled | OrderStatus::Expired if was_paid => (Check::Refunds, "a refund, made or due"),
        OrderStatus::Cancelled | OrderStatus::Expired => (Check::PaymentsOfOrders, "a refund, made or due"),
    };
    let subject = format!("order {} ({})", order.id, order.status.name());
    findings.add(check, Difference::new(subject, expected, describe(payment)));
}

fn amount(order: &Order, payment: &Payment, findings: &mut Findings) {
    let of = |amount: i64, currency: &str, user: Uuid| format!("{amount} {currency} of user {user}");
    let expected = of(order.total, &order.currency, order.user_id);
    let found = of(payment.amount, &payment.currency, payment.user_id);
    findings.compare(Check::PaymentAmounts, format!("order {}, payment {}", order.id, payment.id), expected, found);
}

/// A payment by balance took its amount from the owner's account, and a refund put it back. A card payment has no
/// account entries.
fn entries(books: &OrderBooks, findings: &mut Findings) {
    for payment in &books.payments {
        let mut expected = Vec::new();
        if payment.method == Method::Balance && payment.status != PaymentStatus::Pending {
            expected.push(posting("payment", -payment.amount, payment.user_id));
        }
        if payment.method == Method::Balance && payment.status == PaymentStatus::Refunded {
            expected.push(posting("refund", payment.amount, payment.user_id));
        }
        let of_payment = books.entries.iter().filter(|entry| entry.payment_id == Some(payment.id));
        let mut found: Vec<String> =
            of_payment.map(|entry| posting(&entry.kind, entry.delta, entry.account_id)).collect();
        // "payment" comes before "refund".
        found.sort_unstable();
        let subject = format!("{}, payment {} ({})", books.subject(), payment.id, payment.status.name());
        findings.compare(Check::PaymentsHaveEntries, subject, list(&expected), list(&found));
    }
    let is_stray = |entry: &&OrderEntry| !books.payments.iter().any(|payment| Some(payment.id) == entry.payment_id);
    for entry in books.entries.iter().filter(is_stray) {
        let found = format!("entry {}: {}", entry.id, posting(&entry.kind, entry.delta, entry.account_id));
        let difference = Difference::new(books.subject(), "a payment by balance that it belongs to", found);
        findings.add(Check::EntriesHavePayments, difference);
    }
}

fn posting(kind: &str, delta: i64, account: Uuid) -> String {
    format!("{kind} {delta} of account {account}")
}

fn list(postings: &[String]) -> String {
    if postings.is_empty() { "no entry".to_owned() } else { postings.join("; ") }
}
