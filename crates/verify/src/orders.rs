//! Checks each order by itself, and against its payments and their account entries.

use mongodb::bson::doc;

use crate::cut::{Cut, lowest};
use crate::documents::{Order, OrderEntry, OrderStatus, Payment, fields};
use crate::error::VerifyError;
use crate::findings::{Check, Difference, Findings};
use crate::order_books::OrderBooks;
use crate::payments;
use crate::report::Counted;

/// The most payments or entries of one order that are compared; an order is paid once, so more are a finding anyway.
const MAX_DOCUMENTS: usize = 2_000;

pub(crate) async fn check(cut: &mut Cut, findings: &mut Findings, counted: &mut Counted) -> Result<(), VerifyError> {
    let by_order = doc! { "$sort": { "orderId": 1, "_id": 1 } };
    let wanted = ["userId", "status", "lines", "total", "currency", "paidAt", "payment.requestId", "refundDue"];
    // A fence only holds the idempotency key of requests that were refused.
    let no_fence = doc! { "$match": { "status": { "$ne": "fenced" } } };
    let mut orders = cut.stream::<Order>(vec![no_fence, doc! { "$sort": { "_id": 1 } }, fields(&wanted)]).await?;

    let not_declined = doc! { "$match": { "status": { "$ne": "declined" } } };
    let wanted = fields(&["orderId", "userId", "method", "status", "amount", "currency"]);
    let mut payments = cut.stream::<Payment>(vec![not_declined, wanted, by_order.clone()]).await?;

    let for_orders = doc! { "$match": { "$or": [
        { "orderId": { "$exists": true } },
        { "paymentId": { "$exists": true } },
        { "kind": { "$in": ["payment", "refund"] } },
    ] } };
    let wanted = fields(&["orderId", "paymentId", "accountId", "delta", "kind"]);
    let mut entries = cut.stream::<OrderEntry>(vec![for_orders, wanted, by_order]).await?;

    while let Some(id) = lowest([orders.key(), payments.key(), entries.key()]) {
        let books = OrderBooks {
            id,
            order: orders.next_of(&id, cut).await?,
            payments: payments.all_of(&id, MAX_DOCUMENTS, cut).await?,
            entries: entries.all_of(&id, MAX_DOCUMENTS, cut).await?,
        };
        if let Some(order) = &books.order {
            *counted.orders.entry(order.status.name().to_owned()).or_default() += 1;
            counted.order_lines += u64::try_from(order.lines.len()).unwrap_or(u64::MAX);
        }
        judge(&books, findings);
    }
    Ok(())
}

fn judge(books: &OrderBooks, findings: &mut Findings) {
    if let Some(order) = &books.order {
        totals(order, findings);
        stock(order, findings);
    }
    payments::judge(books, findings);
}

/// Each line names the movement that took its stock and, once the order has ended, the one that returned it. Whether
/// those movements are right is checked in [`crate::movements`].
fn stock(order: &Order, findings: &mut Findings) {
    let has_ended = match order.status {
        OrderStatus::PendingPayment | OrderStatus::Paid => false,
        OrderStatus::Cancelled | OrderStatus::Expired => true,
    };
    for line in &order.lines {
        let subject = || format!("order {} ({}), SKU {}", order.id, order.status.name(), line.sku);
        if line.taken_by.is_none() {
            let expected = "a movement that took its stock";
            findings.add(Check::LinesTaken, Difference::new(subject(), expected, "none"));
        }
        if line.returned_by.is_some() != has_ended {
            let expected = if has_ended { "a movement that returned it" } else { "none that returned it" };
            let found = line.returned_by.map_or_else(|| "none".to_owned(), |id| format!("movement {id}"));
            findings.add(Check::LinesReturned, Difference::new(subject(), expected, found));
        }
    }
}

fn totals(order: &Order, findings: &mut Findings) {
    let subject = || format!("order {}", order.id);
    for line in &order.lines {
        let expected = line.unit_price.saturating_mul(line.quantity);
        findings.compare(Check::OrderTotals, format!("{}, SKU {}", subject(), line.sku), expected, line.line_total);
    }
    let sum = order.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.line_total));
    findings.compare(Check::OrderTotals, subject(), sum, order.total);
}
