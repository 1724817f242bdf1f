//! The payments of an order, and the account entries of those that were paid by balance.

use mongodb::bson::Uuid;

use super::documents::{Method, Order, OrderEntry, OrderStatus, Payment, PaymentStatus};
use super::findings::{Check, Difference, Findings};
use super::orders::OrderBooks;

pub(super) fn judge(books: &OrderBooks, findings: &mut Findings) {
    if books.payments.len() > 1 {
        let found: Vec<String> = books.payments.iter().map(told).collect();
        let expected = "one payment at most that was not declined";
        findings.add(Check::PaidOnce, Difference::new(books.subject(), expected, found.join("; ")));
    }
    match &books.order {
        Some(order) => {
            is_paid(order, &books.payments, findings);
            for payment in &books.payments {
                fits(order, payment, findings);
                amount(order, payment, findings);
            }
        }
        None => {
            for payment in &books.payments {
                let difference = Difference::new(books.subject(), "an order to be paid", told(payment));
                findings.add(Check::PaymentsOfOrders, difference);
            }
        }
    }
    entries(books, findings);
}

fn told(payment: &Payment) -> String {
    format!("payment {} {} of {} {}", payment.id, payment.status.name(), payment.amount, payment.currency)
}

fn is_paid(order: &Order, payments: &[Payment], findings: &mut Findings) {
    let captured = payments.iter().filter(|payment| payment.status == PaymentStatus::Captured).count();
    if order.status == OrderStatus::Paid && captured == 0 {
        let found: Vec<String> = payments.iter().map(told).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join("; ") };
        let difference = Difference::new(format!("order {} (paid)", order.id), "a captured payment", found);
        findings.add(Check::PaidOrdersCaptured, difference);
    }
}

/// Whether the payment is where the order says that it is. An order that is being paid or has a refund due may find it
/// on either side of the step, since order and payment are written one after the other.
fn fits(order: &Order, payment: &Payment, findings: &mut Findings) {
    let being_paid = order.payment.is_some();
    let refund_due = order.refund_due == Some(true);
    let was_paid = order.paid_at.is_some();
    let ours = matches!(payment.status, PaymentStatus::Captured | PaymentStatus::Refunding);
    let (check, expected) = match order.status {
        OrderStatus::Paid => return,
        _ if !ours || being_paid || refund_due => return,
        OrderStatus::PendingPayment => (Check::PaymentsOfOrders, "a paid order, or one that is being paid"),
        OrderStatus::Cancelled | OrderStatus::Expired if was_paid => (Check::Refunds, "a refund, done or due"),
        OrderStatus::Cancelled | OrderStatus::Expired => (Check::PaymentsOfOrders, "a refund, done or due"),
    };
    let subject = format!("order {} ({})", order.id, order.status.name());
    findings.add(check, Difference::new(subject, expected, told(payment)));
}

fn amount(order: &Order, payment: &Payment, findings: &mut Findings) {
    let of = |amount: i64, currency: &str, user: Uuid| format!("{amount} {currency} of user {user}");
    let expected = of(order.total, &order.currency, order.user_id);
    let found = of(payment.amount, &payment.currency, payment.user_id);
    findings.compare(Check::PaymentAmounts, format!("order {}, payment {}", order.id, payment.id), expected, found);
}

/// A payment by balance took its amount from the owner's account; a refund put it back. A card moves no account.
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
